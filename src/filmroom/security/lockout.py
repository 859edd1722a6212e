"""Guessing gets slower: every failed attempt is counted before it is judged, so that many at once gain nothing.

Names, addresses and second factors are counted alike, and names that nobody has like those that somebody has: what is
locked tells nobody who exists.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from filmroom.base.clock import Clock
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.model import AccountLocked
from filmroom.security.remembered import digest

sql = queries.load("filmroom.security", "security.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """From the ``free``-th failure in a row on, each locks twice as long as the one before, up to ``longest_s``."""

    free: int
    first_s: float = 60.0
    longest_s: float = 3600.0
    forgiven_after: timedelta = timedelta(hours=12)


BY_NAME = Limit(free=5)
# Nobody may lock the last administrator out by guessing: 2,880 guesses a day find no password that was accepted.
BY_LAST_ADMINISTRATOR = Limit(free=5, first_s=30.0, longest_s=30.0)
# A ward behind one address mistypes, too.
BY_ADDRESS = Limit(free=30, forgiven_after=timedelta(minutes=15))
BY_FACTOR = Limit(free=5)


def name_key(name: str) -> bytes:
    """What counts attempts on a name."""
    return digest(f"name:{name.strip().casefold()}")


def address_key(peer: str) -> bytes | None:
    """What counts attempts from an address (an IPv6 site is one: /64). None for this machine's own: there a proxy
    stands in front of everybody, or the administrator at the console."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return None
    return digest(f"address:{address if address.version == 4 else hex(int(address) >> 64)}")


def factor_key(account_pk: int) -> bytes:
    """What counts attempts on an account's second factor."""
    return digest(f"factor:{account_pk}")


class Attempts:
    """The counts, in the database: the same on every node."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, key: bytes | None, limit: Limit) -> None:
        """Count an attempt as failed until it is taken back. Raises AccountLocked while attempts are locked."""
        if key is None:
            return
        now = self._clock.now()
        async with self._database.connection() as connection:
            counted = await sql.count_attempt.value(
                connection,
                key=key,
                now=now,
                forgiven=now - limit.forgiven_after,
                free=limit.free,
                first_s=limit.first_s,
                longest_s=limit.longest_s,
            )
            if counted is None:
                raise AccountLocked(await sql.locked_until.value(connection, key=key) or now)

    async def succeeded(self, key: bytes) -> None:
        """Forget every failure of a key."""
        async with self._database.connection() as connection:
            await sql.forget_failures.run(connection, key=key)

    async def take_back(self, key: bytes | None) -> None:
        """Uncount one attempt: it was right, or could not be judged."""
        if key is None:
            return
        async with self._database.connection() as connection:
            await sql.uncount_attempt.run(connection, key=key)

    async def locks(self) -> dict[bytes, datetime]:
        """What is locked now, and until when."""
        async with self._database.connection() as connection:
            rows = await sql.locks.all(connection, now=self._clock.now())
        return {bytes(row["key"]): row["locked_until"] for row in rows}

    async def prune(self) -> None:
        """Forget counts that no longer matter."""
        async with self._database.connection() as connection:
            await sql.forget_old_failures.run(connection, before=self._clock.now() - timedelta(days=1))
