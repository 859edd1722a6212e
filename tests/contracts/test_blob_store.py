"""What every kind of store promises (storage.ports.BlobStore)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filmroom.base.errors import Corrupt, NotFound
from filmroom.storage.backends.filesystem import OPEN_FILES, FilesystemStore
from filmroom.storage.backends.memory import MemoryStore
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange
from filmroom.storage.ports import BlobStore

KEY = "file/2026/11/22/abc.dcm"
KINDS: dict[str, Callable[[Path], BlobStore]] = {
    "filesystem": lambda path: FilesystemStore(path / "store"),
    "memory": lambda path: MemoryStore(),
}


@pytest.fixture(params=sorted(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    (tmp_path / "store").mkdir()
    return KINDS[request.param](tmp_path)


def test_what_is_put_is_read_in_any_part(store: BlobStore) -> None:
    assert store.put(KEY, [b"abc", b"", b"defgh"]) == 8
    assert store.size(KEY) == 8
    assert store.read(KEY, 0, 8) == b"abcdefgh"
    assert store.read(KEY, 2, 3) == b"cde"
    assert store.read(KEY, 8, 0) == b""


def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    assert store.put(KEY, []) == 0
    assert store.size(KEY) == 0


def test_a_key_is_written_once(store: BlobStore) -> None:
    store.put(KEY, [b"first"])
    with pytest.raises(FileExistsError):
        store.put(KEY, [b"second"])
    assert store.read(KEY, 0, 5) == b"first"


def test_what_is_not_there_is_not_found(store: BlobStore) -> None:
    for ask in (lambda: store.read(KEY, 0, 1), lambda: store.size(KEY)):
        with pytest.raises(NotFound):
            ask()


def test_more_than_there_is_cannot_be_read(store: BlobStore) -> None:
    store.put(KEY, [b"abc"])
    with pytest.raises(Corrupt):
        store.read(KEY, 1, 3)
    with pytest.raises(Corrupt):
        store.read(KEY, 10, 1)


def test_deleting_is_final_and_may_be_repeated(store: BlobStore) -> None:
    store.put(KEY, [b"abc"])
    store.read(KEY, 0, 1)
    store.delete(KEY)
    store.delete(KEY)
    with pytest.raises(NotFound):
        store.read(KEY, 0, 1)
    store.put(KEY, [b"new"])
    assert store.read(KEY, 0, 3) == b"new"


def test_a_put_that_fails_leaves_nothing(store: BlobStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        store.put(KEY, broken())
    assert list(store.keys()) == []


def test_keys_by_prefix(store: BlobStore) -> None:
    for key in ("pack/1.tar", "file/1.dcm", "file/2.dcm"):
        store.put(key, [b"x"])
    assert sorted(store.keys("file/")) == ["file/1.dcm", "file/2.dcm"]
    assert len(list(store.keys())) == 3


@pytest.mark.capability("2.1.2")
@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../b", "", "a//b", "a/./b", "x\0y", "a" * 300, ".hidden"])
def test_no_key_leads_out_of_the_store(store: BlobStore, key: str) -> None:
    with pytest.raises(NotFound):
        store.put(key, [b"x"])
    with pytest.raises(NotFound):
        store.read(key, 0, 1)


def test_many_files_share_few_descriptors(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    for number in range(OPEN_FILES + 20):
        store.put(f"file/{number}.dcm", [b"%d" % number])
    for number in range(OPEN_FILES + 20):
        assert store.read(f"file/{number}.dcm", 0, 1) == str(number)[:1].encode()
    assert len(store._open) == OPEN_FILES
    store.close()


async def test_ranges_are_read_whole_in_part_and_as_a_stream(store: BlobStore) -> None:
    data = bytes(range(256)) * 20
    store.put(KEY, [b"before", data, b"after"])
    blobs, where = Blobs([store]), BlobRange(store.name, KEY, 6, len(data))
    assert blobs.read_sync(where) == data
    assert await blobs.read(where, 10, 5) == data[10:15]
    assert [len(chunk) async for chunk in blobs.stream(where, chunk_bytes=2000)] == [2000, 2000, 1120]
    assert b"".join([chunk async for chunk in blobs.stream(where, 100, 3000, chunk_bytes=999)]) == data[100:3100]
    assert [chunk async for chunk in blobs.stream(where, len(data))] == []
    assert blobs.present(where)
    assert not blobs.present(BlobRange(store.name, KEY, 6, len(data) + 6))
    for offset, length in ((-1, 2), (0, len(data) + 1), (len(data) + 1, None)):
        with pytest.raises(ValueError, match="not inside"):
            blobs.read_sync(where, offset, length)
