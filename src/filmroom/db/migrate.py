"""Numbered SQL files, applied in order, each in its own transaction together with its entry in ``schema_version``."""

import re
from dataclasses import dataclass
from importlib import resources

from filmroom.base.errors import FilmroomError
from filmroom.db.pool import Connection, Database

# One number for every Filmroom on the same database: two nodes that start at once must not both migrate.
LOCK = 0x46494C4D

PREPARE = """
CREATE TABLE IF NOT EXISTS schema_version (
    number      int PRIMARY KEY,
    name        text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""


class SchemaTooNew(FilmroomError):
    """The database was made by a newer Filmroom; this one would not understand it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str


def known() -> list[Migration]:
    """The migrations of this release, in order."""
    found = []
    for entry in resources.files("filmroom.db").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name):
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(database: Database) -> list[Migration]:
    """Bring the schema up to this release; what was applied. Raises SchemaTooNew."""
    async with database.connection() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        try:
            return await _apply(connection)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _apply(connection: Connection) -> list[Migration]:
    await connection.execute(PREPARE)
    done = {row["number"] for row in await connection.fetch("SELECT number FROM schema_version")}
    migrations = known()
    if done and max(done) > max(migration.number for migration in migrations):
        raise SchemaTooNew(f"the schema is at {max(done)}, this Filmroom knows {migrations[-1].number}")
    fresh = [migration for migration in migrations if migration.number not in done]
    for migration in fresh:
        async with connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_version (number, name) VALUES ($1, $2)", migration.number, migration.name
            )
    return fresh
