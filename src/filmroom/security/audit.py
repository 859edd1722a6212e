"""What happened, to whom and by whom, as one frozen value: every message and every stored row is made from it.

The kinds are those of DICOM PS3.15 A.5.3; each is told once, in ``KINDS``.
"""

import uuid
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from filmroom.db.pool import Connection
from filmroom.security.principals import Principal


class AuditKind(Enum):
    """What happened."""

    STARTED = "started"
    STOPPED = "stopped"
    LOGIN = "login"
    LOGIN_REFUSED = "login-refused"
    LOGOUT = "logout"
    ACCOUNT_CHANGED = "account-changed"  # passwords, factors, tokens and sessions too
    QUERY = "query"
    ACCESSED = "accessed"  # a study was opened
    TRANSFERRED = "transferred"  # its objects were sent to somebody who asked
    STORED = "stored"
    EXPORTED = "exported"
    DELETED = "deleted"
    CHANGED = "changed"  # attributes, patients, orders
    REFUSED = "refused"
    RIGHTS_CHANGED = "rights-changed"
    CONFIGURED = "configured"
    GLASS_BROKEN = "glass-broken"
    SHARED = "shared"
    AUDIT_READ = "audit-read"
    AUDIT_PRUNED = "audit-pruned"
    ALERT = "alert"


class Meaning(NamedTuple):
    """How a kind is told in DICOM: the event (CID 400), its type (CID 401 to 403) and what was done (C R U D E), as the
    message of that event has it in PS3.15 A.5.3."""

    event: tuple[str, str]
    type: tuple[str, str] | None
    action: str


_LOGIN: Final = ("110114", "User Authentication")
_SECURITY: Final = ("110113", "Security Alert")
_ACTIVITY: Final = ("110100", "Application Activity")
_ACCESSED: Final = ("110103", "DICOM Instances Accessed")
_RESTRICTED: Final = ("110132", "Use of Restricted Function")
_SECURITY_SET: Final = ("110129", "Security Configuration")

KINDS: Final[Mapping[AuditKind, Meaning]] = MappingProxyType(
    {
        AuditKind.STARTED: Meaning(_ACTIVITY, ("110120", "Application Start"), "E"),
        AuditKind.STOPPED: Meaning(_ACTIVITY, ("110121", "Application Stop"), "E"),
        AuditKind.LOGIN: Meaning(_LOGIN, ("110122", "Login"), "E"),
        AuditKind.LOGIN_REFUSED: Meaning(_LOGIN, ("110122", "Login"), "E"),
        AuditKind.LOGOUT: Meaning(_LOGIN, ("110123", "Logout"), "E"),
        AuditKind.ACCOUNT_CHANGED: Meaning(_SECURITY, ("110137", "User security Attributes Changed"), "E"),
        AuditKind.QUERY: Meaning(("110112", "Query"), None, "E"),
        AuditKind.ACCESSED: Meaning(_ACCESSED, None, "R"),
        AuditKind.TRANSFERRED: Meaning(("110104", "DICOM Instances Transferred"), None, "R"),
        AuditKind.STORED: Meaning(("110104", "DICOM Instances Transferred"), None, "C"),
        AuditKind.EXPORTED: Meaning(("110106", "Export"), None, "R"),
        AuditKind.DELETED: Meaning(("110105", "DICOM Study Deleted"), None, "D"),
        AuditKind.CHANGED: Meaning(_ACCESSED, None, "U"),
        AuditKind.REFUSED: Meaning(_SECURITY, _RESTRICTED, "E"),
        AuditKind.RIGHTS_CHANGED: Meaning(_SECURITY, ("110136", "Security Roles Changed"), "E"),
        AuditKind.CONFIGURED: Meaning(_SECURITY, ("110131", "Software Configuration"), "E"),
        AuditKind.GLASS_BROKEN: Meaning(_SECURITY, ("110127", "Emergency Override Started"), "E"),
        AuditKind.SHARED: Meaning(("110106", "Export"), None, "R"),
        AuditKind.AUDIT_READ: Meaning(("110101", "Audit Log Used"), None, "R"),
        AuditKind.AUDIT_PRUNED: Meaning(_SECURITY, _SECURITY_SET, "E"),
        AuditKind.ALERT: Meaning(_SECURITY, _RESTRICTED, "E"),
    }
)

