"""Requests that may come twice: the first is done, the others get its answer (the Idempotency-Key of HTTP)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from filmroom.base.clock import Clock
from filmroom.db.pool import Database
from filmroom.db.queries import load

_sql = load("filmroom.db", "repeats.sql")

KEPT_FOR = timedelta(hours=24)
# A request that takes longer than this is no request of the API; its process is taken for dead.
HELD_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of an earlier request with the same key. ``status`` None: it is still being done."""

    same: bool
    status: int | None
    headers: Mapping[str, str]
    body: bytes


class Repeats:
    """The answers of the last day, by who asked and the key they gave."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, principal: str, key: str, request: bytes) -> Earlier | None:
        """None: this is the first, do it and call ``end`` or ``drop``. ``request`` is all of it that matters."""
        now, digest = self._clock.now(), hashlib.sha256(request).digest()
        async with self._database.connection() as connection:
            first = await _sql.begin_repeat.value(
                connection,
                principal=principal,
                key=_digest(key),
                request=digest,
                now=now,
                held_until=now + HELD_FOR,
                oldest=now - KEPT_FOR,
            )
            if first:
                return None
            row = await _sql.repeat.one(connection, principal=principal, key=_digest(key))
        if row is None:  # it came to nothing at this moment: the client may try again
            return Earlier(True, None, {}, b"")
        return Earlier(row["request"] == digest, row["status"], row["headers"], row["body"])

    async def end(self, principal: str, key: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keep the answer."""
        async with self._database.connection() as connection:
            await _sql.end_repeat.run(
                connection, principal=principal, key=_digest(key), status=status, headers=dict(headers), body=body
            )

    async def drop(self, principal: str, key: str) -> None:
        """It came to no answer that is worth keeping: the next with this key is the first again."""
        async with self._database.connection() as connection:
            await _sql.drop_repeat.run(connection, principal=principal, key=_digest(key))

    async def prune(self) -> None:
        """Forget what is older than a day."""
        async with self._database.connection() as connection:
            await _sql.prune_repeats.run(connection, before=self._clock.now() - KEPT_FOR)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
