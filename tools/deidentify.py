"""Write ``dicom/deidentify_table.py``: what becomes of each attribute under the confidentiality profile.

``python -m tools.deidentify attributes.json chapter_E.rst`` reads PS3.15 table E.1-1 as rows of JSON (``id``,
``basicProfile``, one key for each option) and table E.3.10-1 as a grid table; only tags, creators and action codes are
taken over.
"""

import json
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src/filmroom/dicom/deidentify_table.py"
# Key of the option in the rows, and what it is called here (``Option`` in deidentify_profile.py).
OPTIONS = {
    "rtnUIDsOpt": "retain-uids",
    "rtnDevIdOpt": "retain-device",
    "rtnInstIdOpt": "retain-institution",
    "rtnPatCharsOpt": "retain-patient-characteristics",
    "rtnLongFullDatesOpt": "retain-full-dates",
    "rtnLongModifDatesOpt": "retain-modified-dates",
    "cleanDescOpt": "clean-descriptors",
    "cleanStructContOpt": "clean-structured-content",
    "cleanGraphOpt": "clean-graphics",
}
HEAD = '''"""What becomes of each attribute under the Basic Application Level Confidentiality Profile and its options.

Made by ``python -m tools.deidentify`` from the facts of PS3.15 tables E.1-1 and E.3.10-1.
"""

from typing import Final

# Action codes of the profile, then of the options that say otherwise, and the tags this holds for. ``x`` stands for any
# digit (repeating groups).
ROWS: Final[tuple[tuple[str, dict[str, str], str], ...]] = (
'''
PRIVATE = """
# Private creator, and the elements of its block that tell nothing of the patient.
SAFE_PRIVATE: Final[dict[str, str]] = {
"""


def grouped(rows: list[dict[str, str]]) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], list[str]]:
    """The tags of each combination of codes; private attributes are a rule of their own."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = defaultdict(list)
    for row in rows:
        if re.fullmatch(r"[0-9a-fx]{8}", row["id"]):
            options = tuple((OPTIONS[key], row[key]) for key in OPTIONS if row.get(key))
            found[row["basicProfile"], options].append(row["id"].upper().replace("X", "x"))
    return found


def safe_private(text: str) -> Mapping[str, list[str]]:
    """Creator -> ``ggggee`` of each safe element, from the grid table of E.3.10-1."""
    found: dict[str, list[str]] = defaultdict(list)
    tag, creator = "", ""
    for line in text[text.index(".. table:: Safe Private Attributes") :].splitlines():
        cells = [each.strip() for each in line.strip().strip("|").split("|")]
        if match := re.match(r"\(([0-9A-Fa-f]{4}),xx([0-9A-Fa-f]{2})\)", cells[0]):
            tag, creator = (match[1] + match[2]).upper(), cells[1]
        elif line.strip().startswith("+") and tag:
            found[creator].append(tag)
            tag = ""
        elif tag and len(cells) > 1 and cells[1]:
            creator += " " + cells[1]
        elif found and not tag and line.strip() and not line.strip().startswith(("|", "+")):
            break
    return found


def lines(tags: list[str]) -> Iterator[str]:
    """The tags as adjacent literals."""
    wrapped = textwrap.wrap(" ".join(sorted(tags)), 100)
    for number, line in enumerate(wrapped):
        yield f'        "{line}{" " if number + 1 < len(wrapped) else ""}"'


def main(table: str, chapter: str) -> None:
    out = HEAD
    for (code, options), tags in sorted(grouped(json.loads(Path(table).read_text())).items()):
        said = ", ".join(f'"{name}": "{action}"' for name, action in options)
        out += f'    (\n        "{code}",\n        {{{said}}},\n' + "\n".join(lines(tags)) + ",\n    ),\n"
    out += ")\n" + PRIVATE
    for creator, tags in sorted(safe_private(Path(chapter).read_text()).items()):
        out += f'    "{creator}": (\n' + "\n".join(lines(tags)) + "\n    ),\n"
    TARGET.write_text(out + "}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
