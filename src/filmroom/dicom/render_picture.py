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
from filmroom.dicom.render_luts import Window

Picture = NDArray[np.uint8]

JPEG, PNG, GIF = "image/jpeg", "image/png", "image/gif"

# The largest screen walls have 16k columns; a larger picture is a mistake or an attack.
MAX_VIEWPORT = 16_384
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderParams:
    """What was asked for. ``quality`` is 1 to 100 and counts for JPEG only."""

    media_type: str = JPEG
    quality: int = 90
    viewport: Viewport | None = None
    window: Window | None = None


def thumbnail(size: int = 128) -> RenderParams:
    """Parameters of a small JPEG that fits a square."""
    return RenderParams(media_type=JPEG, quality=80, viewport=Viewport(size, size))


def viewport_parameter(text: str) -> Viewport:
    """The ``viewport`` parameter, ``vw,vh`` or ``vw,vh,sx,sy,sw,sh`` (PS3.18 8.3.5.1.4). Raises RemoteFault."""
    parts = [part.strip() for part in text.split(",")]
    try:
        if len(parts) not in (2, 6):
            raise ValueError(text)
        width, height = int(parts[0]), int(parts[1])
        left, top, part_width, part_height = (
            (float(part) if part else None for part in parts[2:]) if len(parts) == 6 else (None,) * 4
        )
    except ValueError as error:
        raise RemoteFault("viewport must be vw,vh or vw,vh,sx,sy,sw,sh") from error
    if not (1 <= width <= MAX_VIEWPORT and 1 <= height <= MAX_VIEWPORT):
        raise RemoteFault("the viewport is empty or too large")
    if any(v is not None and not math.isfinite(v) for v in (left, top, part_width, part_height)):
        raise RemoteFault("viewport must be made of numbers")
    return Viewport(width, height, left or 0.0, top or 0.0, part_width, part_height)


def place(picture: Picture, params: RenderParams) -> Picture:
    """Crop, flip and scale into the viewport, keeping the ratio of sides."""
    view = params.viewport
    if view is None:
        return picture
    rows, columns = picture.shape[:2]
    left, right = _extent(view.left, view.part_width, columns)
    top, bottom = _extent(view.top, view.part_height, rows)
    if view.part_width is not None and view.part_width < 0:
        picture, (left, right) = picture[:, ::-1], (columns - right, columns - left)
    if view.part_height is not None and view.part_height < 0:
        picture, (top, bottom) = picture[::-1], (rows - bottom, rows - top)
    picture = picture[top:bottom, left:right]
    scale = min(view.width / picture.shape[1], view.height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    if size == (picture.shape[1], picture.shape[0]):
        return np.ascontiguousarray(picture)
    image = Image.fromarray(np.ascontiguousarray(picture))
    filtering = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    return np.asarray(image.resize(size, filtering, reducing_gap=3.0))


def _extent(start: float, extent: float | None, limit: int) -> tuple[int, int]:
    stop = limit if extent is None else start + abs(extent)
    low, high = max(0, math.floor(start)), min(limit, math.ceil(stop))
    if low >= high:
        raise RemoteFault("the part asked for lies outside the image")
    return low, high


def write(picture: Picture, params: RenderParams) -> bytes:
    """The picture as a file of the media type asked for. Raises Unsupported for others."""
    picture = np.ascontiguousarray(picture)
    if params.media_type == JPEG:
        if max(picture.shape[:2]) > _MAX_JPEG:
            raise LimitReached("the picture is too large for JPEG")
        return bytes(imagecodecs.jpeg8_encode(picture, level=min(100, max(1, params.quality))))
    if params.media_type == PNG:
        return bytes(imagecodecs.png_encode(picture, level=3))
    if params.media_type == GIF:
        return write_gif([picture])
    raise Unsupported("pictures are written as JPEG, PNG or GIF")


def write_gif(pictures: Iterable[Picture], frame_ms: float = 100.0) -> bytes:
    """Pictures as one GIF, moving when there are several. They are taken one at a time."""
    images = (Image.fromarray(picture) for picture in pictures)
    first = next(images, None)
    if first is None:
        raise NotReadable("there is nothing to show")
    out = io.BytesIO()
    # Browsers slow down anything faster than 20 ms.
    first.save(out, "GIF", save_all=True, append_images=images, duration=max(20, round(frame_ms)), loop=0)
    return out.getvalue()
