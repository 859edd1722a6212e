"""Packs are TAR: what is written is what the standard library reads, and what is cut off is noticed."""

import io
import tarfile

import pytest

from filmroom.storage import tar
from filmroom.storage.model import dated_key, is_key


def pack(*contents: bytes) -> bytes:
    return b"".join(
        tar.header(f"abc/{number:07d}.dcm", len(content), 1_700_000_000) + content + tar.padding(len(content))
        for number, content in enumerate(contents, 1)
    )


def members(data: bytes) -> list[tar.Member]:
    return list(tar.members(lambda start, length: data[start : start + length], len(data)))


@pytest.mark.capability("2.1.4")
def test_the_standard_library_reads_a_pack() -> None:
    contents = [b"", b"a", b"x" * 512, b"y" * 5000]
    with tarfile.open(fileobj=io.BytesIO(pack(*contents) + tar.END)) as archive:
        assert [archive.extractfile(each).read() for each in archive] == contents  # type: ignore[union-attr]
        assert [each.mtime for each in archive.getmembers()] == [1_700_000_000] * 4


def test_members_are_found_where_they_are() -> None:
    data = pack(b"one", b"two" * 300)
    assert members(data + tar.END) == members(data)
    assert [data[each.start : each.start + each.size_bytes] for each in members(data)] == [b"one", b"two" * 300]


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 600, 1024, 1300])
def test_a_pack_that_was_cut_off_gives_what_is_before(cut: int) -> None:
    assert len(members(pack(b"one", b"two")[:cut])) <= 2


def test_a_header_that_is_none_ends_the_walk() -> None:
    data = bytearray(pack(b"one", b"two"))
    data[1024 + 10] ^= 1
    assert len(members(bytes(data))) == 1


def test_keys_are_dated_and_plain() -> None:
    from datetime import UTC, datetime

    key = dated_key("pack", datetime(2026, 1, 2, tzinfo=UTC), "0af3", "tar")
    assert key == "pack/2026/01/02/0af3.tar"
    assert is_key(key)
