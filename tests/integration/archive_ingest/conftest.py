"""An archive that takes objects in, on a database and a folder of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.db.pool import Database


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with taking_in(database, tmp_path / "store") as opened:
        yield opened
