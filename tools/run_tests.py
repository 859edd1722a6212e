"""Run the whole suite: what is pure or has its own database on every core, what starts servers one after another."""

import subprocess
import sys
import time
from pathlib import Path

SIDE_BY_SIDE = ["unit", "conformance", "contracts", "fuzz", "integration"]
ONE_BY_ONE = ["peers", "crash", "browser"]


def main() -> int:
    """Run both halves even when the first fails; the exit status says whether all passed."""
    started = time.monotonic()
    extra = sys.argv[1:]
    first = _pytest(SIDE_BY_SIDE, "-n", "2", "--dist", "loadfile", *extra)
    second = _pytest(ONE_BY_ONE, *extra)
    print(f"\nThe whole suite took {time.monotonic() - started:.0f} s.", flush=True)
    return first or second


def _pytest(folders: list[str], *options: str) -> int:
    paths = [f"tests/{name}" for name in folders if any(Path("tests", name).rglob("test_*.py"))]
    print(f"\n--- {', '.join(folders)} ---", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *options, *paths], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
