"""STOW-RS of metadata and bulk data in parts of their own (PS3.18 10.5.1.4, 10.5.2): put together to files again.

Bulk data go to a nameless file while they come, so that their size is no matter; metadata are held, up to a limit.
"""

import asyncio
import struct
import tempfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.part10 import write_meta
from filmroom.dicom.pixels_elements import EXPLICIT, ITEM, PIXEL_TAGS, SEQUENCE_END, UNDEFINED
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.transcode_elements import element_header
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup
from filmroom.net.web.dicomweb.negotiate import DICOM_JSON, DICOM_XML, JSON, OLD_NAMES
from filmroom.net.web.dicomweb.stow_formats import describe
from filmroom.net.web.dicomweb.xml_read import read_native_model
from filmroom.wire.http.mediatypes import MediaType, parse

# Metadata of one request: a fortnight of CT slices in JSON.
MAX_METADATA_BYTES = 64 * 2**20
# A bulk value that is no pixel data passes through memory.
MAX_VALUE_BYTES = 64 * 2**20
CHUNK_BYTES = 1 << 20
# One fragment of a long video: a fragment holds less than 4 GiB (PS3.5 A.4).
FRAGMENT_BYTES = 1 << 30
_AVAILABLE_SYNTAX = "00083002"
_DOCUMENT, _DOCUMENT_LENGTH, _DOCUMENT_TYPE = "00420011", "00420015", "00420012"


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One bulk data part: where it lies in the file, and what it says it is."""

    start: int
    size_bytes: int
    media: MediaType


class Described:
    """The parts of one request. Close it."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._size = 0
        self._held = bytearray()
        self._metadata = bytearray()
        self._metadata_bytes = 0
        self._media = MediaType("")
        self._location = ""
        self._start = 0
        self._bulk: dict[str, list[BulkPart]] = {}
        self.datasets: list[JsonDataset] = []

    def begin(self, headers: dict[str, str]) -> None:
        """A part begins. Raises NotReadable for a Content-Type that is none."""
        self._media = parse(headers.get("content-type") or "application/octet-stream")
        self._location = headers.get("content-location") or headers.get("content-id", "").strip("<>")
        self._start = self._size
        self._metadata.clear()

    async def write(self, data: bytes | memoryview) -> None:
        """Bytes of the part. Raises LimitReached."""
        if self._is_metadata:
            self._metadata_bytes += len(data)
            if self._metadata_bytes > MAX_METADATA_BYTES:
                raise LimitReached(f"metadata of more than {MAX_METADATA_BYTES} bytes in one request")
            self._metadata += data
            return
        self._held += data
        self._size += len(data)
        if len(self._held) >= CHUNK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Hand on to the file what is held."""
        held, self._held = self._held, bytearray()
        await asyncio.to_thread(self._file.write, held)

    async def end(self) -> None:
        """The part is complete. Raises NotReadable when it is metadata that cannot be read."""
        if self._is_metadata:
            self.datasets += await asyncio.to_thread(_read_metadata, self._media.name, bytes(self._metadata))
        else:
            part = BulkPart(self._start, self._size - self._start, self._media)
            self._bulk.setdefault(self._location, []).append(part)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    async def file_of(self, dataset: JsonDataset) -> AsyncGenerator[bytes]:
        """One object as a Part 10 file, in chunks. Raises NotReadable, Unsupported, LimitReached before the first."""
        head, pixels, frames = await asyncio.to_thread(self._head_of, dict(dataset))
        yield head
        if pixels is None:
            return
        pieces = self._native(pixels, frames[0]) if pixels.vr != "undefined" else self._encapsulated(frames)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece

    @property
    def _is_metadata(self) -> bool:
        return self._media.name in (DICOM_JSON, JSON, DICOM_XML)

    def _head_of(self, dataset: JsonDataset) -> "tuple[bytes, _Pixels | None, list[BulkPart]]":
        """File meta information and everything before the pixels."""
        tag = next((f"{tag:08X}" for tag in PIXEL_TAGS if "BulkDataURI" in dataset.get(f"{tag:08X}", {})), "")
        frames = self._parts(dataset[tag]["BulkDataURI"]) if tag else []
        syntax = EXPLICIT_LE
        said = (dataset.pop(_AVAILABLE_SYNTAX, {}).get("Value") or [""])[0]
        pixels = None
        if frames:
            media = OLD_NAMES.get(frames[0].media.name, frames[0].media.name)
            told = frames[0].media.parameters.get("transfer-syntax") or str(said or "")
            start = self._read(frames[0].start, min(frames[0].size_bytes, MAX_VALUE_BYTES))
            syntax, added = describe(media, told, start)
            dataset = added | dataset
            dataset.pop(tag)
            bits = (dataset.get("00280100", {}).get("Value") or [16])[0]
            kept = "undefined" if lookup(syntax).encapsulated else ("OW" if int(bits) > 8 else "OB")
            pixels = _Pixels(int(tag, 16), {"7FE00008": "OF", "7FE00009": "OD"}.get(tag, kept))
            if pixels.vr != "undefined" and len(frames) > 1:
                raise NotReadable("native pixel data are one part, whatever the number of frames")
        self._complete_document(dataset)
        uids = [str((dataset.get(tag, {}).get("Value") or [""])[0]) for tag in ("00080016", "00080018")]
        body = json_to_dataset(dataset, EXPLICIT_LE, "ISO_IR 192", bulk=self._value)
        return write_meta(uids[0], uids[1], syntax) + body, pixels, frames

    def _complete_document(self, dataset: JsonDataset) -> None:
        uri = dataset.get(_DOCUMENT, {}).get("BulkDataURI")
        if uri is None:
            return
        part = self._parts(uri)[0]
        if part.media.name != "application/octet-stream":
            dataset.setdefault(_DOCUMENT_TYPE, {"vr": "LO", "Value": [part.media.name]})
        dataset.setdefault(_DOCUMENT_LENGTH, {"vr": "UL", "Value": [part.size_bytes]})

    def _parts(self, uri: Any) -> list[BulkPart]:
        found = self._bulk.get(str(uri))
        if not found:
            raise NotReadable("no part of the request is the bulk data that the metadata refer to")
        return found

    def _value(self, uri: str) -> bytes:
        part = self._parts(uri)[0]
        if part.size_bytes > MAX_VALUE_BYTES:
            raise LimitReached(f"a value of more than {MAX_VALUE_BYTES} bytes that is no pixel data")
        return self._read(part.start, part.size_bytes)

    def _read(self, start: int, size_bytes: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size_bytes)

    def _native(self, pixels: "_Pixels", part: BulkPart) -> Iterator[bytes]:
        padding = part.size_bytes % 2
        yield element_header(pixels.tag, pixels.vr, part.size_bytes + padding, EXPLICIT)
        yield from self._chunks(part.start, part.size_bytes)
        if padding:
            yield b"\0"

    def _encapsulated(self, frames: list[BulkPart]) -> Iterator[bytes]:
        yield element_header(0x7FE00010, "OB", UNDEFINED, EXPLICIT) + _item(0)
        for part in frames:
            for start, length in self._codestream(part):
                yield _item(length + length % 2)
                yield from self._chunks(start, length)
                if length % 2:
                    yield b"\0"
        yield struct.pack("<HHI", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)

    def _codestream(self, part: BulkPart) -> Iterator[tuple[int, int]]:
        """The fragments of a frame; a JP2 file's boxes before the codestream stay out (PS3.5 A.4.4)."""
        start, end = part.start, part.start + part.size_bytes
        head = self._read(start, min(part.size_bytes, CHUNK_BYTES))
        if head[4:8] == b"jP  " and (at := head.find(b"\xff\x4f\xff\x51")) > 0:
            start += at
        while start < end:
            length = min(FRAGMENT_BYTES, end - start)
            yield start, length
            start += length

    def _chunks(self, start: int, length: int) -> Iterator[bytes]:
        for offset in range(0, length, CHUNK_BYTES):
            yield self._read(start + offset, min(CHUNK_BYTES, length - offset))


@dataclass(frozen=True, slots=True)
class _Pixels:
    tag: int
    vr: str


def _item(length: int) -> bytes:
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, length)


def _read_metadata(media: str, body: bytes) -> list[JsonDataset]:
    if media == DICOM_XML:
        return [read_native_model(body)]
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotReadable("the metadata are not JSON") from error
    found = found if isinstance(found, list) else [found]
    if not found or not all(isinstance(each, dict) for each in found):
        raise NotReadable("the metadata are an array of DICOM JSON objects")
    if not all(isinstance(element, dict) for each in found for element in each.values()):
        raise NotReadable("the metadata are not in the DICOM JSON model")
    return [{tag.upper(): element for tag, element in each.items()} for each in found]
