"""The folder of the online store: begun, found again, gone, shared."""

import time
import uuid
from pathlib import Path

import pytest

from filmroom.base.clock import SystemClock
from filmroom.settings import StorageSettings
from filmroom.storage.online import MARKER, OnlineStore, StoreNotThere
from filmroom.storage.pack import NewMember, is_being_written


def online(root: Path) -> OnlineStore:
    settings = StorageSettings(reserve_bytes=0)
    return OnlineStore(root, settings, clock=SystemClock(), monotonic=time.monotonic, unique=lambda: uuid.uuid4().hex)


@pytest.mark.capability("2.1.2")
def test_a_folder_that_is_not_the_store_is_refused_when_objects_are_expected(tmp_path: Path) -> None:
    with pytest.raises(StoreNotThere):
        online(tmp_path / "elsewhere").open(expected=True)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.capability("2.1.2")
def test_a_store_whose_file_system_goes_away_takes_nothing_new(tmp_path: Path) -> None:
    store = online(tmp_path)
    store.open()
    (tmp_path / MARKER).unlink()
    with pytest.raises(StoreNotThere):
        store.pack_writer().append([NewMember([b"x"], 1)])
    store.close()


def test_leftovers_of_a_dead_process_go_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    living = online(tmp_path)
    living.open()
    spool = living.spool()
    dead = tmp_path / "incoming" / "dead"
    dead.mkdir()
    (dead / "half").write_bytes(b"half an object")
    other = online(tmp_path)
    other.open()
    assert not dead.exists()
    spool.write([b"still", b"here"])
    assert spool.keep(tmp_path, "file/x.dcm").size_bytes == 9
    assert other.store.read("file/x.dcm", 0, 9) == b"stillhere"
    other.close()
    living.close()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_pack_is_known_as_being_written_until_it_is_closed(tmp_path: Path) -> None:
    store = online(tmp_path)
    store.open()
    packs = store.pack_writer()
    (first,) = packs.append([NewMember([b"ab", b"c"], 3)])
    (second,) = packs.append([NewMember([b"de"], 2)])
    path = tmp_path / first.key
    assert first.key == second.key
    assert is_being_written(path)
    packs.close()
    assert not is_being_written(path)
    assert path.read_bytes()[second.start : second.start + 2] == b"de"
    store.close()


def test_more_buffers_than_one_call_takes(tmp_path: Path) -> None:
    store = online(tmp_path)
    store.open()
    packs = store.pack_writer()
    parts = [b"%05d" % number for number in range(3000)]
    (where,) = packs.append([NewMember(parts, 15_000)])
    assert store.store.read(where.key, where.start, 15_000) == b"".join(parts)
    packs.close()
    store.close()
