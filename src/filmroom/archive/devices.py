"""The DICOM peers that the archive knows: who may call, and where to send."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from filmroom.archive.devices_model import (
    BadDevice,
    Change,
    ChangedSince,
    Device,
    NoSuchDevice,
    NotAsked,
    asked,
    described,
    from_row,
    merged,
)
from filmroom.archive.devices_policy import COMMIT_CHECKS, COMMIT_MODES, SERVICES, DevicePolicy, WorklistPolicy
from filmroom.base.errors import Unavailable
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import SYSTEM, Principal

__all__ = [
    "COMMIT_CHECKS",
    "COMMIT_MODES",
    "SERVICES",
    "BadDevice",
    "Change",
    "ChangedSince",
    "Device",
    "DevicePolicy",
    "Devices",
    "NoSuchDevice",
    "NotAsked",
    "WorklistPolicy",
    "described",
]

log = structlog.get_logger()

# A change made by another process is seen after this long; an association costs no query in between.
CACHE_S = 1.0

# Strangers that keep calling must not fill the memory.
MAX_CACHED = 10_000

# A database that has not answered by now counts as away: a modality gives up an association soon after.
LOOKUP_S = 3.0

# While the database is away it is asked again after this long, not for every caller.
AWAY_S = 1.0

# All devices are read into memory this often, to be known when the database is away.
REMEMBER_S = 30.0

MAX_CHANGES = 500


class Devices:
    """The registry. Looking up is open to everybody inside; changing it needs the right to administer."""

    def __init__(self, db: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._sql = load("filmroom.archive", "devices.sql")
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, Device | None]] = {}
        self._remembered: dict[str, Device] = {}
        self._remembered_at: float | None = None
        self._away_until = float("-inf")

    async def find(self, ae_title: str) -> Device | None:
        """The device of this AE title, as it was at most CACHE_S ago; while the database is away, as it last was.

        Raises Unavailable when the database is away and no such device was known before.
        """
        now = self._monotonic()
        known = self._cache.get(ae_title)
        if known is not None and now < known[0]:
            return known[1]
        try:
            if now < self._away_until:
                raise Unavailable("the database does not answer")
            async with asyncio.timeout(LOOKUP_S):
                device = await self._look_up(ae_title)
        except (Unavailable, TimeoutError):
            self._away_until = max(self._away_until, self._monotonic() + AWAY_S)
            if ae_title not in self._remembered:
                raise Unavailable("the database does not answer") from None
            return self._remembered[ae_title]
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[ae_title] = (self._monotonic() + CACHE_S, device)
        return device

    async def list(self) -> list[Device]:
        """Every device, by AE title."""
        async with self._db.connection() as connection:
            return [from_row(row) for row in await self._sql.list_devices.all(connection)]

    async def get(self, ae_title: str) -> Device:
        """The device of this AE title as it is now. Raises NoSuchDevice."""
        async with self._db.connection() as connection:
            return await self._present(connection, ae_title)

    async def put(
        self,
        ae_title: AeTitle,
        host: str,
        port: int,
        *,
        description: str = "",
        enabled: bool = True,
        policy: DevicePolicy | None = None,
        who: Principal = SYSTEM,
    ) -> Device:
        """Register a device, or change the one with this AE title; without ``policy`` it keeps its own.

        Raises Forbidden.
        """
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, ae_title)
            kept = before or Device(ae_title=ae_title, host=host, port=port)
            wanted = dataclasses.replace(
                kept,
                host=host,
                port=port,
                description=description,
                enabled=enabled,
                policy=kept.policy if policy is None else policy,
            )
            made = await self._write(tx, before, wanted, who)
        self._note(made)
        return made

    async def replace(
        self, ae_title: AeTitle, body: Mapping[str, Any], *, expected: int | None = None, who: Principal
    ) -> Device:
        """Register the device that ``body`` describes, or make the present one so; absent keys mean the defaults,
        but an absent ``policy`` is kept. ``expected`` is the version it was read in, 0 for none.

        Raises BadDevice, ChangedSince, Forbidden.
        """
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, ae_title, expected)
            if "policy" not in body and before is not None:
                body = {**body, "policy": before.policy.to_row()}
            made = await self._write(tx, before, asked(ae_title, body), who)
        self._note(made)
        return made

    async def patch(
        self, ae_title: AeTitle, patch: Mapping[str, Any], *, expected: int | None = None, who: Principal
    ) -> Device:
        """Change what a JSON merge patch says (RFC 7396). Raises NoSuchDevice, BadDevice, ChangedSince, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, ae_title, expected)
            if before is None:
                raise NoSuchDevice(f"no device is registered as {ae_title}")
            made = await self._write(tx, before, asked(ae_title, merged(described(before), patch)), who)
        self._note(made)
        return made

    async def set_enabled(self, ae_title: AeTitle, enabled: bool, *, who: Principal = SYSTEM) -> Device:
        """Let a device call, or not. Raises NoSuchDevice, Forbidden."""
        return await self.patch(ae_title, {"enabled": enabled}, who=who)

    async def remove(self, ae_title: AeTitle, *, expected: int | None = None, who: Principal = SYSTEM) -> None:
        """Forget a device. Raises NoSuchDevice, ChangedSince, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            before = await self._locked(tx, ae_title, expected)
            if before is None:
                raise NoSuchDevice(f"no device is registered as {ae_title}")
            await self._sql.remove_device.run(tx, ae_title=ae_title)
            await self._journal(tx, before, None, who)
        self._cache.pop(ae_title, None)
        self._remembered.pop(ae_title, None)
        log.info("device removed", ae_title=ae_title, who=who.id)

    async def changes(self, ae_title: AeTitle, *, most: int = 100, who: Principal) -> Sequence[Change]:
        """Who changed the device and how, newest first; also after its removal. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.connection() as connection:
            rows = await self._sql.changes.all(connection, target=f"device:{ae_title}", most=min(most, MAX_CHANGES))
        return [Change(**dict(row)) for row in rows]

    async def _look_up(self, ae_title: str) -> Device | None:
        async with self._db.connection() as connection:
            row = await self._sql.find_device.one(connection, ae_title=ae_title)
            device = None if row is None else from_row(row)
            if self._remembered_at is None or self._monotonic() >= self._remembered_at + REMEMBER_S:
                self._remembered_at = self._monotonic()
                every = [from_row(each) for each in await self._sql.list_devices.all(connection)]
                self._remembered = {each.ae_title: each for each in every}
        if device is None:
            self._remembered.pop(ae_title, None)
        else:
            self._remembered[ae_title] = device
        return device

    async def _present(self, connection: Connection, ae_title: str) -> Device:
        row = await self._sql.find_device.one(connection, ae_title=ae_title)
        if row is None:
            raise NoSuchDevice(f"no device is registered as {ae_title}")
        return from_row(row)

    async def _locked(self, tx: Connection, ae_title: str, expected: int | None = None) -> Device | None:
        """The device as it is, and stays until the transaction ends. Raises ChangedSince."""
        await self._sql.lock_devices.value(tx, ae_title=ae_title)
        row = await self._sql.find_device.one(tx, ae_title=ae_title)
        device = None if row is None else from_row(row)
        if expected is not None and expected != (0 if device is None else device.version):
            raise ChangedSince("it was changed since; read it again, then change it")
        return device

    async def _write(self, tx: Connection, before: Device | None, wanted: Device, who: Principal) -> Device:
        """Store ``wanted`` and who wanted it; nothing changes when it is so already."""
        if before is not None and described(before) == described(wanted):
            return before
        site_pk = await self._sql.site.value(tx, name=wanted.site) if wanted.site else None
        department_pk = None
        if wanted.department and site_pk is not None:
            department_pk = await self._sql.department.value(tx, site_pk=site_pk, name=wanted.department)
        await self._sql.put_device.run(
            tx,
            ae_title=wanted.ae_title,
            host=wanted.host,
            port=wanted.port,
            description=wanted.description,
            enabled=wanted.enabled,
            policy=wanted.policy.to_row(),
            site_pk=site_pk,
            department_pk=department_pk,
        )
        made = await self._present(tx, wanted.ae_title)
        await self._journal(tx, before, made, who)
        return made

    async def _journal(self, tx: Connection, before: Device | None, after: Device | None, who: Principal) -> None:
        action = "device.registered" if before is None else "device.removed" if after is None else "device.changed"
        device = after or before
        assert device is not None
        await self._sql.note_change.run(
            tx,
            who=who.id,
            action=action,
            target=f"device:{device.ae_title}",
            before=None if before is None else described(before),
            after=None if after is None else described(after),
        )

    def _note(self, device: Device) -> None:
        """A change of our own is in force at once."""
        self._cache.pop(device.ae_title, None)
        self._remembered[device.ae_title] = device
        log.info("device changed", ae_title=device.ae_title, version=device.version)
