"""Lists: fitted to the terminal; one plain line a row, nothing cut off, where the output goes to a file or a pipe."""

from collections.abc import Iterable, Sequence

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text

_GAP = "  "
# A longer word may be broken to fit (a UID); a shorter one makes its column no narrower than itself.
_UNBROKEN = 16


class Table:
    """Rows under titles, or without any. Cells are text as it is: nothing in them is markup."""

    def __init__(self, *titles: str) -> None:
        self._titles = titles
        self._rows: list[tuple[str, ...]] = []

    @property
    def row_count(self) -> int:
        return len(self._rows)

    def add_row(self, *cells: str) -> None:
        self._rows.append(tuple(" ".join(cell.split("\n")) for cell in cells))

    def print(self, screen: Console | None = None) -> None:
        """Onto standard output, or a screen of the caller's."""
        screen = screen or Console(highlight=False)
        if not screen.is_terminal:
            for line in self.lines():
                typer.echo(line)
        elif _together(self._least()) <= screen.width:
            screen.print(self._grid(screen.width))
        else:
            for line in self._one_below_another():
                screen.print(Text(line), soft_wrap=True)

    def lines(self) -> list[str]:
        """Every row on one line, its cells below their titles."""
        widths = [max(map(cell_len, column)) for column in self._columns()]
        rows = [self._titles, *self._rows] if self._titles else self._rows
        return [_GAP.join(map(_padded, row, widths)).rstrip() for row in rows]

    def _columns(self) -> Iterable[tuple[str, ...]]:
        return zip(self._titles, *self._rows, strict=True) if self._titles else zip(*self._rows, strict=True)

    def _least(self) -> list[int]:
        """For each column the width in which no word is broken but very long ones."""
        words = [[cell_len(word) for word in " ".join(column).split()] for column in self._columns()]
        return [min(max(lengths, default=0), _UNBROKEN) for lengths in words]

    def _fitted(self, room: int) -> list[int]:
        """Column widths that fit together into ``room``: the widest that can give way does, first."""
        least = self._least()
        widths = [max(map(cell_len, column)) for column in self._columns()]
        for _ in range(_together(widths) - room):
            widest = max(range(len(widths)), key=lambda n: widths[n] if widths[n] > least[n] else 0)
            widths[widest] -= 1
        return widths

    def _grid(self, room: int) -> Grid:
        widths = self._fitted(room)
        titles = self._titles or ("",) * len(widths)
        columns = [Column(Text(title), width=wide, overflow="fold") for title, wide in zip(titles, widths, strict=True)]
        grid = Grid(*columns, box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, show_header=bool(self._titles))
        for row in self._rows:
            grid.add_row(*map(Text, row))
        return grid

    def _one_below_another(self) -> Iterable[str]:
        """Each row as lines of title and value, for a terminal too narrow for the columns; empty ones left out."""
        width = max(map(cell_len, self._titles), default=0)
        for number, row in enumerate(self._rows):
            if number:
                yield ""
            for title, cell in zip(self._titles or ("",) * len(row), row, strict=True):
                if cell:
                    yield _GAP.join((_padded(title, width), cell))


def _together(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _padded(cell: str, width: int) -> str:
    """As wide as ``width`` cells of the terminal: a Chinese character takes two."""
    return cell + " " * (width - cell_len(cell))
