"""Making a series document: from the stored headers to compressed DICOM JSON. Runs in a thread or a worker process."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import zstandard

from filmroom.base.errors import FilmroomError
from filmroom.dicom.edits import Edit, edited
from filmroom.dicom.json import inflate
from filmroom.dicom.json_series import SeriesJsonMaker
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup

# Level 3 packs the JSON of 500 CT slices, 6 MB, to 40 KB in 4 ms.
LEVEL = 3
# The first bytes of the pixel element itself belong to the header: they tell its VR.
PIXEL_HEADER_BYTES = 12

# Where bulk data are asked for. An address without host is right for whoever fetched the document over HTTP.
ROOT = "/dicom-web"

_AVAILABLE_TRANSFER_SYNTAX = 0x00083002


class Source(NamedTuple):
    """The header of one object: ``length`` bytes at ``start`` of a file that never changes."""

    sop_uid: str
    path: str
    start: int
    length: int
    transfer_syntax: str
    edit: Edit | None = None  # how it goes out; None: as it came


def make_document(study: str, series: str, sources: Sequence[Source]) -> bytes:
    """The document, compressed: a JSON array with one object a line.

    It begins with one byte that says whether every header could be read (1) or some had to be left out (0).
    """
    packer = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    makers: dict[str, SeriesJsonMaker] = {}
    parts, complete, separator = [packer.compress(b"[")], b"\1", b""
    with contextlib.ExitStack() as files:
        for source, data in _headers(sources, files):
            plain, data = _changed(source, data)
            maker = makers.get(plain + source.transfer_syntax)
            if maker is None:
                maker = makers[plain + source.transfer_syntax] = _maker(plain, source.transfer_syntax)
            text = _object(maker, study, series, source, data) if data is not None else None
            if text is None:
                complete = b"\0"
                continue
            parts.append(packer.compress(separator + text))
            separator = b",\n"
    parts += [packer.compress(b"]"), packer.flush()]
    return complete + b"".join(parts)


def _changed(source: Source, data: bytes | None) -> tuple[str, bytes | None]:
    """The transfer syntax to read the header in, and the header as it goes out; None when it cannot be read."""
    if source.edit is None or data is None:
        return source.transfer_syntax, data
    deflated = lookup(source.transfer_syntax).deflated
    plain = EXPLICIT_LE if deflated else source.transfer_syntax
    try:
        return plain, edited(inflate(data) if deflated else data, plain, source.edit)
    except FilmroomError:
        return plain, None


def _maker(transfer_syntax: str, stored: str) -> SeriesJsonMaker:
    # Group 2 is not in the document (PS3.18 F.2); this attribute says how the object can be had.
    available = {_AVAILABLE_TRANSFER_SYNTAX: {"vr": "UI", "Value": [stored]}}
    return SeriesJsonMaker(transfer_syntax, added=available)


def _object(maker: SeriesJsonMaker, study: str, series: str, source: Source, data: bytes) -> bytes | None:
    base = f"{ROOT}/studies/{study}/series/{series}/instances/{source.sop_uid}/bulkdata/"

    def address(path: tuple[int, ...]) -> str:
        return base + "/".join(str(part) if place % 2 else f"{part:08X}" for place, part in enumerate(path))

    try:
        return maker.make(data, address)
    except FilmroomError:
        return None  # a header that was accepted once and cannot be read now


def _headers(sources: Sequence[Source], files: contextlib.ExitStack) -> Iterator[tuple[Source, bytes | None]]:
    opened: dict[str, int] = {}
    for source in sources:
        descriptor = opened.get(source.path)
        if descriptor is None:
            try:
                descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                yield source, None
                continue
            files.callback(os.close, descriptor)
            opened[source.path] = descriptor
        data = os.pread(descriptor, source.length, source.start)
        yield source, data if len(data) == source.length else None
