"""Rights and audit of the archive, put together: what decides, what remembers decisions, what keeps account."""

import time
from dataclasses import dataclass
from datetime import timedelta

from filmroom.archive.looks import AuditLooks
from filmroom.archive.sight import Sight
from filmroom.base.clock import Clock
from filmroom.db.pool import Database
from filmroom.security.audit import AuditKind, about
from filmroom.security.audit_reading import AuditReading
from filmroom.security.audit_trail import AuditTrail
from filmroom.security.breakglass import Glass
from filmroom.security.passwords import Passwords
from filmroom.security.principals import SYSTEM
from filmroom.security.roles_book import RoleBook
from filmroom.security.second import SecondPerson
from filmroom.security.shares import Shares
from filmroom.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Safekeeping:
    """The parts, which know each other."""

    clock: Clock
    keep: timedelta | None
    book: RoleBook
    second: SecondPerson
    trail: AuditTrail
    reading: AuditReading
    sight: Sight
    looks: AuditLooks
    glass: Glass
    shares: Shares

    @classmethod
    def of(cls, database: Database, clock: Clock, settings: Settings, *, follows: bool = False) -> "Safekeeping":
        """All of it, not yet started. ``follows``: this process takes over what the journal enters."""
        rules = settings.security
        trail = AuditTrail(database, clock, settings.data / "audit", follows=follows)
        sight = Sight(time.monotonic)
        second = SecondPerson(database, clock, trail, rules.second_person)
        book = RoleBook(
            database,
            clock,
            separate_duties=rules.separate_duties,
            second=second,
            record=trail,
            changed=sight.forget,
        )
        return cls(
            clock=clock,
            keep=timedelta(days=rules.audit_days) if rules.audit_days else None,
            book=book,
            second=second,
            trail=trail,
            reading=AuditReading(database, clock, trail),
            sight=sight,
            looks=AuditLooks(database, clock, trail, mass_studies=rules.mass_access_studies),
            glass=Glass(database, clock, book, trail, most=timedelta(hours=rules.break_glass_hours)),
            shares=Shares(database, clock, Passwords(), trail),
        )

    async def start(self) -> None:
        """Begin to write."""
        await self.trail.start()

    async def stop(self) -> None:
        """Write what waits, and end."""
        await self.trail.stop()

    async def opened(self, what: str) -> None:
        """The server began or ended (``started``, ``stopped``)."""
        await self.trail.record(about(SYSTEM, AuditKind(what), self.clock.now(), what=what))

    async def forget(self) -> int:
        """Forget records that are older than they are kept."""
        return 0 if self.keep is None else await self.reading.forget(SYSTEM, self.clock.now() - self.keep)
