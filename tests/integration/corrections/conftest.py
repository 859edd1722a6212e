"""An archive with objects in it, what corrects them, and all the ways out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.corrections import Corrections
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.query import Query
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.seriesdoc import SeriesDocuments
from filmroom.base.clock import SystemClock
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
async def documents(rig: Rig, pixels: PixelPool) -> AsyncIterator[SeriesDocuments]:
    made = SeriesDocuments(rig.database, rig.blobs, pixels, SystemClock(), rig.feed)
    yield made
    await made.stop()


@pytest.fixture
def corrections(rig: Rig) -> Corrections:
    return Corrections(rig.database, SystemClock())


@pytest.fixture
def query(rig: Rig) -> Query:
    return Query(rig.database, retrieve_ae_title="FILMROOM")
