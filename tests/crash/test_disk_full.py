"""The disk fills up while four senders work; then somebody makes room."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.corpus import Study, fresh_run, objects
from bench.http import multipart
from bench.servers import Filmroom, Server
from bench.waiting import until
from tests.crash.conftest import Starter
from tests.crash.senders import Senders, echo_seconds, reckon

_MB = 2**20
_OUT_OF_RESOURCES = {0xA700}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 MB of our own; without the right to mount, a folder of the big one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield place
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(place: Path) -> Path:
    """A file that stands for everybody else's data on the disk."""
    filler = place / "filler"
    with filler.open("wb") as file:
        for _ in range(128):
            file.write(b"\1" * _MB)
    return filler


def _stow(server: Server) -> int:
    item = next(objects("ct", Study(fresh_run(), 0), 1))
    content_type, body = multipart([item.part10()])
    with server.web() as connection:
        return connection.request(
            "POST", "/dicom-web/studies", headers={"Content-Type": content_type}, body=body
        ).status


@pytest.mark.capability("1.1.3", "1.1.4", "2.1.2")
@pytest.mark.parametrize("how", ["reserve", "to the last byte"])
def test_a_full_disk_is_refused_and_recovered_from(how: str, start: Starter, small_disk: Path) -> None:
    """A700 and 507 while it is full, reading goes on, and when space returns so does storing: no restart."""
    filler = _fill(small_disk)
    own = shutil.disk_usage(small_disk).total < 1000 * _MB
    if how != "reserve" and not own:
        pytest.skip("only root may mount a small file system")
    reserve = 0 if how != "reserve" else 16 * _MB if own else shutil.disk_usage(small_disk).free - 100 * _MB
    server = start(
        f"[storage]\nreserve_bytes = {reserve}\npack_size_bytes = {16 * _MB}\n",
        FILMROOM_STORAGE=str(small_disk / "store"),
    )
    assert isinstance(server, Filmroom)
    with Senders(server) as senders:
        until(lambda: sum(senders.refusals.values()) >= 20, what="refusals on a full disk", timeout_s=60)
        assert set(senders.refusals) <= _OUT_OF_RESOURCES, senders.refusals
        assert _stow(server) in (503, 507)
        assert echo_seconds(server) < 2
        filler.unlink()
        senders.wait_for(20, timeout_s=30)
    assert set(senders.refusals) <= _OUT_OF_RESOURCES, senders.refusals
    result = reckon(server, senders.sent)
    assert result.clean, result
    assert result.acknowledged > 40
