"""Compressing one object in a worker process, and the proof that nothing of it is lost."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from filmroom.archive.pixeltasks import StoredData, transcode_to_file
from filmroom.base.errors import NotReadable
from filmroom.dicom.frames import EncapsulatedFrames
from filmroom.dicom.pixels_elements import EXPLICIT, PIXEL_TAGS
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.transcode import Rules
from filmroom.dicom.transcode_elements import rewrite

_READ_BYTES = 1 << 20
# What another form says otherwise: photometric interpretation, planar configuration, offset tables, an icon that may
# not stay compressed.
_MAY_DIFFER = frozenset({0x00280004, 0x00280006, 0x7FE00001, 0x7FE00002, 0x7FE00003, 0x00880200})


class NotTheSame(NotReadable):
    """The compressed form would not give back what was received; the object stays as it is."""


def compress(where: StoredData, transfer_syntax: str, target: str) -> dict[str, Any]:
    """Write the data set without loss into the new file ``target`` and prove that it is the same object.

    Sizes in bytes, digests as hex. Raises Unsupported, NotReadable, NotTheSame, LimitReached; then there is no file.
    """
    made = transcode_to_file(where, transfer_syntax, Rules(), target)
    try:
        copy = StoredData(target, 0, made["size_bytes"], transfer_syntax)
        with _Reader(where) as before, _Reader(copy) as after:
            pixels, digest = _proven(before.object, after.object), after.digest()
            header = after.object.pixel_element
            assert header is not None
            return {
                "size_bytes": made["size_bytes"],
                "digest": digest,
                "header_bytes": header.start,
                "pixels": pixels,
            }
    except BaseException:
        Path(target).unlink(missing_ok=True)
        raise


def _proven(before: StoredObject, after: StoredObject) -> str:
    """SHA-256 of the decoded pixels, which are the same. Raises NotTheSame."""
    if _header(before) != _header(after) or _tail(before) != _tail(after):
        raise NotTheSame("an attribute would not be the same")
    one, other = before.pixels(), after.pixels()
    if one.format.frames != other.format.frames:
        raise NotTheSame("the number of frames would not be the same")
    digest = hashlib.sha256()
    for number in range(one.format.frames):
        was, now = one.decoded(number), other.decoded(number)
        if was.format != now.format or not np.array_equal(was.array, now.array):
            raise NotTheSame(f"frame {number + 1} would not be the same")
        digest.update(was.to_native())
    return digest.hexdigest()


def _header(stored: StoredObject) -> list[tuple[int, bytes]]:
    """What comes before the pixels, element by element, in explicit VR."""
    attributes = stored.attributes
    end = stored.pixel_element.start if stored.pixel_element is not None else stored.length
    found: list[tuple[int, bytes]] = []
    signed = attributes.integer(0x00280103) == 1
    for tag, each in sorted(attributes.found.items()):
        if tag in _MAY_DIFFER or tag in PIXEL_TAGS or tag & 0xFFFF == 0 or each.start >= end:
            continue
        piece = memoryview(attributes.data)[each.start : each.end]
        same = attributes.encoding == EXPLICIT
        found.append((tag, bytes(piece) if same else rewrite(piece, attributes.encoding, EXPLICIT, signed=signed)))
    return found


def _tail(stored: StoredObject) -> bytes:
    """What comes behind the pixels."""
    pixel = stored.pixel_element
    assert pixel is not None
    index = stored.pixels().index
    start = index.end if pixel.undefined and isinstance(index, EncapsulatedFrames) else pixel.value_end
    tail = stored.read(start, max(0, stored.length - start))
    return rewrite(tail, stored.attributes.encoding, EXPLICIT, signed=stored.attributes.integer(0x00280103) == 1)


class _Reader:
    """A data set in a file, open while it is looked at."""

    def __init__(self, where: StoredData) -> None:
        self._where = where
        self._file = open(where.path, "rb")  # noqa: SIM115 (closed by __exit__)
        self.object = StoredObject.open(self._read, where.length, where.transfer_syntax)

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def digest(self) -> str:
        """SHA-256 of the data set."""
        digest = hashlib.sha256()
        for start in range(0, self._where.length, _READ_BYTES):
            digest.update(self._read(start, _READ_BYTES))
        return digest.hexdigest()

    def _read(self, offset: int, length: int) -> bytes:
        wanted = min(length, self._where.length - offset)
        if offset < 0 or wanted <= 0:
            return b""
        self._file.seek(self._where.offset + offset)
        return self._file.read(wanted)
