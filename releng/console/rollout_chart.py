"""The chart of a rollout as coordinates: the template draws it as SVG, with attributes and classes only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from releng.uptake.trends import Trend

WIDTH, HEIGHT = 880, 360
LEFT, RIGHT, TOP, BOTTOM = 44, 96, 26, 34
TICK_STEPS = (
    *(
        timedelta(minutes=10),
        timedelta(minutes=30),
        timedelta(hours=1),
        timedelta(hours=3),
        timedelta(hours=6),
    ),
    *(timedelta(hours=12), timedelta(days=1), timedelta(days=2), timedelta(days=5), timedelta(days=10)),
)
TICKS = 8
LABEL_HEIGHT = 13


@dataclass(frozen=True, slots=True)
class Line:
    """One version: its points as SVG takes them, and where its name stands."""

    version: str
    index: int  # which colour and dashes
    points: str
    label_y: float
    last: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at a moment: a rule change, or a time limit."""

    x: float
    number: str
    is_limit: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """A target, and how its version is projected to get there: from `x1`, `y1` to `x2`, `y`."""

    y: float
    label: str
    index: int | None
    path: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that is drawn."""

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Mark]
    goals: list[Goal]
    now: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class Target:
    """What is aimed at: a share of a version, and when it is expected (None: not known)."""

    version: str
    percent: float
    expected: datetime | None


class Plane:
    """Turns moments and percentages into coordinates."""

    def __init__(self, since: datetime, until: datetime, top_percent: float) -> None:
        self.since, self.until, self.top_percent = since, until, top_percent

    def x(self, moment: datetime) -> float:
        """Return where a moment is."""
        share = (moment - self.since) / (self.until - self.since)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, percent: float) -> float:
        """Return where a percentage is."""
        return round(HEIGHT - BOTTOM - percent / self.top_percent * (HEIGHT - TOP - BOTTOM), 1)

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment is on the chart."""
        return self.since <= moment <= self.until


def drawn(
    trend: Trend,
    since: datetime,
    now: datetime,
    *,
    targets: Sequence[Target] = (),
    marks: Iterable[tuple[datetime, str]] = (),
    limits: Iterable[datetime] = (),
) -> Chart:
    """Return a chart from `since` to now, and on to what is projected where that is near enough to be drawn."""
    span = now - since
    near = [target.expected for target in targets if target.expected and target.expected <= now + span]
    limits = [limit for limit in limits if limit <= now + span]
    until = max([now, *near, *limits]) + span / 50
    highest = max([10.0, *(share for shares in trend.shares.values() for share in shares)])
    highest = max([highest, *(target.percent for target in targets)])
    plane = Plane(since, until, min(100.0, (highest // 10 + 1) * 10))
    lines = _lines(trend, plane)
    index_of = {line.version: line for line in lines}
    goals = []
    for target in targets:
        line, path = index_of.get(target.version), None
        if line is not None and target.expected is not None and plane.holds(target.expected):
            last = trend.steps[-1][0] + trend.step / 2
            path = (
                plane.x(min(last, now)),
                plane.y(line.last),
                plane.x(target.expected),
                plane.y(target.percent),
            )
        label = f"target {target.percent:g} % of {target.version}"
        goals.append(Goal(plane.y(target.percent), label, line.index if line is not None else None, path))
    return Chart(
        lines,
        _x_ticks(plane),
        [Tick(plane.y(percent), f"{percent} %") for percent in _percents(plane.top_percent)],
        [
            *(Mark(plane.x(moment), number) for moment, number in marks if plane.holds(moment)),
            *(Mark(plane.x(limit), "limit", is_limit=True) for limit in limits if plane.holds(limit)),
        ],
        goals,
        plane.x(now),
    )


def _lines(trend: Trend, plane: Plane) -> list[Line]:
    found = []
    for index, version in enumerate(trend.versions):
        shares = trend.shares[version]
        middles = [
            (min(start + trend.step / 2, plane.until), share)
            for (start, _), share in zip(trend.steps, shares, strict=True)
        ]
        points = " ".join(f"{plane.x(moment)},{plane.y(share)}" for moment, share in middles)
        found.append((index, version, points, shares[-1] if shares else 0.0))
    placed: dict[int, float] = {}
    lowest = float(HEIGHT)  # labels that would stand on each other are moved up
    for index, _, _, last in sorted(found, key=lambda item: item[3]):
        lowest = min(plane.y(last) + 4, lowest - LABEL_HEIGHT)
        placed[index] = lowest
    return [Line(version, index, points, placed[index], last) for index, version, points, last in found]


def _percents(top: float) -> list[int]:
    step = 10 if top <= 50 else 20
    return list(range(0, int(top) + 1, step))


def _x_ticks(plane: Plane) -> list[Tick]:
    span = plane.until - plane.since
    step = next((step for step in TICK_STEPS if span / step <= TICKS), TICK_STEPS[-1])
    midnight = plane.since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + step * (-((midnight - plane.since) // step))
    found, moment = [], first
    while moment <= plane.until:
        if moment >= plane.since:
            is_day = step >= timedelta(days=1) or (moment.hour == 0 and moment.minute == 0)
            found.append(Tick(plane.x(moment), f"{moment:%b} {moment.day}" if is_day else f"{moment:%H:%M}"))
        moment += step
    return found
