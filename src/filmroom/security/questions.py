"""What was asked of a browser and waits for its answer: each question is answered once, and in time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from filmroom.base.clock import Clock
from filmroom.base.errors import Unavailable
from filmroom.db import queries
from filmroom.db.pool import Database
from filmroom.security.remembered import digest

sql = queries.load("filmroom.security", "security.sql")

LASTS = timedelta(minutes=10)
# Anybody may ask: 80 a second for ten minutes are no hospital, and a table of this size is still counted in 5 ms.
MAX_OPEN = 50_000


class Questions:
    """Open questions by the digest of a random text that only who was asked knows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ask(
        self, key: str, kind: str, told: Mapping[str, Any] | None = None, account_pk: int | None = None
    ) -> None:
        """Remember a question. Raises Unavailable when too many are open."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await sql.forget_old_questions.run(tx, now=now)
            asked = await sql.ask.value(
                tx,
                digest=digest(key),
                kind=kind,
                account_pk=account_pk,
                told=dict(told or {}),
                expires_at=now + LASTS,
                most=MAX_OPEN,
            )
        if asked is None:
            raise Unavailable("too many people are signing in at the moment")

    async def answered(self, key: str, kind: str) -> tuple[int | None, dict[str, Any]] | None:
        """Whose question it was and what was kept with it; None when there is none, or it was answered already."""
        async with self._database.connection() as connection:
            row = await sql.answered.one(connection, digest=digest(key), kind=kind, now=self._clock.now())
        return None if row is None else (row["account_pk"], row["told"])
