"""No sender waits for ever: whatever goes wrong at the desk, those that wait there are answered."""

import asyncio
from pathlib import Path

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from structlog.testing import capture_logs
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.model import Stored
from filmroom.db.pool import Database
from filmroom.storage.spool import SpoolFile


def some(kind: str, count: int) -> list[Object]:
    return list(objects(kind, Study(fresh_run(), 1), count))


@pytest.mark.capability("1.1.4", "2.1.2")
@pytest.mark.parametrize("where", ["_write", "_await_database", "_index"])
async def test_a_desk_that_is_interrupted_answers_and_goes_on(
    where: str, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancellation is no Exception: once it left a desk closed for good, with everybody before it waiting."""
    first, *rest = some("tiny", 6)
    desk = rig.ingest.desk
    interruptions = 0

    def interrupted(*_: object) -> None:
        nonlocal interruptions
        interruptions += 1
        raise asyncio.CancelledError

    desk._database_lost = where == "_await_database"
    with monkeypatch.context() as patched:
        patched.setattr(desk, where, interrupted)
        async with asyncio.timeout(5):
            assert (await rig.store(first)).result is Stored.UNAVAILABLE
    assert interruptions == 1
    async with asyncio.timeout(20):
        outcomes = await rig.store_all([first, *rest])
    assert {outcome.result for outcome in outcomes} == {Stored.NEW}
    assert await rig.faults() == []


@pytest.mark.capability("1.1.4")
async def test_who_is_not_reached_in_time_is_told_to_send_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = some("tiny", 2)
    desk = rig.ingest.desk
    desk._answer_within_s = 0.05
    go_on = asyncio.Event()
    write_rows = desk._rows.file

    async def stuck(batch: object) -> dict[int, str]:
        await go_on.wait()
        return await write_rows(batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(desk._rows, "file", stuck)
        async with asyncio.timeout(5):
            outcome = await rig.store(one)
        assert outcome.result is Stored.UNAVAILABLE
        assert "in time" in outcome.comment
        go_on.set()
    desk._answer_within_s = 150
    async with asyncio.timeout(20):
        assert (await rig.store(two)).result is Stored.NEW
        assert (await rig.store(one)).result in (Stored.ALREADY, Stored.NEW)
    assert await rig.faults() == []


@pytest.mark.capability("1.1.4", "2.1.2")
async def test_bytes_that_could_not_be_written_do_not_pass_for_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in the middle of a large object: it is refused, not stored with a hole."""
    (large,) = some("cine-small", 1)
    async with taking_in(database, tmp_path) as rig:
        write, calls = SpoolFile.write, 0

        def faulty(self: SpoolFile, parts: list[bytes]) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise RuntimeError("no memory, say")
            write(self, parts)

        # The log is not written out: megabytes of a traceback's values take longer than the wait.
        with monkeypatch.context() as patched, capture_logs() as told:
            patched.setattr(SpoolFile, "write", faulty)
            async with asyncio.timeout(20):
                assert (await rig.store(large)).result is Stored.UNAVAILABLE
        assert [each["event"] for each in told] == ["an object could not be written"]
        assert rig.ingest.held_bytes == 0
        assert (await rig.store(large)).result is Stored.NEW
        assert (await rig.stored(large.sop_uid))[1] == large.dataset
