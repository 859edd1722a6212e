"""Whether what the index says of an object is true of its bytes, to the depth that a device's policy asks for."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from filmroom.archive.commitment_model import (
    CLASS_CONFLICT,
    CLASS_NOT_SUPPORTED,
    COMMITTED,
    NO_RESOURCES,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    Reference,
)
from filmroom.archive.devices import COMMIT_CHECKS
from filmroom.base.errors import Corrupt, FilmroomError, NotFound
from filmroom.dicom.sopclass import is_storage
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange

READ_BYTES = 1 << 20

ROW, EXISTS, SIZE, DIGEST = range(len(COMMIT_CHECKS))


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of an object's bytes. Digests as in the tables ``location`` and ``instance``."""

    where: BlobRange
    digest: bytes
    dataset_digest: bytes
    dataset_offset: int


@dataclass(frozen=True, slots=True)
class Held:
    """An object that the index has, with its copies, best first."""

    sop_class: str
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """COMMITTED or a failure reason. One that is not ``final`` may turn better while objects still arrive."""

    reason: int
    final: bool = True


def judge(
    references: Sequence[Reference], held: Mapping[str, Held], blobs: Blobs, check: str, *, accept_unknown: bool
) -> list[Verdict]:
    """A verdict for each reference, in order. Reads every byte when ``check`` is 'digest'; blocks."""
    depth = COMMIT_CHECKS.index(check)
    with _Reader(blobs).open() as reader:
        return [_judge_one(each, held.get(each.sop_uid), reader, depth, accept_unknown) for each in references]


def _judge_one(reference: Reference, held: Held | None, reader: "_Reader", depth: int, accept_unknown: bool) -> Verdict:
    if held is None:
        if not accept_unknown and not is_storage(reference.sop_class):
            return Verdict(CLASS_NOT_SUPPORTED)
        return Verdict(NO_SUCH_INSTANCE, final=False)
    if held.sop_class != reference.sop_class:
        return Verdict(CLASS_CONFLICT)
    verdict = Verdict(NO_SUCH_INSTANCE)
    for copy in held.copies:
        verdict = reader.verdict(copy, depth)
        if verdict.reason == COMMITTED:
            break
    return verdict


class _Reader:
    """Reads stored bytes through descriptors of its own: one that was opened before a file was deleted or replaced
    behind our back would still show the old bytes. Keeps the last one open, for objects lie side by side in packs."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._path = ""
        self._fd = -1

    @contextmanager
    def open(self) -> Iterator["_Reader"]:
        try:
            yield self
        finally:
            self._close()

    def verdict(self, copy: Copy, depth: int) -> Verdict:
        where = copy.where
        try:
            if depth >= EXISTS:
                size = self._blobs.store(where.store).size(where.key)
                if depth >= SIZE and size < where.start + where.size_bytes:
                    return Verdict(PROCESSING_FAILURE)
            if depth >= DIGEST and self._digests(copy) != (copy.digest, copy.dataset_digest):
                return Verdict(PROCESSING_FAILURE)
        except (NotFound, FileNotFoundError):
            return Verdict(NO_SUCH_INSTANCE)
        except Corrupt:
            return Verdict(PROCESSING_FAILURE)
        except (FilmroomError, OSError):  # the store is away: later, perhaps
            return Verdict(NO_RESOURCES, final=False)
        return Verdict(COMMITTED)

    def _digests(self, copy: Copy) -> tuple[bytes, bytes]:
        head = hashlib.sha256(self._read(copy.where, 0, copy.dataset_offset)).digest()
        digest = hashlib.sha256()
        at, end = copy.dataset_offset, copy.where.size_bytes
        while at < end:
            piece = self._read(copy.where, at, min(READ_BYTES, end - at))
            digest.update(piece)
            at += len(piece)
        dataset = digest.digest()
        return hashlib.sha256(head + dataset).digest(), dataset

    def _read(self, where: BlobRange, offset: int, length: int) -> bytes:
        path = self._blobs.store(where.store).path(where.key)
        if path is None:
            return self._blobs.read_sync(where, offset, length)
        if str(path) != self._path:
            self._close()
            self._fd, self._path = os.open(path, os.O_RDONLY | os.O_CLOEXEC), str(path)
        data = os.pread(self._fd, length, where.start + offset)
        if length and not data:
            raise Corrupt("the blob ends early")
        return data if len(data) == length else data + self._read(where, offset + len(data), length - len(data))

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._path = -1, ""
