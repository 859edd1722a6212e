"""Audit records as rows of a spreadsheet, in which no cell can be a formula."""

from collections.abc import Iterable
from typing import Final

from filmroom.security.audit_reading import Found

HEADINGS: Final = (
    *("number", "at", "kind", "what", "who", "name", "door", "address", "outcome", "patients", "studies"),
    *("destination", "query"),
)
_FORMULA: Final = frozenset({"=", "+", "-", "@", "\t", "\r"})


def cells(found: Found) -> list[str]:
    """A record as one row under ``HEADINGS``."""
    event = found.event
    return harmless(
        [
            *(
                str(found.seq),
                event.at.isoformat(),
                event.kind.value,
                event.what,
                event.who,
                event.who_name,
                event.door,
            ),
            *(event.address, str(event.outcome), " ".join(patient.id for patient in event.patients)),
            *(" ".join(event.studies), event.destination, event.query),
        ]
    )


def harmless(row: Iterable[str]) -> list[str]:
    """The same cells; one that a spreadsheet would take for a formula begins with an apostrophe."""
    return [f"'{cell}" if cell[:1] in _FORMULA else cell for cell in row]
