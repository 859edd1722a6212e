"""New data sets made of parts of stored ones: some frames of an object (PS3.4 annex Y), or all but its bulk data
(annex Z). Headers are short, so pydicom reads and writes them; pixels never pass through here as a whole.
"""

import bisect
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import accumulate, pairwise
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items

from filmroom.base.errors import NotReadable, RemoteFault, Unsupported
from filmroom.dicom.transfersyntax import lookup

SIMPLE, CALCULATED, TIME_RANGE = 0x00081161, 0x00081162, 0x00081163
MAX_FRAMES_ASKED = 65_536
_UNDEFINED = 0xFFFFFFFF

# PS3.4 table Z.1-1; repeating groups by their element number.
_BULK = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009, 0x7FE00001, 0x7FE00002, 0x00287FE0, 0x56000020, 0x00420011})
_BULK_IN_GROUPS = frozenset({(0x60, 0x3000), (0x50, 0x3000), (0x50, 0x200C)})
_WAVEFORMS, _WAVEFORM_DATA = 0x54000100, 0x54001010

# An extracted object is in no concatenation, and its pixels are at no address (PS3.4 Y.3.3).
_LEFT_OUT = (0x00209161, 0x00209162, 0x00209163, 0x00209228, 0x00200242, 0x00287FE0, 0x7FE00001, 0x7FE00002)


class NoSuchFrames(RemoteFault):
    """None of the frames asked for is in the object (AA00)."""


class NotTimed(RemoteFault):
    """A time range is asked of an object whose frames have no times (AA03)."""


class BadFrameRequest(RemoteFault):
    """The frame keys contradict PS3.4 Y.3.2 (AA04)."""


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """Which frames, as asked: one of the three keys, and its values."""

    tag: int
    values: tuple[float, ...]


def frame_request(tag: int, values: Sequence[object]) -> FrameRequest:
    """The request in one frame key, judged (PS3.4 Y.3.2.1). Raises BadFrameRequest."""
    try:
        numbers = tuple(float(str(value)) for value in values)
    except ValueError as error:
        raise BadFrameRequest("a frame key holds what is no number") from error
    if tag == SIMPLE:
        right = bool(numbers) and numbers[0] >= 1 and all(a < b for a, b in pairwise(numbers))
    elif tag == CALCULATED:
        right = bool(numbers) and len(numbers) % 3 == 0
        triples = list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)) if right else []
        right = right and all(1 <= first <= last and step > 0 for first, last, step in triples)
        right = right and all(a[1] < b[0] for a, b in pairwise(triples))
    else:
        right = len(numbers) == 2 and 0 <= numbers[0] <= numbers[1]
    if not right or len(numbers) > MAX_FRAMES_ASKED:
        raise BadFrameRequest("the frame key is not as PS3.4 Y.3.2.1 wants it")
    return FrameRequest(tag, numbers)


def frame_list(request: FrameRequest, header: Dataset) -> list[int]:
    """The frame numbers, from 1. Raises NoSuchFrames or NotTimed."""
    frames = int(header.get("NumberOfFrames") or 1)
    if request.tag == SIMPLE:
        found = [int(number) for number in request.values if number <= frames]
    elif request.tag == CALCULATED:
        values = [int(value) for value in request.values]
        found = [
            number
            for first, last, step in zip(values[::3], values[1::3], values[2::3], strict=True)
            for number in range(first, min(last, frames) + 1, step)
        ]
    else:
        times = _times_s(header, frames)
        low = bisect.bisect_left(times, request.values[0])
        found = list(range(low + 1, bisect.bisect_right(times, request.values[1]) + 1))
    if not found:
        raise NoSuchFrames("none of the frames asked for is in the object")
    return found


def _times_s(header: Dataset, frames: int) -> list[float]:
    """When each frame is, in seconds after Content Time."""
    vector = [float(value) for value in _several(header.get("FrameTimeVector"))]
    if len(vector) == frames:
        return [total / 1000 for total in accumulate(vector)]
    if header.get("FrameTime") is not None:
        return [number * float(header.FrameTime) / 1000 for number in range(frames)]
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    try:
        moments = [_moment(str(each.FrameContentSequence[0].FrameReferenceDateTime)) for each in groups]
        clock = str(header.ContentTime).ljust(6, "0")
        start = _moment(moments[0].strftime("%Y%m%d") + clock)
    except (AttributeError, IndexError, ValueError) as error:
        raise NotTimed("the frames of this object have no times") from error
    if len(moments) != frames:
        raise NotTimed("not every frame of this object has a time")
    return [(each - start) / timedelta(seconds=1) for each in moments]


def _moment(text: str) -> datetime:
    """A DT without its zone: only differences within one object are taken."""
    form = "%Y%m%d%H%M%S.%f" if "." in text else "%Y%m%d%H%M%S"
    return datetime.strptime(text.split("+")[0].split("-")[0], form).replace(tzinfo=UTC)


def _several(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) or hasattr(value, "append") else (value,)


