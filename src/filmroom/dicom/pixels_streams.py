"""What the headers of JPEG and JPEG 2000 streams say, read before a decoder is let at them."""

import struct
from dataclasses import dataclass

from filmroom.base.errors import NotReadable

_STANDALONE = frozenset((0x01, *range(0xD0, 0xDA)))
_NOT_FRAME_HEADERS = frozenset((0xC4, 0xC8, 0xCC))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeader:
    """The image a stream declares. ``components`` and ``sampling`` as in the JPEG frame header."""

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False
    lossless: bool = False
    jpeg_ls: bool = False
    component_ids: bytes = b""
    subsampled: bool = False
    jfif: bool = False
    adobe_transform: int | None = None
    colour_transform: bool = False


def is_jpeg(data: bytes) -> bool:
    """Whether the stream begins as JPEG or JPEG-LS."""
    return data.startswith(b"\xff\xd8")


def is_jpeg_2000(data: bytes) -> bool:
    """Whether the stream begins as a JPEG 2000 codestream or JP2 file."""
    return data.startswith((b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP"))


def jpeg_header(data: bytes) -> StreamHeader:
    """The frame header of a JPEG (ISO 10918-1 B.2) or JPEG-LS stream. Raises NotReadable."""
    position, jfif, adobe = 2, False, None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise NotReadable("the JPEG stream has no marker where one must be")
        marker = data[position + 1]
        if marker == 0xFF or marker in _STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", data, position + 2)[0]
        body = data[position + 4 : position + 2 + length]
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_FRAME_HEADERS) or marker == 0xF7:
            return _jpeg_frame(marker, body, jfif, adobe)
        if marker == 0xE0 and body.startswith(b"JFIF"):
            jfif = True
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        position += 2 + length
    raise NotReadable("the JPEG stream has no frame header")


def _jpeg_frame(marker: int, body: bytes, jfif: bool, adobe: int | None) -> StreamHeader:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise NotReadable("the JPEG frame header is cut short")
    precision, rows, columns, samples = struct.unpack_from(">BHHB", body)
    factors = body[7 : 6 + 3 * samples : 3]
    return StreamHeader(
        rows=rows,
        columns=columns,
        samples=samples,
        precision=precision,
        lossless=marker in (0xC3, 0xC7, 0xCB, 0xCF),
        jpeg_ls=marker == 0xF7,
        component_ids=body[6 : 6 + 3 * samples : 3],
        subsampled=len(set(factors)) > 1,
        jfif=jfif,
        adobe_transform=adobe,
    )


def jpeg_2000_header(data: bytes) -> StreamHeader:
    """The SIZ and COD segments of a JPEG 2000 or HTJ2K codestream (ISO 15444-1 A.5.1, A.6.1). Raises NotReadable."""
    start = 0 if data.startswith(b"\xff\x4f") else data.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(data) < start + 45:
        raise NotReadable("the JPEG 2000 stream has no codestream header")
    width, height, left, top = struct.unpack_from(">4I", data, start + 8)
    tile_width, tile_height = struct.unpack_from(">2I", data, start + 24)
    samples, depth = struct.unpack_from(">HB", data, start + 40)
    if not (tile_width and tile_height and left < width and top < height):
        raise NotReadable("the JPEG 2000 stream declares an impossible size")
    if -(-width // tile_width) * -(-height // tile_height) > 65_535:
        raise NotReadable("the JPEG 2000 stream declares too many tiles")
    transform, reversible = _coding_style(data, start + 4 + struct.unpack_from(">H", data, start + 4)[0])
    return StreamHeader(
        rows=height - top,
        columns=width - left,
        samples=samples,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        lossless=reversible,
        colour_transform=transform,
    )


def _coding_style(data: bytes, position: int) -> tuple[bool, bool]:
    """Whether a multiple component transform is used, and whether the wavelet is the reversible one."""
    style: tuple[bool, bool] | None = None
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0x90:
        if data[position + 1] == 0x52 and position + 14 <= len(data):
            style = data[position + 8] == 1, data[position + 13] == 1
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    if style is None:
        raise NotReadable("the JPEG 2000 stream has no coding style")
    _check_tile_parts(data, position)
    return style


def _check_tile_parts(data: bytes, position: int) -> None:
    """Whether every tile-part is all there (ISO 15444-1 A.4.2): decoders fill what is missing in silence."""
    while data[position : position + 2] == b"\xff\x90":
        if position + 12 > len(data):
            raise NotReadable("the JPEG 2000 stream is cut short")
        length = struct.unpack_from(">I", data, position + 6)[0]
        if length == 0:  # the last one, up to the end of the codestream
            return
        position += max(length, 12)
    if position > len(data):
        raise NotReadable("the JPEG 2000 stream is cut short")
