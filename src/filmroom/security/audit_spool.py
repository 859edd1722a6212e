"""Records that are not in the database yet lie in a file: a process that is killed takes none with it."""

import contextlib
import fcntl
import os
import uuid
from pathlib import Path

from filmroom.security.audit import AuditEvent
from filmroom.security.audit_chain import event_of, text_of


class AuditSpool:
    """One file of this process, locked while it lives; what dead processes left is taken over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def put(self, event: AuditEvent) -> None:
        """Keep a record. Raises OSError."""
        os.write(self._file, text_of(event).encode() + b"\n")

    def clear(self) -> None:
        """All that was put is in the database."""
        os.ftruncate(self._file, 0)

    def close(self, *, empty: bool) -> None:
        """End; a file with something in it stays for the next process."""
        if empty:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    def left_by_others(self) -> list[tuple[Path, list[AuditEvent]]]:
        """Files of processes that live no more, with what is in them."""
        found = []
        for path in sorted(self._folder.glob("*.jsonl")):
            if path == self._path:
                continue
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append((path, _events(file.read())))
        return found


def _events(data: bytes) -> list[AuditEvent]:
    events = []
    for line in data.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            events.append(event_of(line.decode()))  # the last line of a killed process may be cut
    return events
