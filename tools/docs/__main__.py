"""``python -m tools.docs [--check]``: write the generated pages, or say which of them are stale."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools.docs import api, conformance, coverage, requirements, settings

ROOT = Path(__file__).resolve().parents[2]

# Each takes the root of the repository and returns what its pages must hold. A new generator is one more line.
GENERATORS: Sequence[Callable[[Path], Mapping[Path, str]]] = (
    requirements.pages,
    coverage.pages,
    settings.pages,
    conformance.pages,
    api.pages,
)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Exit status 1 when ``--check`` finds a page that would change."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a page is stale")
    check = parser.parse_args(arguments).check
    stale = [(path, text) for make in GENERATORS for path, text in make(root).items() if read(path) != text]
    for path, text in stale:
        print(f"{path.relative_to(root)} {'is stale: run make docs' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


def read(path: Path) -> str:
    """The page as it stands; empty when there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
