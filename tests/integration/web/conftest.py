"""One server for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fixtures.served import Served, serve

from filmroom.db.pool import Database


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    """The web door over an empty archive."""
    async with serve(database, tmp_path) as running:
        yield running