def read_header(data: bytes, transfer_syntax: str) -> Dataset:
    """The elements before the pixels. Raises NotReadable."""
    syntax = lookup(transfer_syntax)
    try:
        return read_dataset(BytesIO(data), syntax.implicit, not syntax.big_endian)
    except Exception as error:  # pydicom has no common class for what it cannot read
        raise NotReadable("the header cannot be read") from error


def write_header(header: Dataset, transfer_syntax: str) -> bytes:
    """A data set, elements as they are. Raises Unsupported when pydicom cannot write it."""
    syntax = lookup(transfer_syntax)
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax.implicit, not syntax.big_endian
    try:
        write_dataset(out, header)
    except Exception as error:
        raise Unsupported("the header cannot be written in this transfer syntax") from error
    return out.getvalue()


def without_bulk_data(header: Dataset) -> Dataset:
    """The same without the attributes of PS3.4 table Z.1-1."""
    for tag in list(header.keys()):
        if tag in _BULK or (tag.group >> 8, tag.element) in _BULK_IN_GROUPS:
            del header[tag]
    for item in header[_WAVEFORMS].value if _WAVEFORMS in header else ():
        if _WAVEFORM_DATA in item:
            del item[_WAVEFORM_DATA]
    return header


def extracted_header(
    header: Dataset, request: FrameRequest, frames: Sequence[int], *, sop_uid: str, equipment: Dataset
) -> Dataset:
    """The header of the new object that holds ``frames`` (from 1) of the one with ``header`` (PS3.4 Y.3.3)."""
    for tag in _LEFT_OUT:
        if tag in header:
            del header[tag]
    source_uid = header.SOPInstanceUID
    header.SOPInstanceUID = sop_uid
    header.NumberOfFrames = str(len(frames))
    groups = header.get("PerFrameFunctionalGroupsSequence")
    if groups is not None:
        header.PerFrameFunctionalGroupsSequence = Items(
            [groups[number - 1] for number in frames if number <= len(groups)]
        )
    vector = _several(header.get("FrameTimeVector"))
    if vector:
        times = list(accumulate(float(value) for value in vector))
        kept = [times[number - 1] for number in frames]
        header.FrameTimeVector = [f"{value:.10g}" for value in (0.0, *(b - a for a, b in pairwise(kept)))]
    item = Dataset()
    item.MultiFrameSourceSOPInstanceUID = source_uid
    values = [int(value) if request.tag != TIME_RANGE else value for value in request.values]
    item.add_new(request.tag, "FD" if request.tag == TIME_RANGE else "UL", values)
    header.FrameExtractionSequence = Items([*(header.get("FrameExtractionSequence") or ()), item])
    header.ContributingEquipmentSequence = Items([*(header.get("ContributingEquipmentSequence") or ()), equipment])
    return header


def extracting_equipment(manufacturer: str, version: str, at: datetime) -> Dataset:
    """Who extracted: an item of Contributing Equipment Sequence (PS3.3 C.12.1; PS3.4 Y.3.3)."""
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109105", "DCM"
    purpose.CodeMeaning = "Frame Extracting Equipment"
    item = Dataset()
    item.Manufacturer = item.ManufacturerModelName = manufacturer
    item.SoftwareVersions = version
    item.ContributionDateTime = at.strftime("%Y%m%d%H%M%S.%f")
    item.PurposeOfReferenceCodeSequence = Items([purpose])
    return item


def pixel_element(frame_sizes: Sequence[int], transfer_syntax: str, bits_allocated: int) -> tuple[bytes, bytes]:
    """What stands before the first frame of (7FE0,0010), and behind the last. Native syntaxes are little endian."""
    total = sum(frame_sizes)
    syntax = lookup(transfer_syntax)
    if not syntax.encapsulated:
        length = total + total % 2
        if length >= _UNDEFINED:
            raise Unsupported("the frames asked for are more than one object can hold")
        vr = b"OW" if bits_allocated > 8 else b"OB"
        tail = struct.pack("<I", length) if syntax.implicit else struct.pack("<2sHI", vr, 0, length)
        return struct.pack("<HH", 0x7FE0, 0x0010) + tail, b"\0" * (total % 2)
    offsets, position = [], 0
    for size in frame_sizes:
        offsets.append(position)
        position += 8 + size + size % 2
    table = struct.pack(f"<{len(offsets)}I", *offsets) if position < _UNDEFINED else b""
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, _UNDEFINED)
    return head + struct.pack("<HHI", 0xFFFE, 0xE000, len(table)) + table, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def framed(frame: bytes, transfer_syntax: str) -> Iterator[bytes]:
    """One frame as it stands in the value of (7FE0,0010)."""
    if lookup(transfer_syntax).encapsulated:
        yield struct.pack("<HHI", 0xFFFE, 0xE000, len(frame) + len(frame) % 2)
        yield frame
        yield b"\0" * (len(frame) % 2)
    else:
        yield frame
