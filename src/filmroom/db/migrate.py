"""Numbered SQL files, applied in order, each in its own transaction together with its entry in ``schema_version``."""

import hashlib
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
);
ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS digest bytea;  -- SHA-256 of the file as it was applied
"""


class SchemaTooNew(FilmroomError):
    """The database was made by a newer Filmroom; this one would not understand it."""


class SchemaOfAnother(FilmroomError):
    """The database was made by another state of the development, not by a release."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


def known() -> list[Migration]:
    """The migrations of this release, in order."""
    found = []
    for entry in resources.files("filmroom.db").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name):
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(database: Database) -> list[Migration]:
    """Bring the schema up to this release; what was applied. Raises SchemaTooNew, SchemaOfAnother."""
    async with database.connection() as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        try:
            return await _apply(connection)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def _apply(connection: Connection) -> list[Migration]:
    await connection.execute(PREPARE)
    done = {row["number"]: row["digest"] for row in await connection.fetch("SELECT number, digest FROM schema_version")}
    migrations = known()
    if done and max(done) > max(migration.number for migration in migrations):
        raise SchemaTooNew(f"the schema is at {max(done)}, this Filmroom knows {migrations[-1].number}")
    for migration in migrations:
        if done.get(migration.number) not in (None, migration.digest):
            raise SchemaOfAnother(
                f"step {migration.number:04d} of the schema is not the one that this database was made with; "
                "it belongs to another state of the development: use that, or a new data folder"
            )
    fresh = [migration for migration in migrations if migration.number not in done]
    for migration in fresh:
        async with connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_version (number, name, digest) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.digest,
            )
    return fresh
