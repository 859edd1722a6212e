"""Migrations from nothing, again, and against a database of the future."""

import pytest

from filmroom.db.migrate import SchemaOfAnother, SchemaTooNew, known, migrate
from filmroom.db.pool import Database


async def test_migrating_again_changes_nothing(database: Database) -> None:
    assert await migrate(database) == []


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO schema_version VALUES ($1, 'future')", known()[-1].number + 1)
    with pytest.raises(SchemaTooNew):
        await migrate(database)


async def test_a_schema_of_another_state_of_the_development_is_refused_by_its_step(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE schema_version SET digest = '\\x00' WHERE number = 3")
    with pytest.raises(SchemaOfAnother, match="step 0003"):
        await migrate(database)


async def test_a_schema_from_before_digests_is_taken(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("ALTER TABLE schema_version DROP COLUMN digest")
    assert await migrate(database) == []
