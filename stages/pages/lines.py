"""Figures over levels of something, as lines, for ``templates/figures.html.j2``."""

from collections.abc import Callable
from dataclasses import dataclass

from .figures import place


@dataclass(frozen=True)
class Point:
    """A figure, with its interval where there is one."""

    x: str
    y: str
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True)
class Curve:
    """One line of :class:`Lines`; ``kind`` is the number of its style."""

    name: str
    kind: int
    path: str
    points: list[Point]


@dataclass(frozen=True)
class Lines:
    """Figures over levels of something, one curve per kind."""

    title: str
    curves: list[Curve]
    ticks: list[tuple[str, str]]
    ends: list[tuple[str, str]]
    axis: str
    spoken: str


def lines(
    title: str,
    axis: str,
    ticks: list[str],
    curves: dict[str, list[tuple]],
    limits: tuple[float, float],
    words: Callable,
) -> Lines:
    """``curves``: {name: (number of the tick, value, low, high) of every point}; ``words`` writes a value."""
    step, (low, high) = 120 / len(ticks), limits

    def at(value: float | None) -> str | None:
        return None if value is None else place(125 - 110 * (value - low) / (high - low or 1))

    found, spoken = [], []
    for kind, (name, points) in enumerate(curves.items()):
        made = [
            Point(place(35 + step * (i + 0.5) + 1.5 * kind), at(value), at(below), at(above))
            for i, value, below, above in points
        ]
        found.append(Curve(name, kind, " ".join(f"{point.x},{point.y}" for point in made), made))
        spoken += [f"{name}, {ticks[i]}: {words(value)}" for i, value, *_ in points]
    return Lines(
        title=title,
        curves=found,
        ticks=[(place(35 + step * (i + 0.5)), tick) for i, tick in enumerate(ticks)],
        ends=[(at(end), words(end)) for end in limits],
        axis=axis,
        spoken="; ".join(spoken),
    )
