"""Import of folders, CDs and ZIPs."""

import zipfile
from pathlib import Path

import pydicom.data
import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.taking_in import Rig, changed

from filmroom.archive.importer import Summary, import_path
from filmroom.base.errors import Forbidden
from filmroom.security.principals import SYSTEM, person

SAMPLES = Path(pydicom.data.__file__).parent / "test_files"


def folder(path: Path) -> Path:
    """Five objects in folders, one text file, one conflict, one torn file."""
    sent = list(objects("tiny", Study(fresh_run(), 1), 5))
    (path / "A" / "B").mkdir(parents=True)
    for number, each in enumerate(sent):
        (path / "A" / "B" / f"IM{number}").write_bytes(each.part10())
    (path / "A" / "README.TXT").write_text("These are the pictures of your visit.\n" * 20)
    (path / "Z-again.dcm").write_bytes(changed(sent[0]).part10())
    (path / "torn.dcm").write_bytes(sent[0].part10()[:700])
    return path


def figures(summary: Summary) -> tuple[int, int, int, int, int]:
    found = summary
    return (found.filed, found.already, found.conflicts, found.quarantined.total(), found.skipped)


@pytest.mark.capability("1.1.18")
async def test_a_folder_is_imported_with_a_summary(rig: Rig, tmp_path: Path) -> None:
    seen: list[int | None] = []
    summary = await import_path(rig.ingest, SYSTEM, folder(tmp_path / "cd"), lambda _, total: seen.append(total))
    assert figures(summary) == (5, 0, 1, 1, 1)
    assert not summary.failed
    assert summary.total == seen[-1] == 8
    assert await rig.value("SELECT count(*) FROM instance") == 5


@pytest.mark.capability("1.1.18")
async def test_importing_again_files_nothing_twice_with_or_without_journal(rig: Rig, tmp_path: Path) -> None:
    cd, journal = folder(tmp_path / "cd"), tmp_path / "journal"
    await import_path(rig.ingest, SYSTEM, cd, journal=journal)
    assert figures(await import_path(rig.ingest, SYSTEM, cd)) == (0, 5, 1, 1, 1)
    again = await import_path(rig.ingest, SYSTEM, cd, journal=journal)
    assert (again.filed, again.already) == (0, 5)
    assert again.bytes_read < 10_000  # only the conflict and the torn file were looked at
    with journal.open("ab") as file:
        file.write(b"torn")
    assert figures(await import_path(rig.ingest, SYSTEM, cd, journal=journal)) == (0, 5, 1, 1, 1)
    assert journal.stat().st_size % 16 == 0


@pytest.mark.capability("1.1.18")
async def test_a_zip_is_imported_whatever_its_members_are_called(rig: Rig, tmp_path: Path) -> None:
    sent = list(objects("tiny", Study(fresh_run(), 1), 3))
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in zip(["../../escape.dcm", "/etc/absolute.dcm", "plain.dcm"], sent, strict=True):
            archive.writestr(name, each.part10())
        archive.writestr("notes.txt", "nothing to see")
    summary = await import_path(rig.ingest, SYSTEM, path)
    assert figures(summary) == (3, 0, 0, 0, 1)
    assert not (tmp_path.parent / "escape.dcm").exists()


async def test_a_bomb_and_a_broken_zip_stop_nothing_else(rig: Rig, tmp_path: Path) -> None:
    (sent,) = objects("tiny", Study(fresh_run(), 1), 1)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("zeros.dcm", bytes(20 << 20))
    good = tmp_path / "half.zip"
    with zipfile.ZipFile(good, "w") as archive:
        archive.writestr("x.dcm", sent.part10())
    data = bytearray(good.read_bytes())
    data[2000] ^= 0xFF  # CRC of the member is wrong now
    good.write_bytes(data)
    (tmp_path / "fine.dcm").write_bytes(objects_bytes())
    summary = await import_path(rig.ingest, SYSTEM, tmp_path)
    assert summary.filed == 1
    assert summary.failed.total() == 2


def objects_bytes() -> bytes:
    (each,) = objects("tiny", Study(fresh_run(), 9), 1)
    return each.part10()


@pytest.mark.capability("1.1.2", "1.1.18")
async def test_a_cd_with_its_directory(rig: Rig) -> None:
    cd = SAMPLES / "dicomdirtests"
    expected = sum(1 for path in cd.rglob("*") if path.is_file())
    summary = await import_path(rig.ingest, SYSTEM, cd)
    assert summary.directories >= 1
    assert summary.filed > 10
    assert not summary.failed
    assert summary.total == expected
    assert await rig.faults() == []


async def test_who_may_not_store_may_not_import(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        await import_path(rig.ingest, person(1, "reader", frozenset({"viewer"})), tmp_path)
    with pytest.raises(FileNotFoundError):
        await import_path(rig.ingest, SYSTEM, tmp_path / "nowhere")
