"""Write a data set in another transfer syntax, changing only what must change (PS3.5 8.2, A.4; PS3.3 C.7.6.1.1.5).

What changes: the encoding of elements, the pixel element, Photometric Interpretation and Planar Configuration where the
new form needs it, and offset tables. A lossy target also sets (0028,2110), (0028,2112) and (0028,2114); it is refused
unless ``allow_lossy``. The SOP Instance UID stays as it is, as for any copy handed out, unless the caller passes
``new_sop_uid`` to make a new, derived object of it (PS3.3 C.12.4.1): then Image Type becomes DERIVED and the source is
referenced. Objects without pixels are re-encoded. Memory: one frame when the target is native; all encoded frames when
it is compressed and lossy, or small enough for an offset table.
"""

import contextlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from filmroom.base.errors import NotReadable, Unsupported
from filmroom.dicom.frames import Read
from filmroom.dicom.pixels import Decoded
from filmroom.dicom.pixels_codecs import GE_BIG_ENDIAN_PIXELS, Codec, Coding, coding
from filmroom.dicom.pixels_elements import (
    EXPLICIT,
    ITEM,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    Attributes,
    Element,
    Encoding,
    elements,
    items,
)
from filmroom.dicom.pixels_encode import Encoded, EncodeOptions, encode_frame, why_not
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_object import StoredObject, StoredPixels, swap
from filmroom.dicom.transcode_elements import element, element_header, rewrite
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup

