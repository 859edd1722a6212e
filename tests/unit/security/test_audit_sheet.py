"""Audit records in a spreadsheet: nothing that somebody sent is a formula there."""

from datetime import UTC, datetime

import pytest

from filmroom.security.audit import AuditEvent, AuditKind, AuditPatient
from filmroom.security.audit_reading import Found
from filmroom.security.audit_sheet import HEADINGS, cells, harmless


@pytest.mark.capability("7.3.2")
@pytest.mark.parametrize("cell", ["=1+1", "+49 30", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_calculate_is_text(cell: str) -> None:
    assert harmless([cell, "Lee"]) == [f"'{cell}", "Lee"]


def test_a_record_has_a_cell_under_every_heading() -> None:
    at = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    event = AuditEvent(
        id="0",
        at=at,
        kind=AuditKind.ACCESSED,
        who="person:7",
        who_name="=HYPERLINK(1)",
        door="web",
        patients=(AuditPatient("P1"), AuditPatient("P2")),
    )
    row = dict(zip(HEADINGS, cells(Found(seq=3, event=event)), strict=True))
    assert (row["number"], row["name"], row["patients"]) == ("3", "'=HYPERLINK(1)", "P1 P2")
