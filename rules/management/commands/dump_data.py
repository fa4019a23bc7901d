"""Write rules, releases and what belongs to them to one JSON file."""

from __future__ import annotations

import gzip
import os
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from releases.reading import consistent_read
from rules.dump import dump
from rules.management.commands.load_data import show_progress


class Command(BaseCommand):
    help = "Dump rules and releases as one JSON file (docs/data-format.md); load_data reads it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", nargs="?", default="-", help="the file; - is standard output, .gz is compressed"
        )

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        if file == "-":
            with consistent_read():
                dump(partial(self.stdout.write, ending=""))
            return
        # A dump that breaks off must not look like one: it gets its name when it is whole.
        target, part = Path(file), Path(f"{file}.part")
        try:
            with self._opened(part, compressed=target.suffix == ".gz") as out, consistent_read():
                dump(out.write, progress=show_progress)
            os.replace(part, target)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)

    @staticmethod
    def _opened(path: Path, *, compressed: bool) -> IO[str]:
        return gzip.open(path, "wt", encoding="utf-8") if compressed else path.open("w", encoding="utf-8")