# Below this an offset table is worth holding all encoded frames for.
_TABLE_BELOW_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**20
_SOP_UID, _ICON = 0x00080018, 0x00880200
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a transcoding may do."""

    allow_lossy: bool = False
    new_sop_uid: str = ""
    options: EncodeOptions = EncodeOptions()


@dataclass(frozen=True, slots=True)
class Transcoded:
    """A data set in another transfer syntax."""

    data: bytes
    transfer_syntax: str


def transcode(
    dataset: bytes | memoryview,
    source: str,
    target: str,
    rules: Rules = Rules(),
) -> Transcoded:
    """Transcode a data set held in memory. Raises NotReadable, LimitReached, or Unsupported with the reason."""
    if source == target:
        return Transcoded(bytes(dataset), target)
    return Transcoded(b"".join(transcoded(StoredObject.of(dataset, source), target, rules)), target)


def transcode_part10(file: bytes, target: str, rules: Rules = Rules()) -> bytes:
    """Transcode a Part 10 file; preamble and file meta information stay, but for the transfer syntax (PS3.10 7.1)."""
    if file[128:132] != b"DICM":
        raise NotReadable("the file has no DICOM prefix")
    meta, offset = bytearray(), len(file)
    source = ""
    for each in elements(file, EXPLICIT, 132):
        if each.tag >> 16 != 2:
            offset = each.start
            break
        if each.tag == 0x00020010:
            source = file[each.value : each.value_end].rstrip(b"\0 ").decode("ascii", "replace")
            meta += element(each.tag, "UI", target.encode("ascii"), EXPLICIT)
        elif each.tag == 0x00020003 and rules.new_sop_uid:
            meta += element(each.tag, "UI", rules.new_sop_uid.encode("ascii"), EXPLICIT)
        elif each.tag != 0x00020000:
            meta += file[each.start : each.end]
    if not source:
        raise NotReadable("the file does not name its transfer syntax")
    head = file[:132] + element(0x00020000, "UL", struct.pack("<I", len(meta)), EXPLICIT) + meta
    return head + transcode(memoryview(file)[offset:], source, target, rules).data


def transcode_stream(
    read: Read,
    length: int,
    source: str,
    target: str,
    rules: Rules = Rules(),
) -> Iterator[bytes]:
    """Transcode a data set of ``length`` bytes behind ``read``, piece by piece."""
    return transcoded(StoredObject.open(read, length, source), target, rules)


def can_transcode(stored: StoredObject, target: str, *, allow_lossy: bool = False) -> str:
    """Why an object cannot be written in a transfer syntax; empty when nothing in its header speaks against it."""
    how = coding(target)
    if how.lossy and not allow_lossy:
        return "a lossy transfer syntax was not asked for"
    if stored.pixel_element is None:
        return "" if how.codec is Codec.NATIVE else "an object without pixels has no compressed form"
    if not stored.pixel_element.undefined and how.codec is Codec.NATIVE:
        return ""
    if coding(stored.transfer_syntax).codec is Codec.OPAQUE:
        return "frames of this transfer syntax cannot be decoded"
    return why_not(stored.pixels().format, target)


def transcoded(stored: StoredObject, target: str, rules: Rules) -> Iterator[bytes]:
    """The pieces of the data set in the target syntax."""
    if reason := can_transcode(stored, target, allow_lossy=rules.allow_lossy):
        raise Unsupported(reason)
    syntax = lookup(target)
    pieces = _pieces(stored, target, Encoding(syntax.implicit, syntax.big_endian), rules)
    return _deflated(pieces) if syntax.deflated else pieces


def _deflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    total = 0
    for piece in pieces:
        packed = packer.compress(piece)
        total += len(packed)
        yield packed
    packed = packer.flush()
    yield packed + b"\0" * ((total + len(packed)) % 2)


def _pieces(stored: StoredObject, target: str, encoding: Encoding, rules: Rules) -> Iterator[bytes]:
    pixel, attributes = stored.pixel_element, stored.attributes
    header_end = stored.length if pixel is None else pixel.start
    header = memoryview(attributes.data)[:header_end]
    signed = attributes.integer(0x00280103) == 1
    edits: dict[int, bytes | None] = _identity_edits(attributes, encoding, rules)
    if pixel is None:
        yield rewrite(header, attributes.encoding, encoding, edits, signed=signed)
        return
    edits |= _icon_edit(stored, target, encoding)
    native = coding(target).codec is Codec.NATIVE and not lookup(target).encapsulated
    if native and not pixel.undefined:
        yield rewrite(header, attributes.encoding, encoding, edits, signed=signed)
        yield from _native_to_native(stored, pixel, encoding)
        tail_start = pixel.value_end
    else:
        pixels = stored.pixels()
        written = _native(pixels, encoding) if native else _compressed(pixels, target, rules)
        made = next(written)
        assert isinstance(made, _Change)
        edits |= dict.fromkeys(_OFFSET_TABLES) | _format_edits(pixels, made, coding(target), encoding, attributes)
        yield rewrite(header, attributes.encoding, encoding, edits, signed=signed)
        for piece in written:
            assert isinstance(piece, bytes)
            yield piece
        tail_start = pixels.index.end if pixel.undefined else pixel.value_end
    if tail_start < stored.length:
        tail = stored.read(tail_start, stored.length - tail_start)
        # What cannot be read as elements behind the pixels is padding of some writer.
        with contextlib.suppress(NotReadable):
            yield rewrite(tail, attributes.encoding, encoding, signed=signed)


@dataclass(frozen=True, slots=True)
class _Change:
    """What the pixels became: the first thing a pixel writer yields."""

    format: PixelFormat
    ratio: float = 0.0


def _native_to_native(stored: StoredObject, pixel: Element, encoding: Encoding) -> Iterator[bytes]:
    bits = stored.attributes.integer(0x00280100)
    width = max(1, bits // 8)
    vr = pixel.vr or ({0x7FE00008: "OF", 0x7FE00009: "OD"}.get(pixel.tag) or ("OW" if bits > 8 else "OB"))
    if width == 1 and vr == "OW":
        width = 2 if stored.attributes.encoding.big else 1
        vr = "OB" if encoding.big or stored.attributes.encoding.big else vr
    from_big = stored.attributes.encoding.big or (width > 1 and stored.transfer_syntax == GE_BIG_ENDIAN_PIXELS)
    to_swap = width if from_big != encoding.big else 1
    if pixel.value_end > stored.length:
        raise NotReadable("the pixel data is cut short")
    yield element_header(pixel.tag, vr, pixel.value_end - pixel.value, encoding)
    for offset in range(pixel.value, pixel.value_end, _CHUNK_BYTES):
        piece = stored.read(offset, min(_CHUNK_BYTES, pixel.value_end - offset))
        yield swap(piece, to_swap) if to_swap > 1 else piece


def _native(pixels: StoredPixels, encoding: Encoding) -> Iterator[_Change | bytes]:
    first = pixels.decoded(0)
    made = first.format
    length = made.native_bytes + made.native_bytes % 2
    yield _Change(made)
    yield element_header(PIXEL_DATA, "OW" if made.bits_allocated > 8 else "OB", length, encoding)
    if made.frame_bits % 8:
        bits = np.concatenate([frame.array.reshape(-1) for frame in pixels.all_decoded()])
        yield np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()
    else:
        width = made.bits_allocated // 8 if encoding.big else 1
        for number in range(made.frames):
            frame = first if number == 0 else pixels.decoded(number)
            if frame.format != made:
                raise NotReadable("the frames are not all of one colour space")
            data = frame.to_native()
            yield swap(data, width) if width > 1 else data
    if made.native_bytes % 2:
        yield b"\0"


def _compressed(pixels: StoredPixels, target: str, rules: Rules) -> Iterator[_Change | bytes]:
    encoded = _encoded(pixels, target, rules.options)
    frames = pixels.format.frames
    if not coding(target).lossy and pixels.format.native_bytes > _TABLE_BELOW_BYTES:
        first = next(encoded)
        yield _Change(first.format)
        yield _pixel_start([])
        yield _fragment(first.data)
        for each in encoded:
            yield _fragment(each.data)
    else:
        made = list(encoded)
        size = sum(len(each.data) for each in made)
        yield _Change(made[0].format, pixels.format.decoded_bytes * frames / max(1, size))
        offsets, position = [], 0
        for each in made:
            offsets.append(position)
            position += 8 + len(each.data) + len(each.data) % 2
        yield _pixel_start(offsets if position < UNDEFINED else [])
        for each in made:
            yield _fragment(each.data)
    yield struct.pack("<HHI", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)


def _encoded(pixels: StoredPixels, target: str, options: EncodeOptions) -> Iterator[Encoded]:
    made: PixelFormat | None = None
    for number in range(pixels.format.frames):
        frame: Decoded = pixels.decoded(number)
        each = encode_frame(frame, target, options)
        if made is not None and each.format != made:
            raise NotReadable("the frames are not all of one colour space")
        made = each.format
        yield each


def _pixel_start(offsets: list[int]) -> bytes:
    table = struct.pack(f"<{len(offsets)}I", *offsets)
    return element_header(PIXEL_DATA, "OB", UNDEFINED, EXPLICIT) + _fragment(table)


def _fragment(data: bytes) -> bytes:
    padding = b"\0" * (len(data) % 2)
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(data) + len(padding)) + data + padding


def _format_edits(
    pixels: StoredPixels, made: _Change, how: Coding, encoding: Encoding, attributes: Attributes
) -> dict[int, bytes | None]:
    edits: dict[int, bytes | None] = {}
    if made.format.photometric != pixels.format.photometric:
        edits[0x00280004] = element(0x00280004, "CS", made.format.photometric.encode("ascii"), encoding)
    if made.format.samples > 1:
        edits[0x00280006] = element(0x00280006, "US", struct.pack(">H" if encoding.big else "<H", 0), encoding)
    if how.lossy:
        ratios = [*attributes.texts(0x00282112), f"{made.ratio:.4g}"]
        methods = [*attributes.texts(0x00282114), how.method]
        edits[0x00282110] = element(0x00282110, "CS", b"01", encoding)
        edits[0x00282112] = element(0x00282112, "DS", "\\".join(ratios).encode("latin-1"), encoding)
        edits[0x00282114] = element(0x00282114, "CS", "\\".join(methods).encode("latin-1"), encoding)
    return edits


def _identity_edits(attributes: Attributes, encoding: Encoding, rules: Rules) -> dict[int, bytes | None]:
    if not rules.new_sop_uid:
        return {}
    kinds = attributes.texts(0x00080008) or ["", "PRIMARY"]
    reference = element(0x00081150, "UI", attributes.raw(0x00080016), encoding)
    reference += element(0x00081155, "UI", attributes.raw(_SOP_UID), encoding)
    order = ">" if encoding.big else "<"
    item = struct.pack(order + "HHI", ITEM >> 16, ITEM & 0xFFFF, len(reference)) + reference
    return {
        0x00080008: element(0x00080008, "CS", "\\".join(["DERIVED", *kinds[1:]]).encode("latin-1"), encoding),
        _SOP_UID: element(_SOP_UID, "UI", rules.new_sop_uid.encode("ascii"), encoding),
        0x00082111: element(0x00082111, "ST", b"Transcoded by Filmroom", encoding),
        0x00082112: element(0x00082112, "SQ", item, encoding),
    }


def _icon_edit(stored: StoredObject, target: str, encoding: Encoding) -> dict[int, bytes | None]:
    """An icon compressed as its image is (PS3.3 C.7.6.1.1.6) must be native where the image becomes native."""
    attributes = stored.attributes
    sequence = attributes.found.get(_ICON)
    if sequence is None or lookup(target).encapsulated or not lookup(stored.transfer_syntax).encapsulated:
        return {}
    bounds = list(items(attributes.data, attributes.encoding, sequence))
    made = bytearray()
    for start, stop in bounds:
        icon = transcode(memoryview(attributes.data)[start:stop], stored.transfer_syntax, EXPLICIT_LE).data
        made += struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(icon)) + icon
    whole = element(_ICON, "SQ", bytes(made), EXPLICIT)
    return {_ICON: whole if encoding == EXPLICIT else rewrite(whole, EXPLICIT, encoding)}
