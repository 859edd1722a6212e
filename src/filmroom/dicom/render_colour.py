"""Samples of any colour photometric interpretation to 8-bit RGB (PS3.3 C.7.6.3.1.2), and ICC profiles (C.11.15)."""

import io
import struct
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

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


# A JPEG APP2 segment holds 65,519 bytes of a profile behind its own 14 of heading (ICC.1 B.4).
_APP2_BYTES = 65_519


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The sRGB profile that littlecms makes."""
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def carried_profile(icc: str, own: bytes) -> bytes:
    """The profile that a file carries: nothing, the object's own, or sRGB (PS3.18 8.3.5.1.5)."""
    if icc == "no":
        return b""
    return own if icc == "yes" and own else srgb_profile()


def converted(picture: Rgb, icc: str, own: bytes) -> Rgb:
    """A colour picture in the colour space asked for; as it is when the object says nothing of its own."""
    if icc != "srgb" or not own or picture.ndim != 3:
        return picture
    try:
        done = ImageCms.profileToProfile(
            Image.fromarray(np.ascontiguousarray(picture)),
            ImageCms.ImageCmsProfile(io.BytesIO(own)),
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):  # a profile that cannot be read is one that says nothing
        return picture
    return picture if done is None else np.asarray(done)


def jpeg_with_profile(file: bytes, profile: bytes) -> bytes:
    """A JPEG file with an ICC profile in APP2 segments behind its first marker."""
    parts = [profile[at : at + _APP2_BYTES] for at in range(0, len(profile), _APP2_BYTES)]
    head = b"".join(
        b"\xff\xe2" + struct.pack(">H", 16 + len(part)) + b"ICC_PROFILE\0" + bytes((number, len(parts))) + part
        for number, part in enumerate(parts, 1)
    )
    # JFIF must come first where there is one (ITU-T T.871).
    at = 4 + int.from_bytes(file[4:6], "big") if file[2:4] == b"\xff\xe0" else 2
    return file[:at] + head + file[at:] if head else file


def png_with_profile(file: bytes, profile: bytes) -> bytes:
    """A PNG file with an ICC profile behind its header chunk."""
    if not profile:
        return file
    body = b"iCCPICC profile\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return file[:33] + chunk + file[33:]
