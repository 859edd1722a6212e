"""Callers that were turned away, or did not get all they asked for: kept for one look and one decision.

A flood of strangers costs neither memory nor disk: what waits to be written is bounded, one statement writes it at
most twice a second, an address has a share of the rows, and all rows together have a limit.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

import structlog

from filmroom.archive.devices import Devices
from filmroom.archive.devices_model import Device, described
from filmroom.archive.devices_policy import SERVICES
from filmroom.archive.devices_vendors import vendor
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound, Unavailable
from filmroom.base.ids import ae_title
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.audit import SERIOUS_FAILURE, AuditEvent, AuditKind, Recording, about, unrecorded
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Kind, Principal

log = structlog.get_logger()

# Kinds of refusals that wait to be written; each is at most some 30 KB (MAX_UIDS).
MAX_WAITING: Final = 256
GATHER_S: Final = 0.5
# A clinic behind one address translation has fewer wrongly configured devices than this.
PER_ADDRESS: Final = 20
MAX_KEPT: Final = 1000
# UIDs kept of one proposal.
MAX_UIDS: Final = 512
MAX_TEXT: Final = 64

USUAL_PORT: Final = 104


class Reason(Enum):
    """Why a caller was turned away, or did not get all it asked for."""

    CALLING_UNKNOWN = "calling-ae-unknown"
    CALLING_MALFORMED = "calling-ae-malformed"
    CALLED_UNKNOWN = "called-ae-unknown"
    CALLED_OFF = "called-ae-off"
    DEVICE_OFF = "device-off"
    WRONG_ADDRESS = "wrong-address"
    SERVICE_REFUSED = "service-refused"
    SERVICE_NOT_OFFERED = "service-not-offered"
    TOO_MANY = "too-many-associations"
    TLS = "tls-refused"
    IDENTITY = "user-refused"


@dataclass(frozen=True, slots=True)
class Advice:
    """What happened and what to do about it, in an administrator's words; ``approvable``: one click mends it."""

    what: str
    todo: str
    approvable: bool = False


ADVICE: Final[Mapping[Reason, Advice]] = MappingProxyType(
    {
        Reason.CALLING_UNKNOWN: Advice(
            "Its AE title is not registered.", "Approve it if you know the device; else dismiss it.", True
        ),
        Reason.CALLING_MALFORMED: Advice(
            "Its AE title is empty or holds characters that no AE title may have.",
            "Correct the AE title in the device's own network settings.",
        ),
        Reason.CALLED_UNKNOWN: Advice(
            "It called an AE title that is not ours.",
            "Correct the called AE title in the device's settings, or answer to it: filmroom ae add.",
        ),
        Reason.CALLED_OFF: Advice(
            "It called an AE title of ours that is switched off.", "Switch it on: filmroom ae set AETITLE enabled=true."
        ),
        Reason.DEVICE_OFF: Advice("The device is switched off here.", "Approve it to switch it on again.", True),
        Reason.WRONG_ADDRESS: Advice(
            "A registered AE title called from an address that is not its own.",
            "Approve it if the device has moved: the address is then added. Else somebody uses its name.",
            True,
        ),
        Reason.SERVICE_REFUSED: Advice(
            "It was let in, but asked for services that it may not use.",
            "Approve it to allow them; dismiss it if the device does not need them.",
            True,
        ),
        Reason.SERVICE_NOT_OFFERED: Advice(
            "It was let in, but asked for services that the called AE title does not offer.",
            "Let it call another AE title of ours, or change what this one offers: filmroom ae set.",
        ),
        Reason.TLS: Advice(
            "It did not show by TLS that it is the device.",
            "Set up TLS and the certificate at the device, or change the key tls of its policy.",
        ),
        Reason.IDENTITY: Advice(
            "The user name and passcode it sent were not accepted, or it sent none.",
            "Give the device an account here (filmroom user add), or change dimse.user_identity.",
        ),
        Reason.TOO_MANY: Advice(
            "It had as many associations open as it may.",
            "Look for associations that it left open (filmroom associations), or raise max_associations.",
        ),
    }
)


class NoSuchCaller(NotFound):
    """There is no such entry in the list of callers."""


