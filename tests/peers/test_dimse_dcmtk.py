"""DCMTK's programs against the DIMSE edge over an archive in memory."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from tests.fixtures.dimse_archive import MemoryArchive, MemoryObject, device, dimse_server
from tests.fixtures.dimse_wire import CT, EXPLICIT, MR

from filmroom.net.dimse.listener import DimseListener

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="DCMTK is not installed")


async def run(*command: str | Path) -> tuple[int, str]:
    """A program to its end: exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, said.decode(errors="replace")


def to(listener: DimseListener, called: str = "FILMROOM") -> list[str]:
    return ["-aec", called, "127.0.0.1", str(listener.port)]


def samples(*names: str) -> list[str]:
    return [str(get_testdata_file(name)) for name in names]


@asynccontextmanager
async def storescp(folder: Path, *options: str) -> AsyncIterator[int]:
    """DCMTK's storescp on a free port, once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec("storescp", "+B", "-od", str(folder), *options, str(port))
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


def filled() -> MemoryArchive:
    """Two real objects of one study."""
    archive = MemoryArchive()
    for name, sop_class in (("CT_small.dcm", CT), ("MR_small.dcm", MR)):
        path = Path(samples(name)[0])
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        whole = path.read_bytes()
        start = 144 + int(dataset.file_meta.FileMetaInformationGroupLength)
        uid = str(dataset.SOPInstanceUID)
        archive.objects[uid] = MemoryObject(sop_class, uid, EXPLICIT, whole[start:])
    return archive


@pytest.mark.capability("1.5.1", "1.0.1")
async def test_echoscu() -> None:
    async with dimse_server() as (listener, _):
        assert (await run("echoscu", "--repeat", "20", *to(listener)))[0] == 0
        code, said = await run("echoscu", *to(listener, "WRONG"))
        assert code != 0
        assert "Called AE Title Not Recognized" in said
        assert (await run("echoscu", "--abort", *to(listener)))[0] == 0
        assert (await run("echoscu", "-pts", "38", *to(listener)))[0] == 0


@pytest.mark.parametrize("options", [[], ["-xi"], ["-xb"], ["-pdu", "4096"], ["--max-send-pdu", "4096"]])
@pytest.mark.capability("1.1.4")
async def test_storescu(options: list[str]) -> None:
    async with dimse_server() as (listener, archive):
        code, said = await run("storescu", *options, *to(listener), *samples("CT_small.dcm", "MR_small.dcm"))
        assert code == 0, said
        assert len(archive.objects) == 2


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("-xt", "MR_small_jpeg_ls_lossless.dcm"),
        ("-xv", "MR_small_jp2klossless.dcm"),
        ("-xr", "MR_small_RLE.dcm"),
        ("-xy", "SC_rgb_jpeg_dcmtk.dcm"),
        ("-xd", "image_dfl.dcm"),
    ],
)
@pytest.mark.capability("1.1.2")
async def test_storescu_in_compressed_syntaxes(option: str, name: str) -> None:
    path = samples(name)[0]
    async with dimse_server() as (listener, archive):
        code, said = await run("storescu", "-R", option, *to(listener), path)
        assert code == 0, said
        (stored,) = archive.objects.values()
        assert stored.data


@pytest.mark.capability("1.1.3")
async def test_a_hundred_small_objects_of_a_client_that_is_not_tuned(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(samples("MR_small.dcm")[0])
    del dataset.PixelData
    for number in range(100):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(tmp_path / f"{number}.dcm")
    async with dimse_server() as (listener, archive):
        code, said = await run("storescu", "+sd", *to(listener), tmp_path)
        assert code == 0, said
        assert len(archive.objects) == 100


@pytest.mark.capability("1.2.1")
async def test_findscu() -> None:
    match = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE^JO"}]}}
    async with dimse_server(MemoryArchive(matches=[match] * 3)) as (listener, archive):
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=DOE*", "-k", "StudyDate=20200101-"]
        code, said = await run("findscu", "-v", "-S", *keys, *to(listener))
        assert code == 0, said
        assert said.count("DOE^JO") == 3
        assert "Received Final Find Response (Success)" in said
        code, said = await run("findscu", "-v", "-S", "-k", "QueryRetrieveLevel=SERIES", *to(listener))
        assert "DataSetDoesNotMatchSOPClass" in said
        code, said = await run("findscu", "-v", "-S", "--cancel", "1", *keys, *to(listener))
        assert code == 0, said
        assert len(archive.questions) == 2


@pytest.mark.parametrize("options", [[], ["-xi"]])
@pytest.mark.capability("1.3.1", "1.3.3")
async def test_movescu(options: list[str], tmp_path: Path) -> None:
    archive = filled()
    async with storescp(tmp_path) as port, dimse_server(archive) as (listener, _):
        archive.devices["SINK"] = device("STORESCP", port)
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
        code, said = await run("movescu", "-v", "-S", *options, "-aem", "SINK", *keys, *to(listener))
        assert code == 0, said
        assert "Received Final Move Response (Success)" in said
        for path in tmp_path.iterdir():
            dataset = pydicom.dcmread(path)
            sent = archive.objects[str(dataset.SOPInstanceUID)].data
            assert path.read_bytes().endswith(sent[-8000:])
        code, said = await run("movescu", "-v", "-S", "-aem", "NOBODY", *keys, *to(listener))
        assert "MoveDestinationUnknown" in said


@pytest.mark.capability("1.3.1")
async def test_movescu_that_receives_itself(tmp_path: Path) -> None:
    archive = filled()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    archive.devices["MOVESCU"] = device("MOVESCU", port)
    async with dimse_server(archive) as (listener, _):
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
        code, said = await run("movescu", "-v", "-S", "--port", str(port), "-od", tmp_path, *keys, *to(listener))
        assert code == 0, said
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.capability("1.4.1")
async def test_getscu(tmp_path: Path) -> None:
    archive = filled()
    async with dimse_server(archive) as (listener, _):
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
        code, said = await run("getscu", "-v", "+B", "-S", "-od", tmp_path, *keys, *to(listener))
        assert code == 0, said
        for path in tmp_path.iterdir():
            uid = str(pydicom.dcmread(path).SOPInstanceUID)
            assert path.read_bytes().endswith(archive.objects[uid].data[-8000:])
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.capability("1.3.2")
async def test_a_destination_that_aborts_after_each_object(tmp_path: Path) -> None:
    archive = filled()
    async with storescp(tmp_path, "--abort-after") as port, dimse_server(archive) as (listener, _):
        archive.devices["SINK"] = device("STORESCP", port)
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"]
        _, said = await run("movescu", "-d", "-S", "-aem", "SINK", *keys, *to(listener))
        assert "UnableToPerformSuboperations" in said or "0xa702" in said.lower(), said
