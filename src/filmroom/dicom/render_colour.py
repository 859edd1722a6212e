"""From samples of any colour photometric interpretation to 8-bit RGB (PS3.3 C.7.6.3.1.2)."""

import numpy as np
from numpy.typing import NDArray

from filmroom.base.errors import Unsupported
from filmroom.dicom.pixels import Decoded

Rgb = NDArray[np.uint8]

_FULL = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], np.float32)
_PARTIAL = np.array([[1.1644, 0.0, 1.5960], [1.1644, -0.3917, -0.8130], [1.1644, 2.0173, 0.0]], np.float32)


def to_rgb(frame: Decoded) -> Rgb:
    """8-bit RGB of a decoded colour frame. Raises Unsupported for interpretations retired long ago."""
    name = frame.format.photometric
    samples = to_octets(frame)
    if name == "RGB":
        return samples
    if name in ("YBR_FULL", "YBR_ICT", "YBR_RCT"):
        return _from_ybr(samples, _FULL, 0)
    if name.startswith("YBR_PARTIAL"):
        return _from_ybr(samples, _PARTIAL, 16)
    raise Unsupported("this photometric interpretation is not rendered")


def to_octets(frame: Decoded) -> NDArray[np.uint8]:
    """Samples scaled to 8 bits by Bits Stored."""
    bits = frame.format.bits_stored
    if frame.array.dtype == np.uint8 and bits == 8:
        return frame.array.astype(np.uint8, copy=False)
    values = frame.array.astype(np.uint64) & np.uint64(2**bits - 1)
    if bits > 8:
        return (values >> np.uint64(bits - 8)).astype(np.uint8)
    return (values * np.uint64(255) // np.uint64(2**bits - 1)).astype(np.uint8)


def _from_ybr(samples: NDArray[np.uint8], matrix: NDArray[np.float32], floor: int) -> Rgb:
    shifted = samples.astype(np.float32) - np.array([floor, 128, 128], np.float32)
    rgb: Rgb = np.clip(np.rint(shifted @ matrix.T), 0, 255).astype(np.uint8)
    return rgb