# By what a record is about (the ``target`` of its detail), where that is told with codes of its own.
BY_TARGET: Final[Mapping[tuple[AuditKind, str], Meaning]] = MappingProxyType(
    {
        (AuditKind.CHANGED, "patient"): Meaning(("110110", "Patient Record"), None, "U"),
        (AuditKind.CHANGED, "order"): Meaning(("110109", "Order Record"), None, "U"),
        (AuditKind.CHANGED, "step"): Meaning(("110111", "Procedure Record"), None, "U"),
        (AuditKind.DELETED, "series"): Meaning(_ACCESSED, None, "D"),
        (AuditKind.DELETED, "instance"): Meaning(_ACCESSED, None, "D"),
        (AuditKind.CONFIGURED, "device"): Meaning(_SECURITY, ("110128", "Network Configuration"), "E"),
        (AuditKind.REFUSED, "association"): Meaning(_SECURITY, ("110126", "Node Authentication"), "E"),
    }
)

# PS3.15 A.5.2.1, EventOutcomeIndicator.
SUCCESS, MINOR_FAILURE, SERIOUS_FAILURE, MAJOR_FAILURE = 0, 4, 8, 12


class AuditPatient(NamedTuple):
    """A patient as named in the record."""

    id: str
    issuer: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One record. ``id`` is given where it happened; ``what`` is a sentence of a few words, ``query`` the question."""

    id: str
    at: datetime
    kind: AuditKind
    who: str
    who_name: str
    who_kind: str = "person"
    roles: tuple[str, ...] = ()
    door: str = ""
    address: str = ""
    outcome: int = SUCCESS
    what: str = ""
    patients: tuple[AuditPatient, ...] = ()
    studies: tuple[str, ...] = ()
    instances: int | None = None
    destination: str = ""
    query: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class Origin(NamedTuple):
    """Where a request came in: a door (web, dimse, cli) and the address of who knocked."""

    door: str
    address: str


# Set by the doors for the time of a request; what is recorded meanwhile says so.
ORIGIN: Final[ContextVar[Origin | None]] = ContextVar("origin", default=None)


# What has been recorded meanwhile, where somebody wants to know: a door that makes up for what nobody recorded.
NOTED: Final[ContextVar[list[AuditKind] | None]] = ContextVar("noted", default=None)


def noted(event: AuditEvent) -> None:
    """Say that a record was taken."""
    if (told := NOTED.get()) is not None:
        told.append(event.kind)


class Recording(Protocol):
    """Where events go: with a transaction, they are written in it; without, soon, and not lost meanwhile."""

    async def __call__(self, tx: Connection | None, event: AuditEvent) -> None: ...


async def unrecorded(tx: Connection | None, event: AuditEvent) -> None:
    """No trail is kept: commands that only read, and tests of other things."""


def about(
    who: Principal,
    kind: AuditKind,
    at: datetime,
    *,
    what: str = "",
    outcome: int = SUCCESS,
    studies: Collection[str] = (),
    patients: Collection[AuditPatient] = (),
    instances: int | None = None,
    destination: str = "",
    query: str = "",
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """The record of what a principal did."""
    origin = ORIGIN.get() or Origin("dimse" if who.kind.value == "device" else "", "")
    return AuditEvent(
        id=str(uuid.uuid4()),
        at=at,
        kind=kind,
        who=who.id,
        who_name=who.name,
        who_kind=who.kind.value,
        roles=tuple(sorted(who.roles)),
        door=who.door or origin.door,
        address=who.address or origin.address,
        outcome=outcome,
        what=what,
        patients=tuple(patients),
        studies=tuple(sorted(studies)),
        instances=instances,
        destination=destination,
        query=query,
        detail=dict(detail or {}),
    )
