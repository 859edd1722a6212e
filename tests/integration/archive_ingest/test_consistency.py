"""The two-way check finds what was done behind the archive's back, and nothing else."""

from pathlib import Path

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.consistency import Fault
from filmroom.db.pool import Database
from filmroom.security.principals import SYSTEM
from filmroom.storage.pack import is_being_written


async def places(rig: Rig) -> list[tuple[str, int, int]]:
    return [tuple(row) for row in await rig.rows("SELECT key, start, size_bytes FROM location ORDER BY instance_pk")]


@pytest.mark.capability("3.3.1")
async def test_one_flipped_byte_anywhere_is_found(rig: Rig) -> None:
    run = fresh_run()
    await rig.store_all([*objects("tiny", Study(run, 1), 5), *objects("cine-small", Study(run, 2), 1)])
    for key, start, size in await places(rig):
        for offset in (start, start + 400, start + size - 1):  # preamble, file header, data set
            path = rig.online.root / key
            data = bytearray(path.read_bytes())
            data[offset] ^= 0x10
            path.write_bytes(data)
            rig.online.store.close()
            (finding,) = await rig.faults()
            assert finding.fault is Fault.WRONG
            data[offset] ^= 0x10
            path.write_bytes(data)
            rig.online.store.close()
    assert await rig.faults() == []


@pytest.mark.capability("3.3.1")
async def test_missing_short_and_unplaced(rig: Rig) -> None:
    run = fresh_run()
    await rig.store_all([each for number in range(3) for each in objects("cine-small", Study(run, number), 1)])
    (gone, *_), (short, *_), _ = await places(rig)
    (rig.online.root / gone).unlink()
    with (rig.online.root / short).open("r+b") as file:
        file.truncate(1000)
    await rig.rows("DELETE FROM location WHERE instance_pk = (SELECT max(pk) FROM instance)")
    rig.online.store.close()
    found = sorted(finding.fault.value for finding in await rig.faults())
    assert found == ["missing", "no-location", "short"]
    quick = await rig.consistency.check(SYSTEM, digests=False)
    assert sorted(each.fault.value for each in quick.findings) == found


@pytest.mark.capability("3.3.1")
async def test_pages_cover_everything(rig: Rig) -> None:
    await rig.store_all(list(objects("tiny", Study(fresh_run(), 1), 7)))
    after: int | None = 0
    rows = []
    while after is not None:
        part = await rig.consistency.check(SYSTEM, after=after, limit=3)
        rows.append(part.rows)
        after = part.next_after
    assert rows == [3, 3, 1]


@pytest.mark.capability("3.3.1")
async def test_bytes_without_rows_are_listed(database: Database, tmp_path: Path) -> None:
    async with taking_in(database, tmp_path) as rig:
        run = fresh_run()
        await rig.store_all([*objects("tiny", Study(run, 1), 3), *objects("cine-small", Study(run, 2), 1)])
        await rig.store_file(b"nonsense" * 100)
        (tmp_path / "file" / "stray.dcm").write_bytes(b"stray")
        await rig.rows("DELETE FROM location WHERE instance_pk = (SELECT min(pk) FROM instance)")
        await rig.rows("DELETE FROM instance WHERE pk = (SELECT min(pk) FROM instance)")
        # Members of a pack that is being written are left alone.
        keys = [each.where.key async for each in rig.consistency.orphans(SYSTEM) if each.where]
        assert "file/stray.dcm" in keys
        assert not any(is_being_written(tmp_path / key) for key in keys)
    async with taking_in(database, tmp_path) as rig:
        orphans = [each async for each in rig.consistency.orphans(SYSTEM)]
        assert len(orphans) == 2
        assert {each.fault for each in orphans} == {Fault.ORPHAN}
