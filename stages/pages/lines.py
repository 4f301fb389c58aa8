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
    words: Callable[[float], str],
    phrase: Callable[..., str] | None = None,
) -> Lines:
    """The figure, with a description for who hears the page.

    Parameters
    ----------
    curves
        {name: (number of the tick, value, low, high) of every point}; one without points is not drawn, but its style is
        kept for it.
    limits
        Lowest and highest value of the axis.
    words
        Writes a value.
    phrase
        Says a point, given the curve's name, the tick, value, low and high; by default without its interval.
    """
    step, (low, high) = 120 / len(ticks), limits
    phrase = phrase or (lambda name, tick, value, *_: f"{name}, {tick}: {words(value)}")

    def at(value: float | None) -> str | None:
        return None if value is None else place(125 - 110 * (value - low) / (high - low or 1))

    found, spoken = [], []
    for kind, (name, points) in ((kind, own) for kind, own in enumerate(curves.items()) if own[1]):
        made = [
            Point(place(35 + step * (i + 0.5) + 1.5 * (kind - 1)), at(value), at(below), at(above))
            for i, value, below, above in points
        ]
        found.append(Curve(name, kind, " ".join(f"{point.x},{point.y}" for point in made), made))
        spoken += [phrase(name, ticks[i], *figure) for i, *figure in points]
    return Lines(
        title=title,
        curves=found,
        ticks=[(place(35 + step * (i + 0.5)), tick) for i, tick in enumerate(ticks)],
        ends=[(at(end), words(end)) for end in limits],
        axis=axis,
        spoken="; ".join(dict.fromkeys(spoken)),
    )