class NotApprovable(FilmroomError):
    """Approving cannot mend this; it says what would."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a caller proposed for one SOP class; roles are those it wants itself (PS3.7 D.3.3.4)."""

    sop_class: str
    syntaxes: tuple[str, ...]
    scu: bool = True
    scp: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call as it came, and what was wrong with it. ``services``: what its proposal is for, of SERVICES."""

    calling_ae: str
    called_ae: str
    address: str
    reason: Reason
    detail: str = ""
    implementation_class: str = ""
    implementation_version: str = ""
    proposal: tuple[Proposed, ...] = ()
    services: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerRow:
    """A caller as listed: the same call counts once, however often it came."""

    pk: int
    calling_ae: str
    called_ae: str
    address: str
    reason: Reason
    detail: str
    implementation_class: str
    implementation_version: str
    vendor: str
    proposal: Sequence[Proposed]
    services: Sequence[str]
    attempts: int
    first_seen: datetime
    last_seen: datetime
    state: str

    @property
    def advice(self) -> Advice:
        return ADVICE[self.reason]


@dataclass(slots=True)
class _Waiting:
    attempt: Attempt
    first_seen: datetime
    last_seen: datetime
    attempts: int = field(default=0)


class Callers:
    """The list of callers that somebody should look at."""

    def __init__(self, db: Database, devices: Devices, clock: Clock, record: Recording = unrecorded) -> None:
        self._db = db
        self._record = record
        self._devices = devices
        self._clock = clock
        self._sql = load("filmroom.archive", "callers.sql")
        self._waiting: dict[tuple[str, str, str, Reason], _Waiting] = {}
        self._passed_over = 0
        self._writing: asyncio.Task[None] | None = None

    def note(self, attempt: Attempt) -> None:
        """Remember a call; returns at once, and never raises."""
        key = (_text(attempt.calling_ae), _text(attempt.called_ae), _text(attempt.address), attempt.reason)
        now = self._clock.now()
        waiting = self._waiting.get(key)
        if waiting is None:
            if len(self._waiting) >= MAX_WAITING:
                self._passed_over += 1
                return
            waiting = self._waiting[key] = _Waiting(_cut(attempt), now, now)
        waiting.attempts += 1
        waiting.last_seen = now
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def stop(self) -> None:
        """Write what waits, unless the database is away."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            await self._write_once()

    async def list(self, who: Principal, *, state: str = "pending", most: int = MAX_KEPT) -> Sequence[CallerRow]:
        """Those of a state (pending, dismissed), the latest first. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.connection() as connection:
            return [_from_row(row) for row in await self._sql.list_callers.all(connection, state=state, most=most)]

    async def approve(
        self, who: Principal, pk: int, *, changes: Mapping[str, Any] | None = None, port: int = USUAL_PORT
    ) -> Device:
        """Make the device that the call suggests, or change the registered one so that it may do what it tried.

        ``changes`` is a merge patch over what is suggested. Raises NoSuchCaller, NotApprovable, BadDevice, Forbidden.
        """
        demand(who, Action.ADMINISTER)
        row = await self._get(pk)
        if not row.advice.approvable:
            raise NotApprovable(f"{row.advice.what} {row.advice.todo}")
        title = ae_title(row.calling_ae)
        present = next((each for each in await self._devices.list() if each.ae_title == title), None)
        if present is None:
            body = _suggested(row, port)
            await self._devices.replace(title, body, expected=0, who=who)
        else:
            await self._devices.patch(title, _mended(row, present), expected=present.version, who=who)
        device = await self._devices.patch(title, changes or {}, who=who)
        async with self._db.transaction() as tx:
            await self._sql.settle_caller.run(
                tx, pk=pk, calling_ae=row.calling_ae, address=row.address, reason=row.reason.value
            )
        log.info("caller approved", calling_ae=row.calling_ae, reason=row.reason.value, who=who.id)
        return device

    async def dismiss(self, who: Principal, pk: int) -> None:
        """Show it no more, however often it calls in the same way. Raises NoSuchCaller, Forbidden."""
        demand(who, Action.ADMINISTER)
        row = await self._get(pk)
        async with self._db.transaction() as tx:
            await self._sql.dismiss_caller.run(tx, pk=pk, who=who.id)
        log.info("caller dismissed", calling_ae=row.calling_ae, reason=row.reason.value, who=who.id)

    async def _get(self, pk: int) -> CallerRow:
        async with self._db.connection() as connection:
            row = await self._sql.caller.one(connection, pk=pk)
        if row is None:
            raise NoSuchCaller(f"there is no caller {pk} in the list")
        return _from_row(row)

    async def _write(self) -> None:
        while self._waiting:
            with contextlib.suppress(Unavailable):
                await self._write_once()
            await asyncio.sleep(GATHER_S)

    async def _write_once(self) -> None:
        """All that waits, in one statement; it waits on when the database is away."""
        batch, places = list(self._waiting.items()), dict[str, int]()
        if not batch:
            return
        if self._passed_over:
            log.warning("too many different callers are refused; some are not listed", count=self._passed_over)
            self._passed_over = 0
        counted = {key: waiting.attempts for key, waiting in batch}
        seen = []
        for _, waiting in batch:
            address = waiting.attempt.address
            places[address] = places.get(address, 0) + 1
            seen.append(_seen(waiting, places[address]))
        async with self._db.transaction() as tx:
            await self._sql.note_callers.run(tx, seen=seen, per_address=PER_ADDRESS)
            await self._sql.trim_callers.run(tx, most=MAX_KEPT)
            for key, waiting in batch:
                await self._record(tx, _refused(waiting.attempt, counted[key], waiting.last_seen))
        for key, waiting in batch:
            waiting.attempts -= counted[key]
            if not waiting.attempts:
                del self._waiting[key]


def _refused(attempt: Attempt, count: int, at: datetime) -> AuditEvent:
    """Calls that were turned away, for the same reason and within a moment, as one record."""
    title = _text(attempt.calling_ae)
    who = Principal(f"device:{title}", title, Kind.DEVICE, door="dimse", address=_text(attempt.address))
    detail = {"target": f"association:{_text(attempt.called_ae)}", "reason": attempt.reason.value, "count": count}
    what = f"association refused: {ADVICE[attempt.reason].what}"
    return about(who, AuditKind.REFUSED, at, what=what, outcome=SERIOUS_FAILURE, detail=detail)


def _suggested(row: CallerRow, port: int) -> dict[str, Any]:
    """The device that a call suggests: from its address only, with the services that it asked for."""
    made_by = " ".join(filter(None, (row.vendor, row.implementation_version)))
    services = sorted(SERVICES & frozenset(row.services)) or ["echo"]
    return {
        "host": row.address,
        "port": port,
        "description": made_by,
        "policy": {"services": sorted({*services, "echo"}), "check_host": True},
    }


def _mended(row: CallerRow, device: Device) -> dict[str, Any]:
    """The merge patch that lets a registered device do what it tried."""
    present = described(device)
    policy = device.policy
    match row.reason:
        case Reason.WRONG_ADDRESS:
            own = policy.addresses or (device.host,)
            return {"policy": {"addresses": [*own, row.address]}}
        case Reason.SERVICE_REFUSED:
            return {"policy": {"services": sorted(policy.services | (SERVICES & frozenset(row.services)))}}
        case Reason.DEVICE_OFF:
            return {"enabled": True}
    return present


def _seen(waiting: _Waiting, place: int) -> dict[str, Any]:
    attempt = waiting.attempt
    return {
        "calling_ae": _text(attempt.calling_ae),
        "called_ae": _text(attempt.called_ae),
        "address": _text(attempt.address),
        "reason": attempt.reason.value,
        "detail": attempt.detail,
        "implementation_class": _text(attempt.implementation_class),
        "implementation_version": _text(attempt.implementation_version),
        "proposal": [dataclasses.asdict(each) for each in attempt.proposal],
        "services": sorted(attempt.services),
        "attempts": waiting.attempts,
        "first_seen": waiting.first_seen,
        "last_seen": waiting.last_seen,
        "place": place,
    }


def _cut(attempt: Attempt) -> Attempt:
    """The first MAX_UIDS of what it proposed."""
    kept: list[Proposed] = []
    left = MAX_UIDS
    for each in attempt.proposal:
        syntaxes = tuple(_text(uid) for uid in each.syntaxes[: max(0, left - 1)])
        left -= 1 + len(syntaxes)
        if left < 0:
            break
        kept.append(Proposed(_text(each.sop_class), syntaxes, each.scu, each.scp))
    return dataclasses.replace(attempt, proposal=tuple(kept))


def _text(text: str) -> str:
    """What a stranger wrote, as far as it can be shown and stored."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_TEXT])


def _from_row(row: Mapping[str, Any]) -> CallerRow:
    values = {name: row[name] for name in ("pk", "calling_ae", "called_ae", "address", "detail", "attempts", "state")}
    return CallerRow(
        **values,
        reason=Reason(row["reason"]),
        implementation_class=row["implementation_class"],
        implementation_version=row["implementation_version"],
        vendor=vendor(row["implementation_class"]),
        proposal=[Proposed(p["sop_class"], tuple(p["syntaxes"]), p["scu"], p["scp"]) for p in row["proposal"]],
        services=tuple(row["services"]),
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
    )
