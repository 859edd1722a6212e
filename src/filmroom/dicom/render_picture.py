"""Crop, scale, flip and write a finished picture (PS3.18 8.3.5.1.2, 8.3.5.1.4)."""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from filmroom.base.errors import LimitReached, NotReadable, RemoteFault, Unsupported
from filmroom.dicom.render_colour import carried_profile, jpeg_with_profile, png_with_profile
from filmroom.dicom.render_luts import Window

Picture = NDArray[np.uint8]

JPEG, PNG, GIF, APNG = "image/jpeg", "image/png", "image/gif", "image/apng"

# JPEG cannot be larger than this in either direction.
_MAX_JPEG = 65_500


@dataclass(frozen=True, slots=True)
class Viewport:
    """Where a picture must fit (pixels), and the part of the image it shows; a negative extent flips."""

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    part_width: float | None = None
    part_height: float | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """The part of an image to show, as fractions of its width and height from the top left (PS3.18 9.1.2.2.2.4)."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderParams:
    """What was asked for. ``quality`` is 1 to 100 and counts for JPEG only. ``left`` and ``right`` are lines that go
    into the upper corners. ``icc``: ``no`` profile in the file, ``yes`` the object's own, or ``srgb``."""

    media_type: str = JPEG
    quality: int = 90
    viewport: Viewport | None = None
    region: Region | None = None
    window: Window | None = None
    icc: str = "no"
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()


def thumbnail(size: int = 128) -> RenderParams:
    """Parameters of a small JPEG that fits a square."""
    return RenderParams(media_type=JPEG, quality=80, viewport=Viewport(size, size))


def place(picture: Picture, params: RenderParams) -> Picture:
    """Crop, flip and scale into the viewport, keeping the ratio of sides."""
    if params.region is not None:
        picture = _part(picture, params.region)
    view = params.viewport
    if view is None:
        return picture
    rows, columns = picture.shape[:2]
    left, right = _extent(view.left, view.part_width, columns)
    top, bottom = _extent(view.top, view.part_height, rows)
    picture = picture[top:bottom, left:right]
    if view.part_width is not None and view.part_width < 0:
        picture = picture[:, ::-1]
    if view.part_height is not None and view.part_height < 0:
        picture = picture[::-1]
    return scaled(picture, view.width, view.height)


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """The picture as large as fits ``width`` x ``height``, its ratio of sides kept."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    return resized(picture, max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))


def resized(picture: Picture, width: int, height: int) -> Picture:
    """The picture in exactly this size."""
    if (width, height) == (picture.shape[1], picture.shape[0]):
        return np.ascontiguousarray(picture)
    smaller = width < picture.shape[1]
    filtering = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), filtering, reducing_gap=3.0))


def _part(picture: Picture, region: Region) -> Picture:
    rows, columns = picture.shape[:2]
    left, top = math.floor(region.left * columns), math.floor(region.top * rows)
    right, bottom = math.ceil(region.right * columns), math.ceil(region.bottom * rows)
    return picture[top : max(bottom, top + 1), left : max(right, left + 1)]


def _extent(start: float, extent: float | None, limit: int) -> tuple[int, int]:
    stop = limit if extent is None else start + abs(extent)
    low, high = max(0, math.floor(start)), min(limit, math.ceil(stop))
    if low >= high:
        raise RemoteFault("the part asked for lies outside the image")
    return low, high


def write(picture: Picture, params: RenderParams, profile: bytes = b"") -> bytes:
    """The picture as a file of the media type asked for. Raises Unsupported for others."""
    picture = np.ascontiguousarray(picture)
    carried = carried_profile(params.icc, profile) if picture.ndim == 3 else b""
    if params.media_type == JPEG:
        if max(picture.shape[:2]) > _MAX_JPEG:
            raise LimitReached("the picture is too large for JPEG")
        return jpeg_with_profile(
            bytes(imagecodecs.jpeg8_encode(picture, level=min(100, max(1, params.quality)))), carried
        )
    if params.media_type == PNG:
        return png_with_profile(bytes(imagecodecs.png_encode(picture, level=3)), carried)
    if params.media_type in (GIF, APNG):
        return write_moving([picture], params.media_type)
    raise Unsupported("pictures are written as JPEG, PNG, GIF or animated PNG")


def write_moving(pictures: Iterable[Picture], media_type: str, frame_ms: float = 100.0) -> bytes:
    """Pictures as one GIF or animated PNG, moving when there are several. Those of a GIF are taken one at a time."""
    images = (Image.fromarray(np.ascontiguousarray(picture)) for picture in pictures)
    first = next(images, None)
    if first is None:
        raise NotReadable("there is nothing to show")
    out = io.BytesIO()
    # Browsers slow down anything faster than 20 ms.
    kind = "GIF" if media_type == GIF else "PNG"
    # Pillow goes through the images of a PNG twice.
    rest: Iterable[Image.Image] = images if media_type == GIF else list(images)
    first.save(out, kind, save_all=True, append_images=rest, duration=max(20, round(frame_ms)), loop=0)
    return out.getvalue()
