"""Other people's software at the real door: one archive for the session, peers as each test needs them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import dimse
from bench.servers import Server
from tests.fixtures.corpus import Ward, new_ward
from tests.fixtures.orthanc import orthanc
from tests.fixtures.server import archive, filmroom
from tests.fixtures.server_tools import Peer, storescp

__all__ = ["archive", "filmroom", "orthanc"]


@pytest.fixture(scope="session")
def ward(archive: Server) -> Ward:
    """Three studies of three patients that are already in the archive."""
    made = new_ward()
    classes = sorted({item.sop_class for item in made.every()})
    with dimse.Association.open(archive.dicom, archive.ae, classes) as association:
        for item in made.every():
            assert association.store(item) == dimse.SUCCESS
    return made


@pytest.fixture
def destination(archive: Server, tmp_path: Path) -> Iterator[Peer]:
    """DCMTK's storescp, registered with the archive as a move destination."""
    with storescp(tmp_path / "received") as peer:
        archive.add_destination(peer.ae, peer.port)
        yield peer
