"""A week of invented requests for the demo: versions that rise, fall and cross."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from releng.uptake.clients import OTHER
from releng.uptake.models import UptakeCount

DAYS = 8
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WINDOWS, LINUX = "WINNT_x86_64-msvc-x64", "Linux_x86_64-gcc3"
PLATFORMS = {WINDOWS: 0.8, LINUX: 0.2}
ROWS_AT_ONCE = 1_000

# Place -> requests an hour, and for each version its share (percent) so many days ago, from the past to now.
Curve = tuple[tuple[float, float], ...]
PLACES: dict[tuple[str, str], tuple[int, Mapping[str, Curve]]] = {
    ("Firefox", "release"): (
        90_000,
        {
            "145.0": ((8, 24), (6, 38), (4, 47), (2, 52), (0, 50)),
            "144.0": ((8, 60), (6, 46), (4, 34), (2, 24), (0, 16)),
            "145.0.1": ((8, 0), (5, 0), (4, 1.8), (2, 5), (1, 10.5), (0, 17)),
            "128.0": ((8, 6), (0, 5.5)),
            OTHER: ((8, 1), (0, 1)),
        },
    ),
    ("Firefox", "beta"): (
        12_000,
        {"146.0": ((8, 71), (4, 84), (0, 90)), "145.0": ((8, 25), (4, 13), (0, 7))},
    ),
    ("Firefox", "esr"): (
        20_000,
        {
            "140.5.0": ((8, 78), (4, 66), (2, 52), (0, 37)),
            "140.6.0": ((8, 0), (4, 15), (2, 33), (0, 50)),
            "115.30.0": ((8, 12), (0, 11)),
        },
    ),
    ("Firefox", "nightly"): (4_000, {"147.0a1": ((8, 88), (0, 93))}),
}


def make_traffic(now: datetime) -> None:
    """Write the counts of the days before `now`: by the hour, the last ones by the minute."""
    by_minute = now.replace(minute=0, second=0, microsecond=0) - HOUR
    hours = [by_minute - HOUR * number for number in range(1, DAYS * 24)]
    minutes = [by_minute + MINUTE * number for number in range(int((now - by_minute) / MINUTE))]
    rows = [row for start in hours for row in _rows(start, UptakeCount.Level.HOUR, 1.0, now)]
    rows += [row for start in minutes for row in _rows(start, UptakeCount.Level.MINUTE, 1 / 60, now)]
    UptakeCount.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def _rows(start: datetime, level: str, part: float, now: datetime) -> list[UptakeCount]:
    days_ago = (now - start) / timedelta(days=1)
    # More people update by day than by night.
    tide = 1 + 0.35 * math.sin((start.hour + start.minute / 60 - 9) / 24 * 2 * math.pi)
    found = []
    for (product, channel), (requests, versions) in PLACES.items():
        for version, curve in versions.items():
            wanted = requests * part * tide * _share(curve, days_ago) / 100
            wanted *= _noise(product, channel, version, start)
            for platform, platform_part in PLATFORMS.items():
                number = round(wanted * platform_part)
                if number:
                    found.append(
                        UptakeCount(
                            level=level,
                            start=start,
                            product=product,
                            channel=channel,
                            version=version,
                            build_target=platform if version != OTHER else OTHER,
                            requests=number,
                        )
                    )
                if version == OTHER:
                    break
    return found


def _share(curve: Curve, days_ago: float) -> float:
    """Return the share at a moment, on straight lines between the points of a curve."""
    for (earlier, before), (later, after) in pairwise(curve):
        if earlier >= days_ago >= later:
            return before + (after - before) * (earlier - days_ago) / (earlier - later)
    return curve[0][1] if days_ago > curve[0][0] else curve[-1][1]


def _noise(*words: object) -> float:
    """Return a number near 1 that depends on the words alone."""
    digest = hashlib.sha256("/".join(map(str, words[:-1])).encode() + f"{words[-1]:%H%M}".encode()).digest()
    return 0.97 + 0.06 * digest[0] / 255
