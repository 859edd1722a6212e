"""Which compression each transfer syntax stands for (PS3.5 section 10 and annex A.4), and how it may be written."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from filmroom.dicom.transfersyntax import lookup

JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS: Final = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1: Final = "1.2.840.10008.1.2.4.70"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR: Final = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
JPEG_2000: Final = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL: Final = "1.2.840.10008.1.2.4.202"
HTJ2K: Final = "1.2.840.10008.1.2.4.203"
JPEG_XL_LOSSLESS: Final = "1.2.840.10008.1.2.4.110"
JPEG_XL: Final = "1.2.840.10008.1.2.4.112"
RLE: Final = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
ENCAPSULATED_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"

# Implicit little endian elements around big endian pixels.
GE_BIG_ENDIAN_PIXELS: Final = "1.2.840.113619.5.2"


class Codec(Enum):
    """Families of compression."""

    NATIVE = "native"
    RLE = "rle"
    JPEG = "jpeg"
    JPEG_LOSSLESS = "jpeg lossless"
    JPEG_LS = "jpeg-ls"
    JPEG_2000 = "jpeg 2000"
    HTJ2K = "htj2k"
    JPEG_XL = "jpeg xl"
    DEFLATED_FRAMES = "deflated frames"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class Coding:
    """How a transfer syntax holds frames.

    ``method`` is the defined term of (0028,2114) where something is lost; ``max_bits`` what a sample written here may
    need (0: Filmroom reads this form and does not write it).
    """

    codec: Codec
    method: str = ""
    max_bits: int = 64

    @property
    def lossy(self) -> bool:
        """Whether writing it loses something."""
        return bool(self.method)


_NATIVE = Coding(Codec.NATIVE)
_OPAQUE = Coding(Codec.OPAQUE, max_bits=0)

# Retired JPEG processes that the decoder reads: extended arithmetic, spectral selection, progressive, process 15.
_OLD_JPEG = ("52", "53", "54", "55", "56")

_ENCAPSULATED: Mapping[str, Coding] = {
    ENCAPSULATED_UNCOMPRESSED: _NATIVE,
    DEFLATED_FRAMES: Coding(Codec.DEFLATED_FRAMES),
    RLE: Coding(Codec.RLE),
    JPEG_BASELINE: Coding(Codec.JPEG, "ISO_10918_1", 8),
    JPEG_EXTENDED: Coding(Codec.JPEG, "ISO_10918_1", 12),
    **{f"1.2.840.10008.1.2.4.{n}": Coding(Codec.JPEG, "ISO_10918_1", 0) for n in _OLD_JPEG},
    JPEG_LOSSLESS: Coding(Codec.JPEG_LOSSLESS, max_bits=16),
    "1.2.840.10008.1.2.4.58": Coding(Codec.JPEG_LOSSLESS, max_bits=0),
    JPEG_LOSSLESS_SV1: Coding(Codec.JPEG_LOSSLESS, max_bits=16),
    JPEG_LS: Coding(Codec.JPEG_LS, max_bits=16),
    JPEG_LS_NEAR: Coding(Codec.JPEG_LS, "ISO_14495_1", 16),
    JPEG_2000_LOSSLESS: Coding(Codec.JPEG_2000, max_bits=16),
    JPEG_2000: Coding(Codec.JPEG_2000, "ISO_15444_1", 16),
    HTJ2K_LOSSLESS: Coding(Codec.HTJ2K, max_bits=16),
    HTJ2K_LOSSLESS_RPCL: Coding(Codec.HTJ2K, max_bits=16),
    HTJ2K: Coding(Codec.HTJ2K, "ISO_15444_15", 16),
    JPEG_XL_LOSSLESS: Coding(Codec.JPEG_XL, max_bits=16),
    "1.2.840.10008.1.2.4.111": Coding(Codec.JPEG_XL, "ISO_18181_1", 0),
    JPEG_XL: Coding(Codec.JPEG_XL, "ISO_18181_1", 16),
}


def coding(transfer_syntax: str) -> Coding:
    """The coding of a transfer syntax; opaque for video, multi-component and unknown ones."""
    if found := _ENCAPSULATED.get(transfer_syntax):
        return found
    return _OPAQUE if lookup(transfer_syntax).encapsulated else _NATIVE
