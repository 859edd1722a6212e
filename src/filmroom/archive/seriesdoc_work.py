"""Making a series document: from the stored headers to compressed DICOM JSON. Runs in a thread or a worker process."""

import contextlib
import os
from collections.abc import Sequence
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

# Between two objects. JSON has no line ends inside.
SEPARATOR = b",\n"

_AVAILABLE_TRANSFER_SYNTAX = 0x00083002


class Source(NamedTuple):
    """The header of one object: ``length`` bytes at ``start`` of a file that never changes."""

    sop_uid: str
    path: str
    start: int
    length: int
    transfer_syntax: str
    edit: Edit | None = None  # how it goes out; None: as it came


class Made(NamedTuple):
    """A document that was made of these objects, one line each."""

    sources: tuple[Source, ...]
    compressed: bytes


def make_document(study: str, series: str, sources: Sequence[Source], made: Sequence[Made] = ()) -> bytes:
    """The document, compressed: a JSON array with one object a line.

    Lines of documents that were ``made`` before, of objects that have not changed since, are taken as they are. It
    begins with one byte that says whether every header could be read (1) or some had to be left out (0).
    """
    known = _lines(made)
    packer = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    makers: dict[str, SeriesJsonMaker] = {}
    parts, complete, separator = [packer.compress(b"[")], b"\1", b""
    with contextlib.ExitStack() as files:
        opened: dict[str, int] = {}
        for source in sources:
            text = _known(known, source) or _made(makers, study, series, source, _header(source, opened, files))
            if text is None:
                complete = b"\0"
                continue
            parts.append(packer.compress(separator + text))
            separator = SEPARATOR
    parts += [packer.compress(b"]"), packer.flush()]
    return complete + b"".join(parts)


def _lines(made: Sequence[Made]) -> dict[tuple[str, int], tuple[Source, bytes]]:
    """The lines of documents made before, by the place of their object's bytes."""
    found: dict[tuple[str, int], tuple[Source, bytes]] = {}
    for sources, compressed in made:
        text = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
        lines = text[1:-1].split(SEPARATOR)
        if len(lines) == len(sources):
            found |= {(each.path, each.start): (each, line) for each, line in zip(sources, lines, strict=True)}
    return found


def _known(lines: dict[tuple[str, int], tuple[Source, bytes]], source: Source) -> bytes | None:
    of, line = lines.get((source.path, source.start), (None, b""))
    return line if of == source else None


def _made(
    makers: dict[str, SeriesJsonMaker], study: str, series: str, source: Source, data: bytes | None
) -> bytes | None:
    plain, data = _changed(source, data)
    if data is None:
        return None
    maker = makers.get(plain + source.transfer_syntax)
    if maker is None:
        maker = makers[plain + source.transfer_syntax] = _maker(plain, source.transfer_syntax)
    return _object(maker, study, series, source, data)


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


def _header(source: Source, opened: dict[str, int], files: contextlib.ExitStack) -> bytes | None:
    """The bytes of a header; None when they are not there. ``opened`` are descriptors that ``files`` will close."""
    descriptor = opened.get(source.path)
    if descriptor is None:
        try:
            descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        files.callback(os.close, descriptor)
        opened[source.path] = descriptor
    data = os.pread(descriptor, source.length, source.start)
    return data if len(data) == source.length else None
