"""An archive with objects in it, and what hands them out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.retrieve_frames import FrameReader
from filmroom.db.pool import Database


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with taking_in(database, tmp_path / "store") as opened:
        yield opened


@pytest.fixture
async def pixels() -> AsyncIterator[PixelPool]:
    pool = PixelPool(1)
    yield pool
    await pool.close()


@pytest.fixture
def retrieve(rig: Rig, pixels: PixelPool, tmp_path: Path) -> Retrieve:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Retrieve(rig.database, rig.blobs, pixels, scratch=scratch)


@pytest.fixture
def frames(rig: Rig, retrieve: Retrieve, pixels: PixelPool) -> FrameReader:
    return FrameReader(retrieve, rig.blobs, pixels)
