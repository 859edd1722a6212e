"""Rendering parameters of a request, from their text (PS3.18 8.3.5.1 and 9.1.2.2.2). Pure; all raise NotReadable."""

import math

from filmroom.base.errors import NotReadable
from filmroom.dicom.render_luts import Shape, Window
from filmroom.dicom.render_picture import Region, Viewport

# The largest screen walls have 16k columns; a larger picture is a mistake or an attack.
MAX_VIEWPORT = 16_384
# Beyond this a window is no window; it also keeps the arithmetic finite.
MAX_WINDOW = 1e9
ICC_CHOICES = ("no", "yes", "srgb")
ANNOTATIONS = ("patient", "technique")

_SHAPES = {"linear": Shape.LINEAR, "linear-exact": Shape.LINEAR_EXACT, "sigmoid": Shape.SIGMOID}


def viewport_parameter(text: str) -> Viewport:
    """``vw,vh`` or ``vw,vh,sx,sy,sw,sh``; empty places take their defaults (PS3.18 8.3.5.1.4)."""
    parts = [part.strip() for part in text.split(",")]
    try:
        if len(parts) not in (2, 6):
            raise ValueError(text)
        width, height = int(parts[0]), int(parts[1])
        left, top, part_width, part_height = (
            (float(part) if part else None for part in parts[2:]) if len(parts) == 6 else (None,) * 4
        )
    except ValueError as error:
        raise NotReadable("viewport must be vw,vh or vw,vh,sx,sy,sw,sh") from error
    check_size(width, height)
    if any(v is not None and not math.isfinite(v) for v in (left, top, part_width, part_height)):
        raise NotReadable("viewport must be made of numbers")
    return Viewport(width, height, left or 0.0, top or 0.0, part_width, part_height)


def check_size(width: int, height: int) -> None:
    """Raise unless a picture may have this size."""
    if not (1 <= width <= MAX_VIEWPORT and 1 <= height <= MAX_VIEWPORT):
        raise NotReadable(f"a picture is 1 to {MAX_VIEWPORT} pixels wide and high")


def window_parameter(text: str) -> Window:
    """``center,width,function`` (PS3.18 8.3.5.1.3)."""
    parts = [part.strip() for part in text.split(",")]
    try:
        center, width = float(parts[0]), float(parts[1])
        shape = _SHAPES[parts[2].lower() if len(parts) > 2 else "linear"]
    except (ValueError, IndexError, KeyError) as error:
        raise NotReadable("window must be center,width,function") from error
    if len(parts) > 3:
        raise NotReadable("window must be center,width,function")
    return checked_window(center, width, shape)


def checked_window(center: float, width: float, shape: Shape = Shape.LINEAR) -> Window:
    """The window, if it can be one (PS3.3 C.11.2.1.2: a linear width is 1 or more)."""
    if not (math.isfinite(center) and abs(center) <= MAX_WINDOW and 0 < width <= MAX_WINDOW):
        raise NotReadable("a window has a center and a width above 0")
    if shape is Shape.LINEAR and width < 1:
        raise NotReadable("the width of a linear window must be 1 or more")
    return Window(center, width, shape)


def region_parameter(text: str) -> Region:
    """``left,top,right,bottom`` as parts of the image, each from 0 to 1 (PS3.18 9.1.2.2.2.4)."""
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise NotReadable("region must be left,top,right,bottom") from error
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise NotReadable("a region lies between 0 and 1 and has its top left corner first")
    return Region(left, top, right, bottom)


def quality_parameter(text: str) -> int:
    """1 to 100 (PS3.18 8.3.5.1.2)."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= 100):
        raise NotReadable("quality is a number from 1 to 100")
    return int(text)


def annotation_parameter(text: str) -> frozenset[str]:
    """Which annotations are wanted: ``patient``, ``technique`` (PS3.18 8.3.5.1.1)."""
    wanted = frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    if unknown := wanted - frozenset(ANNOTATIONS):
        raise NotReadable(f"annotation is patient or technique, not {min(unknown)[:20]!r}")
    return wanted


def icc_parameter(text: str) -> str:
    """``no``, ``yes`` or ``srgb`` (PS3.18 8.3.5.1.5); profiles of other spaces are not at hand."""
    if text not in ICC_CHOICES:
        raise NotReadable("iccprofile is no, yes or srgb; adobergb and rommrgb cannot be given")
    return text
