"""Encode one frame for a transfer syntax. Lossless syntaxes give back every bit; lossy ones take EncodeOptions.

What cannot be held by a syntax (too many bits, one-bit pixels, palette indices in a lossy form) is Unsupported: the
caller chooses another syntax.
"""

import zlib
from dataclasses import dataclass, replace

import imagecodecs
import numpy as np

from filmroom.base.errors import Unsupported
from filmroom.dicom.pixels import Decoded, Pixels
from filmroom.dicom.pixels_codecs import HTJ2K_LOSSLESS_RPCL, JPEG_BASELINE, JPEG_LOSSLESS_SV1, Codec, Coding, coding
from filmroom.dicom.pixels_format import PixelFormat
from filmroom.dicom.pixels_rle import encode_rle


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How much a lossy syntax may lose."""

    jpeg_quality: int = 90
    near: int = 2  # JPEG-LS: largest difference of a sample, in stored values
    psnr_db: int = 60  # JPEG 2000
    step: float = 2.0**-11  # HTJ2K: quantisation step as a part of the range of Bits Stored
    jpeg_xl_distance: float = 0.5  # butteraugli distance


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded frame and the format its data set must declare."""

    data: bytes
    format: PixelFormat


def why_not(pixels: PixelFormat, transfer_syntax: str) -> str:
    """Why frames of a decoded format cannot be written in a syntax; empty when they can."""
    how = coding(transfer_syntax)
    if not how.max_bits:
        return "Filmroom does not write this transfer syntax"
    if how.codec in (Codec.NATIVE, Codec.DEFLATED_FRAMES):
        return ""
    if pixels.bits_allocated == 1:
        return "one-bit pixels have no compressed form"
    if pixels.real:
        return "float pixels have no compressed form"
    if how.codec is Codec.RLE:
        return "" if pixels.samples * pixels.bits_allocated <= 15 * 8 else "more than 15 RLE segments"
    if pixels.samples == 4:
        return "four samples a pixel have no compressed form"
    bits = pixels.bits_stored if how.lossy else pixels.bits_allocated
    if bits > how.max_bits or pixels.bits_allocated > 16:
        return "the samples have more bits than the transfer syntax holds"
    if how.lossy and pixels.photometric == "PALETTE COLOR":
        return "palette indices must not be changed"
    if how.lossy and pixels.signed and how.codec is not Codec.JPEG_2000 and how.codec is not Codec.HTJ2K:
        return "signed samples have no lossy form here"
    return ""


def encode_frame(frame: Decoded, transfer_syntax: str, options: EncodeOptions = EncodeOptions()) -> Encoded:
    """Encode a decoded frame. Raises Unsupported with the reason."""
    if reason := why_not(frame.format, transfer_syntax):
        raise Unsupported(reason)
    how = coding(transfer_syntax)
    pixels, array = frame.format, np.ascontiguousarray(frame.array)
    if how.codec is Codec.NATIVE:
        return Encoded(frame.to_native(), pixels)
    if how.codec is Codec.RLE:
        return Encoded(encode_rle(array), pixels)
    if how.codec is Codec.DEFLATED_FRAMES:
        return Encoded(_deflate(frame.to_native()), pixels)
    if how.lossy and _used_bits(array, pixels) > pixels.bits_stored:
        raise Unsupported("samples use bits above bits stored")
    return _ENCODERS[how.codec](array, pixels, transfer_syntax, how, options)


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _used_bits(array: Pixels, pixels: PixelFormat) -> int:
    """Bits that the samples really need; more than Bits Stored where something else lives in the upper bits."""
    low, high = int(array.min()), int(array.max())
    needed = max(high.bit_length(), (~low).bit_length() if low < 0 else 0) + pixels.signed
    return max(pixels.bits_stored, needed)


def _unsigned(array: Pixels) -> Pixels:
    """Signed samples as their bit patterns, for streams without a sign."""
    return array.view(f"<u{array.dtype.itemsize}") if array.dtype.kind == "i" else array


def _jpeg(array: Pixels, pixels: PixelFormat, syntax: str, how: Coding, options: EncodeOptions) -> Encoded:
    if pixels.samples == 3 and (pixels.bits_allocated > 8 or pixels.photometric not in ("RGB", "YBR_FULL")):
        raise Unsupported("lossy JPEG holds colour as 8-bit RGB or YBR_FULL only")
    if syntax == JPEG_BASELINE or pixels.bits_stored <= 8:
        array, bits = array.astype(np.uint8, copy=False), 8
    else:
        array, bits = array.astype(np.uint16, copy=False), 12
    if pixels.samples == 1:
        data = imagecodecs.jpeg8_encode(array, level=options.jpeg_quality, bitspersample=bits)
        return Encoded(bytes(data), pixels)
    data = imagecodecs.jpeg8_encode(
        array,
        level=options.jpeg_quality,
        colorspace="RGB" if pixels.photometric == "RGB" else "YCBCR",
        outcolorspace="YCBCR",
        subsampling="422",
    )
    return Encoded(bytes(data), replace(pixels, photometric="YBR_FULL_422"))


