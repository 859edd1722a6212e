"""The command line: ``filmroom COMMAND``. Each command is one use case, with words for people around it."""

import sys
from typing import NoReturn

from filmroom.base.errors import FilmroomError


def main() -> None:
    """Entry point of the console script; expected faults become one sentence and exit status 1."""
    from filmroom.cli.commands import app

    try:
        app(standalone_mode=True)
    except (FilmroomError, ValueError) as error:  # ValueError: a setting or an argument that cannot be
        _end(str(error) or (type(error).__doc__ or "").strip())
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename}: {error.strerror}")


def _end(sentence: str) -> NoReturn:
    print(f"filmroom: {sentence}", file=sys.stderr)  # noqa: T201 - the terminal is this program's screen
    sys.exit(1)
