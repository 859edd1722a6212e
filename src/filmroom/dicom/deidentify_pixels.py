"""What is burned into pixels: whether it may be there, where it stands by a known template, and its blackening.

A template says for which objects (the condition language) which rectangles are blackened; ultrasound objects say
themselves where their image is, and all around it is blackened. What may carry text and is known to nobody is withheld.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from filmroom.dicom.conditions import Path
from filmroom.dicom.conditions_eval import Asked, compiled
from filmroom.dicom.conditions_parse import parse
from filmroom.dicom.deidentify import Deidentified as Header
from filmroom.dicom.deidentify import Recipe, Withheld, deidentified, deidentified_tail
from filmroom.dicom.deidentify_profile import Option
from filmroom.dicom.pixels import Decoded
from filmroom.dicom.pixels_elements import PIXEL_DATA, Attributes, Element
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_object import StoredObject, StoredPixels
from filmroom.dicom.transcode import Rules, transcoded
from filmroom.dicom.transcode_elements import element_header
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup

_CHUNK_BYTES = 2**20
_BURNED_IN, _SOP_CLASS, _MODALITY, _US_REGIONS = 0x00280301, 0x00080016, 0x00080060, 0x00186011
# Modalities whose devices write the patient's name into the picture as a matter of course (PS3.15 E.3.1).
_WRITTEN_ON: Final = frozenset({"US", "IVUS", "ES", "XC", "GM", "OT", "SC", "DOC", "ECG", "OCT", "OP", "RF", "DMS"})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels of the stored image."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Template:
    """Where something is burned in, of the objects for which ``when`` holds; no region at all: nothing is."""

    when: str
    black: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is blackened: ``black``, and everything outside ``keep`` where there is any."""

    black: tuple[Region, ...] = ()
    keep: tuple[Region, ...] = ()

    def mask(self, rows: int, columns: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Which pixels become black."""
        mask = np.full((rows, columns), bool(self.keep))
        for region in self.keep:
            mask[_slices(region)] = False
        for region in self.black:
            mask[_slices(region)] = True
        return mask


@dataclass(frozen=True, slots=True)
class Written:
    """A whole de-identified data set: its header's findings, its transfer syntax and its bytes in pieces."""

    header: Header
    transfer_syntax: str
    pieces: Iterator[bytes]


def without_identity(
    stored: StoredObject, recipe: Recipe, templates: Sequence[Template] = (), *, trust_pixels: bool = False
) -> Written:
    """The object as the project may have it. ``trust_pixels``: somebody has looked, nothing is burned in.

    Raises Withheld, NotReadable, LimitReached.
    """
    plan = plan_for(stored.attributes, recipe.options, templates, trust_pixels=trust_pixels)
    header = deidentified(stored.attributes, recipe, pixels_cleaned=plan is not None)
    pixel = stored.pixel_element
    if pixel is None:
        return Written(header, stored.transfer_syntax, iter((header.header,)))
    tail_start = _end(stored, pixel)
    tail = stored.read(tail_start, stored.length - tail_start) if tail_start < stored.length else b""
    tail = deidentified_tail(stored.attributes, tail, recipe) if _is_elements(tail) else b""
    if plan is None or not (plan.black or plan.keep):
        return Written(header, stored.transfer_syntax, _copied(stored, header.header, pixel.start, tail_start, tail))
    if lookup(stored.transfer_syntax).video:
        raise Withheld("text burned into a video cannot be blackened")
    if not pixel.undefined:
        return Written(header, stored.transfer_syntax, _native(stored, header.header, pixel, plan, tail))
    virtual = _Blackened.over(stored, header.header, pixel.start, tail_start, plan)
    return Written(header, EXPLICIT_LE, transcoded(virtual, EXPLICIT_LE, Rules()))


def plan_for(
    attributes: Attributes, options: frozenset[Option], templates: Sequence[Template], *, trust_pixels: bool
) -> Plan | None:
    """What to do with the pixels; None: they stay as they are. Raises Withheld."""
    if 0x00280010 not in attributes.found:
        return None
    said = attributes.text(_BURNED_IN)
    modality = attributes.text(_MODALITY)
    written_on = modality in _WRITTEN_ON or attributes.text(_SOP_CLASS).startswith(_SECONDARY_CAPTURE)
    if Option.CLEAN_PIXELS in options:
        asked = Asked(values=_Texts(attributes))
        for template in templates:
            if compiled(parse(template.when))(asked):
                return Plan(black=template.black)
        if keep := _us_regions(attributes):
            return Plan(keep=keep)
    if trust_pixels or (said == "NO" or not (said == "YES" or written_on)):
        return None
    raise Withheld(f"{modality or 'the image'} may have the patient's name burned in, and no template says where")


def _us_regions(attributes: Attributes) -> tuple[Region, ...]:
    """Where an ultrasound object says its images are (PS3.3 C.8.5.5)."""
    found = []
    for item in attributes.items(_US_REGIONS):
        low_x, low_y, high_x, high_y = (item.integer(tag) for tag in (0x00186018, 0x0018601A, 0x0018601C, 0x0018601E))
        if high_x > low_x and high_y > low_y:
            found.append(Region(low_x, low_y, high_x - low_x + 1, high_y - low_y + 1))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Texts:
    """A data set as conditions see it: its own attributes, not those inside sequences."""

    attributes: Attributes

    def texts(self, path: Path) -> Sequence[str]:
        tag = path[0]
        if len(path) != 1 or tag not in self.attributes.found:
            return ()
        if self.attributes.vr(tag) in ("US", "SS", "UL", "SL"):
            return [f"{number:g}" for number in self.attributes.numbers(tag)]
        return self.attributes.texts(tag)


def _copied(stored: StoredObject, header: bytes, start: int, end: int, tail: bytes) -> Iterator[bytes]:
    yield header
    for offset in range(start, end, _CHUNK_BYTES):
        yield stored.read(offset, min(_CHUNK_BYTES, end - offset))
    yield tail


def _native(stored: StoredObject, header: bytes, pixel: Element, plan: Plan, tail: bytes) -> Iterator[bytes]:
    """Frames blackened where they lie."""
    pixels = stored.pixels()
    how = pixels.format
    if "42" in how.photometric or how.real or pixels.big_endian:
        raise Withheld("text burned into this pixel format cannot be blackened")
    mask = plan.mask(how.rows, how.columns)
    encoding = stored.attributes.encoding
    vr = pixel.vr or ("OW" if how.bits_allocated > 8 else "OB")
    length = how.native_bytes + how.native_bytes % 2
    yield header + element_header(PIXEL_DATA, vr, length, encoding)
    if how.bits_allocated == 1:
        frames = [_black(pixels.decoded(n), mask).array.reshape(-1) for n in range(how.frames)]
        yield np.packbits(np.concatenate(frames).astype(np.uint8), bitorder="little").tobytes()
    else:
        for number in range(how.frames):
            yield _in_place(pixels.encoded(number), how, mask)
    yield b"\0" * (how.native_bytes % 2) + tail


def _in_place(data: bytes, how: PixelFormat, mask: "np.ndarray[Any, np.dtype[np.bool_]]") -> bytes:
    samples = np.frombuffer(data, how.dtype).copy()
    if how.samples > 1 and how.planar:
        planes = samples.reshape(how.samples, how.rows, how.columns)
        planes[:, mask] = np.array(_black_value(how), how.dtype)[:, None]
    elif how.samples > 1:
        samples.reshape(how.rows, how.columns, how.samples)[mask] = _black_value(how)
    else:
        samples.reshape(how.rows, how.columns)[mask] = _black_value(how)[0]
    return samples.tobytes()


def _black(frame: Decoded, mask: "np.ndarray[Any, np.dtype[np.bool_]]") -> Decoded:
    array = np.array(frame.array)
    value = _black_value(frame.format)
    array[mask] = value if frame.format.samples > 1 else value[0]
    return replace(frame, array=array)


def _black_value(how: PixelFormat) -> list[int]:
    """The sample values of black."""
    if how.samples == 1:
        low = -(1 << (how.bits_stored - 1)) if how.signed else 0
        return [low + (1 << how.bits_stored) - 1 if how.photometric == "MONOCHROME1" else low]
    if how.photometric.startswith("YBR"):
        middle = 1 << (how.bits_stored - 1)
        return [0, middle, middle]
    return [0] * how.samples


class _Blackened(StoredObject):
    """A stored object under another header, whose frames come out blackened."""

    __slots__ = ("plan",)

    plan: Plan

    @classmethod
    def over(cls, stored: StoredObject, header: bytes, start: int, end: int, plan: Plan) -> "_Blackened":
        """``header``, then the stored bytes from ``start`` to ``end``."""

        def read(offset: int, length: int) -> bytes:
            first = header[offset : offset + length]
            rest = min(length - len(first), len(header) + end - start - offset - len(first))
            return first + (stored.read(start + offset + len(first) - len(header), rest) if rest > 0 else b"")

        made = cls.open(read, len(header) + end - start, stored.transfer_syntax)
        assert isinstance(made, _Blackened)
        object.__setattr__(made, "plan", plan)
        return made

    def pixels(self) -> StoredPixels:
        """The frames."""
        found = StoredObject.pixels(self)
        mask = self.plan.mask(found.format.rows, found.format.columns)
        made = _BlackenedPixels(found.source, found.format, found.index, found.transfer_syntax)
        object.__setattr__(made, "black", mask)
        return made


class _BlackenedPixels(StoredPixels):
    __slots__ = ("black",)

    black: "np.ndarray[Any, np.dtype[np.bool_]]"

    def decoded(self, frame: int) -> Decoded:
        """One frame, counted from 0."""
        return _black(StoredPixels.decoded(self, frame), self.black)


def _end(stored: StoredObject, pixel: Element) -> int:
    if pixel.undefined:
        return stored.pixels().index.end
    return min(pixel.value_end, stored.length)


def _is_elements(tail: bytes) -> bool:
    """Whether what stands behind the pixels is more than some writer's padding."""
    return len(tail) >= 8 and tail.strip(b"\0") != b""


def _slices(region: Region) -> tuple[slice, slice]:
    top, left = max(0, region.top), max(0, region.left)
    return slice(top, max(top, region.top + region.height)), slice(left, max(left, region.left + region.width))


__all__ = ["Plan", "Region", "Template", "Written", "plan_for", "without_identity"]