def _jpeg_lossless(array: Pixels, pixels: PixelFormat, syntax: str, how: Coding, options: EncodeOptions) -> Encoded:
    # Signed samples need all their bits, or a decoder that knows nothing of the sign would lose it.
    bits = pixels.bits_allocated if pixels.signed else _used_bits(array, pixels)
    plain = _unsigned(array)
    if bits <= 8:
        plain = plain.astype(np.uint8, copy=False)
    predictor = 1 if syntax == JPEG_LOSSLESS_SV1 else 6
    space = "RGB" if pixels.samples == 3 else None  # named twice, so that nothing is converted
    data = imagecodecs.jpeg8_encode(
        plain,
        lossless=True,
        predictor=predictor,
        bitspersample=max(2, bits),
        colorspace=space,
        outcolorspace=space,
    )
    return Encoded(bytes(data), pixels)


def _jpeg_ls(array: Pixels, pixels: PixelFormat, syntax: str, how: Coding, options: EncodeOptions) -> Encoded:
    plain = _unsigned(array)
    # Noise grows when it is coded; the codec's own guess of the room it needs is too small then.
    data = imagecodecs.jpegls_encode(plain, level=options.near if how.lossy else 0, out=plain.nbytes * 2 + 4096)
    return Encoded(bytes(data), pixels)


def _jpeg_2000(array: Pixels, pixels: PixelFormat, syntax: str, how: Coding, options: EncodeOptions) -> Encoded:
    transform = pixels.samples == 3 and pixels.photometric == "RGB"
    data = imagecodecs.jpeg2k_encode(
        array,
        level=options.psnr_db if how.lossy else 0,
        codecformat="J2K",
        reversible=not how.lossy,
        bitspersample=_used_bits(array, pixels),
        mct=transform,
        resolutions=_resolutions(pixels),
    )
    return Encoded(bytes(data), _labelled(pixels, transform, how))


def _htj2k(array: Pixels, pixels: PixelFormat, syntax: str, how: Coding, options: EncodeOptions) -> Encoded:
    transform = pixels.samples == 3 and pixels.photometric == "RGB"
    # The encoder counts its step over the whole sample type, not over Bits Stored.
    step = max(0.5, options.step * 2**pixels.bits_stored) / 2 ** (array.dtype.itemsize * 8)
    planar = pixels.samples == 3 and not transform
    data = imagecodecs.htj2k_encode(
        np.ascontiguousarray(np.moveaxis(array, -1, 0)) if planar else array,
        level=step if how.lossy else None,
        rgb=transform,
        planar=planar or None,
        reversible=not how.lossy,
        resolutions=_resolutions(pixels),
        tlm=syntax == HTJ2K_LOSSLESS_RPCL or None,
    )
    return Encoded(bytes(data), _labelled(pixels, transform, how))


def _jpeg_xl(array: Pixels, pixels: PixelFormat, syntax: str, how: Coding, options: EncodeOptions) -> Encoded:
    plain = _unsigned(array)
    bits = pixels.bits_allocated if pixels.signed else _used_bits(array, pixels)
    if how.lossy:
        data = imagecodecs.jpegxl_encode(plain, distance=options.jpeg_xl_distance, bitspersample=bits, effort=3)
    else:
        data = imagecodecs.jpegxl_encode(plain, lossless=True, bitspersample=bits, effort=3)
    return Encoded(bytes(data), pixels)


def _resolutions(pixels: PixelFormat) -> int:
    """Decomposition levels: five as usual, fewer where the image is too small to be halved that often."""
    return max(0, min(5, min(pixels.rows, pixels.columns).bit_length() - 1))


def _labelled(pixels: PixelFormat, transform: bool, how: Coding) -> PixelFormat:
    if not transform:
        return pixels
    return replace(pixels, photometric="YBR_ICT" if how.lossy else "YBR_RCT")


_ENCODERS = {
    Codec.JPEG: _jpeg,
    Codec.JPEG_LOSSLESS: _jpeg_lossless,
    Codec.JPEG_LS: _jpeg_ls,
    Codec.JPEG_2000: _jpeg_2000,
    Codec.HTJ2K: _htj2k,
    Codec.JPEG_XL: _jpeg_xl,
}
