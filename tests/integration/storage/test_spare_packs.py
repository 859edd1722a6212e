"""Packs made ready ahead of need, written past the page cache, cut to size by whoever comes after."""

import errno
import os
import tarfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from bench.waiting import until

from filmroom.base.clock import SystemClock
from filmroom.settings import StorageSettings
from filmroom.storage import tar
from filmroom.storage.disk import Disk, Piece
from filmroom.storage.model import BlobRange
from filmroom.storage.online import OnlineStore
from filmroom.storage.pack import NewMember, PackWriter


def online(root: Path, disk: Disk | None = None) -> OnlineStore:
    store = OnlineStore(
        root,
        StorageSettings(reserve_bytes=0),
        clock=SystemClock(),
        monotonic=time.monotonic,
        unique=lambda: uuid.uuid4().hex,
        disk=disk,
    )
    store.open()
    return store


def members(*contents: bytes) -> list[NewMember]:
    return [NewMember([content[:100], content[100:]], len(content)) for content in contents]


def with_a_spare(store: OnlineStore) -> PackWriter:
    """A writer whose next pack is ready."""
    packs = store.pack_writer()
    packs.append(members(b"first"))
    until(lambda: packs._spares.ready, what="a pack made ready")
    return packs


def read(store: OnlineStore, where: BlobRange) -> bytes:
    return store.store.read(where.key, where.start, where.size_bytes)


@pytest.mark.capability("2.1.2", "2.1.4")
def test_a_pack_made_ready_is_a_tar_while_it_is_written_and_after(tmp_path: Path) -> None:
    store = online(tmp_path)
    packs = with_a_spare(store)
    contents = [bytes([n]) * size for n, size in enumerate((1, 511, 512, 513, 4095, 4096, 5000, 3_000_000, 7), 1)]
    places = []
    for content in contents:
        places += packs.append(members(content))
    path = tmp_path / places[0].key
    assert {place.key for place in places} == {places[0].key}
    assert path.stat().st_size >= 8 << 20
    for _ in ("open", "closed"):
        assert [read(store, place) for place in places] == contents
        with tarfile.open(path) as archive:
            assert [archive.extractfile(each).read() for each in archive] == contents  # type: ignore[union-attr]
        packs.close()
    assert path.stat().st_size == places[-1].start + tar.BLOCK + len(tar.END)
    store.close()
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.capability("2.1.2")
def test_what_a_dead_process_had_open_is_cut_to_its_members(tmp_path: Path) -> None:
    """The last object ends in zeros, which are part of it."""
    dead = online(tmp_path)
    packs = with_a_spare(dead)
    contents = [b"a" * 1000, b"b" * 600 + bytes(5000)]
    places = packs.append(members(*contents))
    path = tmp_path / places[0].key
    assert path.stat().st_size >= 8 << 20
    os.close(dead._lock_fd)  # the process is gone
    living = online(tmp_path)
    assert path.stat().st_size == places[1].start + 5632 + len(tar.END)
    assert [read(living, place) for place in places] == contents
    assert len(list((tmp_path / "incoming").iterdir())) == 1
    living.close()


@pytest.mark.capability("2.1.2")
def test_cutting_never_takes_anything_but_zeros(tmp_path: Path) -> None:
    """A header that rotted ends the walk through the members; what is behind it stays all the same."""
    dead = online(tmp_path)
    packs = with_a_spare(dead)
    one, two = packs.append(members(b"a" * 1000, b"b" * 3000))
    path = tmp_path / one.key
    with path.open("r+b") as file:
        file.seek(two.start - tar.BLOCK + 10)
        file.write(b"\xff")
    os.close(dead._lock_fd)
    living = online(tmp_path)
    assert path.stat().st_size < 8 << 20
    assert read(living, two) == b"b" * 3000
    living.close()


@pytest.mark.capability("2.1.2")
@pytest.mark.parametrize("how", ["no direct writes", "another alignment", "no second names"])
def test_file_systems_that_cannot_do_it_are_written_plainly(tmp_path: Path, how: str) -> None:
    class Plain(Disk):
        direct: ClassVar[set[int]] = set()

        def bypass_cache(self, fd: int) -> bool:
            if how == "no direct writes":
                return False
            self.direct.add(fd)
            return super().bypass_cache(fd)

        def use_cache(self, fd: int) -> None:
            self.direct.discard(fd)
            super().use_cache(fd)

        def write(self, fd: int, buffers: Sequence[Piece], offset: int) -> int:
            if how == "another alignment" and fd in self.direct and not isinstance(buffers[0], bytes):
                raise OSError(errno.EINVAL, "no")
            return super().write(fd, buffers, offset)

        def close(self, fd: int) -> None:
            self.direct.discard(fd)
            super().close(fd)

        def link(self, source: Path, target: Path) -> None:
            if how == "no second names":
                raise OSError(errno.EPERM, "no")
            super().link(source, target)

    store = online(tmp_path, Plain())
    packs = store.pack_writer() if how != "no second names" else with_a_spare(store)
    contents = [b"x" * 700, b"y" * 9000, b"z"]
    places = [place for content in contents for place in packs.append(members(content))]
    assert [read(store, place) for place in places] == contents
    packs.close()
    assert [read(store, place) for place in places] == contents
    store.close()
