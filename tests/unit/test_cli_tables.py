"""Lists of the command line: on a terminal, and where their lines are read by a program."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from filmroom.cli.tables import Table

ROWS = [
    ("1", "from CT1 10.0.0.21", "completed: every object was stored", "1.2.826.0.1.3680043.8.498.7406537791911544"),
    ("22", "张^伟 [/b] [red]", "", "1.2"),
]


def filled() -> Table:
    table = Table("no.", "who", "end", "study")
    for row in ROWS:
        table.add_row(*row)
    return table


def test_a_row_is_one_line_whatever_its_length(capsys: pytest.CaptureFixture[str]) -> None:
    filled().print()
    first, one, two = capsys.readouterr().out.splitlines()
    assert one.split("  ")[0] == "1"
    assert one.endswith(ROWS[0][3])
    assert first.index("end") == one.index("completed")
    assert ROWS[1][1] in two, "brackets are text, not markup"


def test_a_wide_character_takes_two_places(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", "id")
    table.add_row("张伟", "1")
    table.add_row("Doe", "2")
    table.print()
    assert capsys.readouterr().out.splitlines() == ["name  id", "张伟  1", "Doe   2"]


def test_a_table_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Table("name", "id").print()
    Table().print()
    assert capsys.readouterr().out == "name  id\n"


@pytest.mark.parametrize("width", [30, 80, 132])
def test_a_terminal_shows_all_of_it(width: int) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, highlight=False)
    filled().print(screen)
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    if width >= 80:  # narrower: each row's cells one below another, left to the terminal to wrap
        assert max(map(cell_len, shown.splitlines())) <= width
    assert "│" not in shown
    for word in ("no.", "study", "CT1", "completed:", "[/b]", "张^伟", "10.0.0.21"):
        assert word in shown
    assert shown.count("1.2.826") == 1
