"""The pixel pool: real worker processes that crash, hang, eat memory, and are replaced."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.fixtures import phantom
from tests.fixtures.hostile import crash, eat, hang, report, say

from filmroom.archive import pixeltasks
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.pixeltasks import StoredData
from filmroom.base.errors import LimitReached, NotFound, NotReadable, Unavailable, Unsupported
from filmroom.dicom import pixels_codecs as codecs
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.render_picture import GIF, RenderParams
from filmroom.dicom.transcode import Rules

pytestmark = pytest.mark.capability("6.2.2", "1.1.2")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers must find the functions of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.fixture
async def pool() -> AsyncIterator[PixelPool]:
    made = PixelPool(2)
    yield made
    await made.close()


def stored(tmp_path: Path, data: bytes, syntax: str = phantom.EXPLICIT) -> StoredData:
    path = tmp_path / "pack"
    path.write_bytes(b"something before" + data + b"something behind")
    return StoredData(str(path), 16, len(data), syntax)


async def test_results_are_bytes_or_plain_values(pool: PixelPool):
    assert await pool.run(say, "x") == b"x"
    assert set(await pool.run(report)) == {"pid"}


async def test_a_crash_fails_its_own_call_and_no_other(pool: PixelPool):
    results = await asyncio.gather(
        *(pool.run(crash) if n % 5 == 0 else pool.run(say, str(n)) for n in range(20)), return_exceptions=True
    )
    for number, result in enumerate(results):
        if number % 5 == 0:
            assert isinstance(result, NotReadable)
        else:
            assert result == str(number).encode()


async def test_a_hung_worker_is_replaced(pool: PixelPool):
    with pytest.raises(LimitReached):
        await pool.run(hang, timeout_s=0.2)
    assert await pool.run(say, "on") == b"on"


async def test_memory_is_bounded(pool: PixelPool):
    with pytest.raises(LimitReached):
        await pool.run(eat, 3 * 2**30)
    assert await pool.run(eat, 2**20) is not None


async def test_a_killed_idle_worker_costs_one_call_at_most(pool: PixelPool):
    await pool.run(say, "start")
    os.kill(pool.pids()[0], signal.SIGKILL)
    outcome = await asyncio.gather(pool.run(say, "a"), return_exceptions=True)
    assert outcome == [b"a"] or isinstance(outcome[0], NotReadable)
    assert await pool.run(say, "b") == b"b"


async def test_a_caller_that_goes_away_does_not_disturb(pool: PixelPool):
    await pool.warm()
    task = asyncio.create_task(pool.run(say, "gone"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.gather(*(pool.run(say, str(n)) for n in range(5))) == [str(n).encode() for n in range(5)]


async def test_too_many_waiting_callers_are_told_so():
    pool = PixelPool(1, max_waiting=2)
    await pool.warm()
    try:
        calls = [asyncio.create_task(pool.run(hang, timeout_s=30)) for _ in range(4)]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert all(isinstance(call.exception(), Unavailable) for call in done)
    finally:
        await pool.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)


async def test_close_leaves_no_process_behind():
    pool = PixelPool(2)
    await pool.warm()
    pids = pool.pids()
    assert len(pids) == 2
    await pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(Unavailable):
        await pool.run(say, "x")


async def test_rendering_reads_inside_the_file(pool: PixelPool, tmp_path: Path):
    where = stored(tmp_path, phantom.native(phantom.slope()))
    assert (await pool.run(pixeltasks.render_frame, where, 0, RenderParams()))[:2] == b"\xff\xd8"
    with pytest.raises(NotFound):
        await pool.run(pixeltasks.render_frame, where, 1, RenderParams())
    gone = StoredData(str(tmp_path / "gone"), 0, 10, phantom.EXPLICIT)
    with pytest.raises(NotFound):
        await pool.run(pixeltasks.render_frame, gone, 0, RenderParams())


async def test_transcoding_to_bytes_and_to_a_file(pool: PixelPool, tmp_path: Path):
    pixels = np.stack([phantom.slope(seed=n) for n in range(4)])
    where = stored(tmp_path, phantom.native(pixels))
    made = await pool.run(pixeltasks.transcode_to_bytes, where, codecs.HTJ2K_LOSSLESS, Rules())
    back = StoredObject.of(made, codecs.HTJ2K_LOSSLESS).pixels()
    np.testing.assert_array_equal([frame.array for frame in back.all_decoded()], pixels)

    target = tmp_path / "out"
    answer = await pool.run(pixeltasks.transcode_to_file, where, codecs.HTJ2K_LOSSLESS, Rules(), str(target))
    assert target.read_bytes() == made
    assert answer == {"size_bytes": len(made)}
    with pytest.raises(Unsupported):
        await pool.run(pixeltasks.transcode_to_file, where, codecs.JPEG_2000, Rules(), str(tmp_path / "lossy"))
    assert not (tmp_path / "lossy").exists()

    targets = (codecs.JPEG_2000, codecs.JPEG_BASELINE, codecs.RLE, phantom.EXPLICIT)
    assert await pool.run(pixeltasks.possible_targets, where, targets, False) == [codecs.RLE, phantom.EXPLICIT]

    one = await pool.run(pixeltasks.frame_as, where, 2, phantom.EXPLICIT, Rules())
    assert one == pixels[2].tobytes()
    spans = (await pool.run(pixeltasks.frame_spans, where))["spans"]
    assert spans[1] == [[spans[0][0][0] + pixels[0].nbytes, pixels[0].nbytes]]
    cine = await pool.run(pixeltasks.render_cine, where, RenderParams(media_type=GIF))
    assert cine[:3] == b"GIF"


async def test_rendering_costs_no_memory_here(pool: PixelPool, tmp_path: Path):
    where = stored(tmp_path, phantom.native(np.zeros((20, 512, 512), "<u2")))
    await pool.warm()
    await pool.run(say, "x")
    before = psutil.Process().memory_info().rss
    for frame in range(20):
        await pool.run(pixeltasks.render_frame, where, frame, RenderParams())
    assert psutil.Process().memory_info().rss - before < 20 * 2**20
