"""Shares of versions over time, and when one would reach a target if it went on as it does. Pure, no database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from releng.uptake.clients import OTHER
from releng.uptake.traffic import Series

LEAST_POINTS = 4
LONGEST_AHEAD = timedelta(days=60)
LEAST_RISE_PER_DAY = 0.1  # percentage points; below that nothing is said to rise
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Point:
    """The share (percent) of a version in one step, out of so many requests."""

    start: datetime
    share: float
    requests: int


@dataclass(frozen=True, slots=True)
class Trend:
    """Shares of versions in equal steps; `steps` has the beginning of each, with all its requests.

    `versions` are the commonest, `OTHER` among them only where clients were not told apart; `rest` says how many
    versions are left out.
    """

    step: timedelta
    steps: list[tuple[datetime, int]]
    versions: list[str]
    shares: dict[str, list[float]]
    rest: int

    def points(self, version: str) -> list[Point]:
        """Return a version's shares, step by step; none for a version that is not among `versions`."""
        shares = self.shares.get(version, [])
        return [Point(start, share, total) for (start, total), share in zip(self.steps, shares, strict=False)]


def trend(series: Series, most: int, wanted: Sequence[str] = ()) -> Trend:
    """Return the shares of the commonest versions of a series, at most `most`; those that are `wanted` come first.

    Requests of clients that were not told apart count as requests, and as no version.
    """
    totals: dict[str, int] = defaultdict(int)
    for _, counts in series.points:
        for version, requests in counts.items():
            totals[version] += requests
    common = sorted(totals, key=lambda version: (version not in wanted, -totals[version], version))
    named = [version for version in common if version != OTHER]
    versions = named[:most]
    steps = [(start, sum(counts.values())) for start, counts in series.points]
    shares = {
        version: [
            100 * counts.get(version, 0) / total if total else 0.0
            for (_, counts), (_, total) in zip(series.points, steps, strict=True)
        ]
        for version in versions
    }
    return Trend(series.step, steps, versions, shares, len(named) - len(versions))


@dataclass(frozen=True, slots=True)
class Projection:
    """When a share reaches a target: `reached` in the past, or `expected`; with neither, `why` it is not known.

    `per_day` is the rise in percentage points a day, None where it is not known.
    """

    reached: datetime | None = None
    expected: datetime | None = None
    per_day: float | None = None
    why: str = ""


def projected(points: Sequence[Point], target: float, span: timedelta, now: datetime) -> Projection:
    """Project a share on a straight line through what was measured in the last `span`, weighted by requests.

    A share that has reached the target in its last step has reached it when it first did for good.
    """
    if not points:
        return Projection(why="the version has made no requests in the time that is shown")
    if points[-1].share >= target:
        below = [place for place, point in enumerate(points) if point.share < target]
        return Projection(reached=points[below[-1] + 1 if below else 0].start)
    recent = [point for point in points if point.start >= now - span and point.requests]
    if len(recent) < LEAST_POINTS:
        return Projection(
            why=f"only {len(recent)} measurements in the last {spelled(span)}; it takes {LEAST_POINTS}"
        )
    level, per_day = _line(recent, now)
    if per_day < LEAST_RISE_PER_DAY:
        return Projection(per_day=per_day, why=f"it has not risen in the last {spelled(span)}")
    days = max(0.0, (target - level) / per_day)
    if days > LONGEST_AHEAD / timedelta(days=1):
        return Projection(per_day=per_day, why=f"at this pace it takes more than {LONGEST_AHEAD.days} days")
    return Projection(expected=now + timedelta(days=days), per_day=per_day)


def _line(points: Sequence[Point], now: datetime) -> tuple[float, float]:
    """Return the share at `now` and its rise a day, by least squares weighted by requests."""
    rows = [
        ((point.start - now).total_seconds() / _DAY_SECONDS, point.share, point.requests) for point in points
    ]
    weight = sum(requests for _, _, requests in rows)
    mean_x = sum(x * requests for x, _, requests in rows) / weight
    mean_y = sum(y * requests for _, y, requests in rows) / weight
    spread = sum(requests * (x - mean_x) ** 2 for x, _, requests in rows)
    slope = sum(requests * (x - mean_x) * (y - mean_y) for x, y, requests in rows) / spread if spread else 0.0
    return mean_y - slope * mean_x, slope


def spelled(span: timedelta) -> str:
    """Return a span as people say it."""
    hours = span / timedelta(hours=1)
    return f"{hours:g} hours" if hours < 72 else f"{hours / 24:g} days"
