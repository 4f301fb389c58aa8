"""The tables of the page as data; their markup is in ``templates/widgets.html.j2``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A part of a cell; ``kind`` is its style class, empty for plain text."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Cell:
    """A table cell: a text, then spans. ``kind`` is its style class."""

    text: str
    kind: str = ""
    spans: tuple[Span, ...] = ()


def number(value: str) -> Cell:
    """A right-aligned cell."""
    return Cell(value, "n")


def wide(value: str) -> Cell:
    """A cell of running text, which may wrap."""
    return Cell(value, "wide")


@dataclass(frozen=True)
class Row:
    """The first cell is the row's heading. ``kind`` is the row's style class."""

    cells: list[Cell]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table that scrolls sideways where it is too wide."""

    header: list[str]
    rows: list[Row]

    @property
    def numeric(self) -> list[bool]:
        """For every column, whether all its cells are numbers: its heading is then right-aligned too."""
        columns = range(len(self.header))
        return [bool(self.rows) and all(row.cells[i].kind == "n" for row in self.rows) for i in columns]


def table(header: list[str], rows: list[list], kinds: list[str] | None = None) -> Table:
    """A table of cells; anything else in ``rows`` becomes a plain cell with its text. ``kinds`` has a class per row."""
    found = [[cell if isinstance(cell, Cell) else Cell(str(cell)) for cell in row] for row in rows]
    return Table(header, [Row(*row) for row in zip(found, kinds or [""] * len(found), strict=True)])
