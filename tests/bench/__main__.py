"""`make bench`: every benchmark, one table after the other. BENCH_DATA names the folder with the large data."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench import api, history, updates, uptake

DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared" / "conformance"

if __name__ == "__main__":
    folder = Path("build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    history.run()
    data = Path(os.environ.get("BENCH_DATA", DEFAULT_DATA))
    updates.run(data, folder)
    uptake.run(data, folder)
    api.run(folder)
