"""ARCHITECTURE.md and the tree say the same."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^( *)([\w./]+) {2,}(.+)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the map."""

    path: Path
    planned: bool


def entries() -> Iterator[Entry]:
    above: list[tuple[int, Path]] = []
    for line in TEXT.split("```")[1].strip("\n").splitlines():
        match = ENTRY.match(line)
        assert match is not None, f"not an entry of the map: {line!r}"
        depth = len(match[1])
        while above and above[-1][0] >= depth:
            above.pop()
        path = (above[-1][1] if above else Path()) / match[2]
        above.append((depth, path))
        yield Entry(path, "(planned, part " in match[3])


MAP = list(entries())


def has_content(path: Path) -> bool:
    """Whether version control would keep it: an empty folder and byte code do not count."""
    if path.is_file():
        return True
    return any(each.is_file() and "__pycache__" not in each.parts for each in path.rglob("*"))


@pytest.mark.parametrize("entry", MAP, ids=lambda entry: str(entry.path))
def test_each_place_on_the_map_is_there_or_planned(entry: Entry) -> None:
    if entry.planned:
        assert not has_content(ROOT / entry.path), f"{entry.path} is built: take the mark off the map"
    else:
        assert has_content(ROOT / entry.path), f"{entry.path} is on the map and not in the tree"


@pytest.mark.parametrize("folder", ["src/filmroom", "src/filmroom/net", "src/filmroom/wire", "tests"])
def test_each_folder_is_on_the_map(folder: str) -> None:
    places = {entry.path for entry in MAP}
    below = [each for each in (ROOT / folder).iterdir() if each.is_dir() and has_content(each)]
    assert [each.name for each in below if each.relative_to(ROOT) not in places] == []


def test_the_map_names_each_file_it_mentions_in_the_text() -> None:
    for name in re.findall(r"`(docs/[\w./-]+)`", TEXT):
        assert has_content(ROOT / name), name


def test_the_page_stays_a_page() -> None:
    assert len(TEXT.splitlines()) <= 120
