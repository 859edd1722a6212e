"""What a bulk data part of pixel data is: its transfer syntax, and what its stream says of the image
(PS3.18 10.5.2, tables 10.5.2-1 and 8.7.3-2)."""

from typing import Any

from filmroom.base.errors import Unsupported
from filmroom.dicom.pixels_streams import StreamHeader, jpeg_2000_header, jpeg_header
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup
from filmroom.net.web.dicomweb.negotiate import FRAME_TYPES, OCTETS

_4 = "1.2.840.10008.1.2.4."


def describe(media: str, told: str, start: bytes) -> tuple[str, JsonDataset]:
    """The transfer syntax of a part, and the image pixel attributes that its stream gives, to stand where the metadata
    say nothing. ``told`` is the transfer syntax that the sender named, ``start`` how the stream begins.

    Raises Unsupported for what cannot be pixel data, NotReadable for a broken stream.
    """
    if media == OCTETS:
        syntax = told or EXPLICIT_LE
        if lookup(syntax).big_endian or lookup(syntax).deflated:
            raise Unsupported("bulk data are little endian (PS3.18 10.5.1.4)")
        return (syntax, {}) if lookup(syntax).encapsulated else (EXPLICIT_LE, {})
    if media not in FRAME_TYPES:
        raise Unsupported(f"pixel data cannot be taken as {media[:60]}")
    if media.startswith("video/"):
        return told or FRAME_TYPES[media][0], _lossy()
    if media in ("image/jpeg", "image/jls"):
        header = jpeg_header(start)
        syntax = told if told in FRAME_TYPES[media] else _jpeg_syntax(header, start)
    elif media in ("image/jp2", "image/jphc"):
        header = jpeg_2000_header(start)
        lossless, lossy = ("90", "91") if media == "image/jp2" else ("201", "203")
        syntax = told if told in FRAME_TYPES[media] else _4 + (lossless if header.lossless else lossy)
    else:
        return told or FRAME_TYPES[media][0], {}
    return syntax, _pixel_attributes(header, syntax) | (_lossy() if lookup(syntax).lossy else {})


def _jpeg_syntax(header: StreamHeader, stream: bytes) -> str:
    if header.jpeg_ls:
        return _4 + ("81" if _near(stream) else "80")
    if header.lossless:
        return _4 + "57"
    return _4 + ("50" if header.precision == 8 else "51")


def _near(stream: bytes) -> int:
    """How far the samples of a JPEG-LS stream may be off (ITU-T T.87 C.2.3)."""
    scan = stream.find(b"\xff\xda")
    place = scan + 5 + 2 * stream[scan + 4] if 0 <= scan < len(stream) - 4 else len(stream)
    return stream[place] if place < len(stream) else 0


def _pixel_attributes(header: StreamHeader, syntax: str) -> JsonDataset:
    allocated = 8 if header.precision <= 8 else 16
    found = {
        "00280002": _us(header.samples),
        "00280004": {"vr": "CS", "Value": [_photometric(header, syntax)]},
        "00280010": _us(header.rows),
        "00280011": _us(header.columns),
        "00280100": _us(allocated),
        "00280101": _us(header.precision),
        "00280102": _us(header.precision - 1),
        "00280103": _us(int(header.signed)),
    }
    return found | ({"00280006": _us(0)} if header.samples > 1 else {})


def _photometric(header: StreamHeader, syntax: str) -> str:
    if header.samples == 1:
        return "MONOCHROME2"
    if syntax in FRAME_TYPES["image/jpeg"]:
        if header.lossless or header.adobe_transform == 0 or header.component_ids == b"RGB":
            return "RGB"
        return "YBR_FULL_422" if header.subsampled else "YBR_FULL"
    if header.colour_transform:
        return "YBR_RCT" if header.lossless else "YBR_ICT"
    return "RGB"


def _lossy() -> JsonDataset:
    return {"00282110": {"vr": "CS", "Value": ["01"]}}


def _us(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}
