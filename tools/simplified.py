"""Write ``dicom/simplified.py``: which simplified character each traditional one becomes.

``python -m tools.simplified TSCharacters.txt`` reads OpenCC's table of characters (Apache-2.0), taking the first
simplified form where there are several.
"""

import sys
import textwrap
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src/filmroom/dicom/simplified.py"
HEAD = '''"""Traditional Chinese characters and the simplified form of each, so that either finds the other.

Made by ``python -m tools.simplified`` from OpenCC's table of characters (Apache-2.0, see NOTICE).
"""

from typing import Final

_TRADITIONAL: Final = (
{traditional}
)
_SIMPLIFIED: Final = (
{simplified}
)
_TABLE: Final = str.maketrans(_TRADITIONAL, _SIMPLIFIED)


def simplified(text: str) -> str:
    """The text with each traditional character in its simplified form; all else stays."""
    return text.translate(_TABLE) if not text.isascii() else text
'''


def pairs(text: str) -> dict[str, str]:
    """The characters that change, of one UTF-16 unit: names have no others."""
    read = (line.split("\t") for line in text.splitlines() if "\t" in line)
    every = {old: new.split()[0] for old, new in read}
    return {old: new for old, new in every.items() if old != new and max(map(ord, old + new)) < 0x10000}


def _quoted(text: str) -> str:
    return "\n".join(f'    "{line}"' for line in textwrap.wrap(text, 56))


def main() -> None:
    """Write the module."""
    table = pairs(Path(sys.argv[1]).read_text(encoding="utf-8"))
    both = {"traditional": _quoted("".join(table)), "simplified": _quoted("".join(table.values()))}
    TARGET.write_text(HEAD.format(**both), encoding="utf-8")


if __name__ == "__main__":
    main()
