"""The shape of an object's pixels (PS3.3 C.7.6.3.1), checked before anything is allocated for it."""

import math
from dataclasses import dataclass

import numpy as np

from filmroom.base.errors import LimitReached, NotReadable, Unsupported
from filmroom.dicom.pixels_elements import DOUBLE_PIXELS, FLOAT_PIXELS, PIXEL_DATA, Attributes

# One decoded frame: a mammogram or a whole-slide tile stays under 64 MiB; more than this is an attack.
MAX_FRAME_BYTES = 512 * 2**20

# PS3.3 C.7.6.6.1.1 puts no bound on frames; a cine of a day at 60 per second has five million.
MAX_FRAMES = 2**24

_SAMPLES = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3, "YBR_PARTIAL_420": 3, "YBR_ICT": 3, "YBR_RCT": 3, "HSV": 3, "XYB": 3, "ARGB": 4, "CMYK": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """Image Pixel attributes as stored. ``real`` marks float (32 bits) or double (64 bits) pixel data."""

    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 8
    bits_stored: int = 8
    signed: bool = False
    photometric: str = "MONOCHROME2"
    planar: bool = False
    frames: int = 1
    real: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.rows <= 0xFFFF and 1 <= self.columns <= 0xFFFF):
            raise NotReadable("rows and columns must lie between 1 and 65535")
        if self.bits_allocated not in (1, 8, 16, 32, 64):
            raise Unsupported("bits allocated must be 1, 8, 16, 32 or 64")
        if not 1 <= self.bits_stored <= self.bits_allocated:
            raise NotReadable("bits stored do not fit into bits allocated")
        if self.samples not in (1, 3, 4) or _SAMPLES.get(self.photometric, self.samples) != self.samples:
            raise NotReadable("samples per pixel do not fit the photometric interpretation")
        if not 1 <= self.frames <= MAX_FRAMES:
            raise LimitReached("the number of frames is beyond reason")
        if self.decoded_bytes > MAX_FRAME_BYTES:
            raise LimitReached("one frame would take more memory than a frame may")

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.rows * self.columns

    @property
    def decoded_bytes(self) -> int:
        """Memory one decoded frame takes; a one-bit pixel becomes a byte."""
        return self.pixels * self.samples * max(1, self.bits_allocated // 8)

    @property
    def frame_bits(self) -> int:
        """Bits of one frame in native form (PS3.5 8.1.1, 8.2): frames of one-bit pixels need not start on a byte."""
        if self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422"):
            return self.pixels * 2 * self.bits_allocated
        if self.photometric == "YBR_PARTIAL_420":
            return self.pixels * 3 // 2 * self.bits_allocated
        return self.pixels * self.samples * self.bits_allocated

    @property
    def native_bytes(self) -> int:
        """Bytes of all frames in native form, without the padding to even length."""
        return math.ceil(self.frame_bits * self.frames / 8)

    @property
    def dtype(self) -> "np.dtype[np.generic]":
        """The numpy type of a decoded sample, little endian."""
        if self.real:
            return np.dtype(f"<f{self.bits_allocated // 8}")
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(1, self.bits_allocated // 8)}")


def pixel_format(attributes: Attributes) -> PixelFormat:
    """The pixel format of a data set. Raises NotReadable, LimitReached or Unsupported, never allocates."""
    bits_allocated = attributes.integer(0x00280100)
    real = PIXEL_DATA not in attributes.found and bool({FLOAT_PIXELS, DOUBLE_PIXELS} & attributes.found.keys())
    if real and not bits_allocated:
        bits_allocated = 32 if FLOAT_PIXELS in attributes.found else 64
    return PixelFormat(
        rows=attributes.integer(0x00280010),
        columns=attributes.integer(0x00280011),
        samples=attributes.integer(0x00280002, 1),
        bits_allocated=bits_allocated,
        bits_stored=attributes.integer(0x00280101) or bits_allocated,
        signed=attributes.integer(0x00280103) == 1,
        photometric=attributes.text(0x00280004) or "MONOCHROME2",
        planar=attributes.integer(0x00280006) == 1,
        frames=max(1, attributes.integer(0x00280008, 1)),
        real=real,
    )
