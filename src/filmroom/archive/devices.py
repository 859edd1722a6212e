"""The DICOM peers that the archive knows: who may call, and where to send."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from filmroom.base.errors import NotFound
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import SYSTEM, Principal

# A change made by another process is seen after this long; an association costs no query in between.
CACHE_S = 1.0

# Strangers that keep calling must not fill the memory.
MAX_CACHED = 10_000

SERVICES = frozenset({"echo", "store", "find", "move", "get", "worklist", "mpps", "commit"})

# Where a device takes the report of a storage commitment: ``auto`` on the association of its request while that stands
# and else on a new one, ``new`` always on a new one, ``same`` never on a new one.
COMMIT_MODES = frozenset({"auto", "new", "same"})

# What must be true of an object before it counts as committed, each with what comes before it: its row is there, its
# blob is there, the blob is long enough, its bytes have the digest they were received with.
COMMIT_CHECKS = ("row", "exists", "size", "digest")


@dataclass(frozen=True, slots=True)
class WorklistPolicy:
    """How the worklist meets a modality that cannot ask rightly.

    ``own_station``: without a station of its own, its query is for its calling AE title. ``more_days``: days by which
    the start date it asks for is widened both ways. ``modalities``: it sees steps of these only; None for all.
    ``hidden``: step statuses kept from it besides the closed ones. ``character_set``: what it can read, (0008,0005) as
    in a data set, whatever it says itself.
    """

    own_station: bool = False
    more_days: int = 0
    modalities: frozenset[str] | None = None
    hidden: frozenset[str] = frozenset()
    character_set: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "WorklistPolicy":
        modalities = row.get("modalities")
        return cls(
            own_station=bool(row.get("own_station", False)),
            more_days=int(row.get("more_days", 0)),
            modalities=None if modalities is None else frozenset(modalities),
            hidden=frozenset(row.get("hidden", ())),
            character_set=str(row.get("character_set", "")),
        )

    def to_row(self) -> dict[str, Any]:
        """Only what differs from the default."""
        row: dict[str, Any] = {}
        if self.own_station:
            row["own_station"] = True
        if self.more_days:
            row["more_days"] = self.more_days
        if self.modalities is not None:
            row["modalities"] = sorted(self.modalities)
        if self.hidden:
            row["hidden"] = sorted(self.hidden)
        if self.character_set:
            row["character_set"] = self.character_set
        return row


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """What a device may do. Absent keys of the row mean these defaults.

    ``services``: of SERVICES. ``check_host``: its calls must come from its registered host. ``lenient_relational``:
    unique keys above the level may be missing without being negotiated (PS3.4 C.4.1.2.2.1). ``destinations``: AE
    titles it may name in C-MOVE; None for every registered one. ``strict_mpps``: what PS3.4 table F.7.2-1 demands of
    its performed procedure steps is demanded; otherwise only what they cannot do without. ``commit``: one of
    COMMIT_MODES. ``commit_check``: one of COMMIT_CHECKS.
    """

    services: frozenset[str] = SERVICES
    check_host: bool = False
    lenient_relational: bool = False
    destinations: frozenset[str] | None = None
    worklist: WorklistPolicy = field(default_factory=WorklistPolicy)
    strict_mpps: bool = False
    commit: str = "auto"
    commit_check: str = "digest"

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "DevicePolicy":
        mode, check = str(row.get("commit", "")), str(row.get("commit_check", ""))
        destinations = row.get("destinations")
        return cls(
            services=SERVICES & frozenset(row.get("services", SERVICES)),
            check_host=bool(row.get("check_host", False)),
            lenient_relational=bool(row.get("lenient_relational", False)),
            destinations=None if destinations is None else frozenset(destinations),
            worklist=WorklistPolicy.from_row(row.get("worklist", {})),
            strict_mpps=bool(row.get("strict_mpps", False)),
            commit=mode if mode in COMMIT_MODES else "auto",
            commit_check=check if check in COMMIT_CHECKS else "digest",
        )

    def to_row(self) -> dict[str, Any]:
        """Only what differs from the default."""
        row: dict[str, Any] = {}
        if self.services != SERVICES:
            row["services"] = sorted(self.services)
        if self.check_host:
            row["check_host"] = True
        if self.lenient_relational:
            row["lenient_relational"] = True
        if self.destinations is not None:
            row["destinations"] = sorted(self.destinations)
        if worklist := self.worklist.to_row():
            row["worklist"] = worklist
        if self.strict_mpps:
            row["strict_mpps"] = True
        if self.commit != "auto":
            row["commit"] = self.commit
        if self.commit_check != "digest":
            row["commit_check"] = self.commit_check
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A DICOM peer as registered."""

    ae_title: AeTitle
    host: str
    port: int
    description: str = ""
    enabled: bool = True
    policy: DevicePolicy = field(default_factory=DevicePolicy)
    pk: int = 0


class NoSuchDevice(NotFound):
    """No device is registered under this AE title."""


class Devices:
    """The registry. Looking up is open to everybody inside; changing it needs the right to administer."""

    def __init__(self, db: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._sql = load("filmroom.archive", "devices.sql")
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, Device | None]] = {}

    async def find(self, ae_title: str) -> Device | None:
        """The device of this AE title, as it was at most CACHE_S ago."""
        known = self._cache.get(ae_title)
        if known is not None and self._monotonic() < known[0]:
            return known[1]
        async with self._db.connection() as connection:
            row = await self._sql.find_device.one(connection, ae_title=ae_title)
        device = None if row is None else _device(row)
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[ae_title] = (self._monotonic() + CACHE_S, device)
        return device

    async def list(self) -> list[Device]:
        """Every device, by AE title."""
        async with self._db.connection() as connection:
            return [_device(row) for row in await self._sql.list_devices.all(connection)]

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
            row = await self._sql.put_device.one(
                tx,
                ae_title=ae_title,
                host=host,
                port=port,
                description=description,
                enabled=enabled,
                policy=None if policy is None else policy.to_row(),
            )
            assert row is not None
        self._cache.pop(ae_title, None)
        return _device(row)

    async def set_enabled(self, ae_title: AeTitle, enabled: bool, *, who: Principal = SYSTEM) -> Device:
        """Let a device call, or not. Raises NoSuchDevice, Forbidden."""
        self._cache.pop(ae_title, None)
        device = await self.find(ae_title)
        if device is None:
            raise NoSuchDevice(f"no device is registered as {ae_title}")
        changed = dataclasses.replace(device, enabled=enabled)
        return await self.put(
            ae_title,
            changed.host,
            changed.port,
            description=changed.description,
            enabled=enabled,
            policy=changed.policy,
            who=who,
        )

    async def remove(self, ae_title: AeTitle, *, who: Principal = SYSTEM) -> None:
        """Forget a device. Raises NoSuchDevice, Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.transaction() as tx:
            tag = await self._sql.remove_device.run(tx, ae_title=ae_title)
        self._cache.pop(ae_title, None)
        if tag.endswith(" 0"):
            raise NoSuchDevice(f"no device is registered as {ae_title}")


def _device(row: Mapping[str, Any]) -> Device:
    policy = DevicePolicy.from_row(MappingProxyType(row["policy"]))
    return Device(
        pk=row["pk"],
        ae_title=AeTitle(row["ae_title"]),
        host=row["host"],
        port=row["port"],
        description=row["description"],
        enabled=row["enabled"],
        policy=policy,
    )
