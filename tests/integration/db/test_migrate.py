"""Migrations from nothing, again, and against a database of the future."""

import pytest

from filmroom.db.migrate import SchemaTooNew, known, migrate
from filmroom.db.pool import Database


async def test_migrating_again_changes_nothing(database: Database) -> None:
    assert await migrate(database) == []


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO schema_version VALUES ($1, 'future')", known()[-1].number + 1)
    with pytest.raises(SchemaTooNew):
        await migrate(database)
