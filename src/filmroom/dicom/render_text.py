"""Words and lines on finished pictures: annotations (PS3.18 8.3.5.1.1) and the graphics of presentation states.

Letters beyond Latin need a font of the system: Noto CJK, WenQuanYi or Droid where one is installed. Without one, the
letters that Pillow's own font lacks are drawn as question marks.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

# Where Debian, Fedora and Alpine put fonts with Chinese letters, and which face of a collection is the simplified one.
_PLACES = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0),
)
_BEYOND_LATIN = re.compile(r"[^\x20-\u024f\u2010-\u2026\u20ac\u2122]")
_MARGIN = 0.015
# Text is about a fortieth of the picture's height, within what can be read and what leaves the picture visible.
_SMALLEST, _LARGEST = 10, 48
WHITE: Colour = (255, 255, 255)


@lru_cache(maxsize=1)
def wide_font() -> tuple[str, int] | None:
    """The file of a font with Chinese letters and its face number; None when this system has none."""
    return next(((path, face) for path, face in _PLACES if Path(path).is_file()), None)


@lru_cache(maxsize=16)
def font(size: int) -> Font:
    """The font to draw with, ``size`` pixels high."""
    found = wide_font()
    if found is not None:
        return ImageFont.truetype(found[0], size, index=found[1], layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)


def drawable(text: str) -> str:
    """The text without what cannot be drawn here."""
    plain = "".join(c for c in text if c >= " " or c == "\n")
    return plain if wide_font() is not None else _BEYOND_LATIN.sub("?", plain)


def annotated(picture: Picture, left: Sequence[str], right: Sequence[str]) -> Picture:
    """The picture with lines in its upper corners, white with a dark edge so that they can be read on anything."""
    if not left and not right:
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    height = image.height
    longest = max((len(line) for line in (*left, *right)), default=1)
    size = min(_LARGEST, height // 40, 2 * image.width // max(1, longest))
    letters = font(max(_SMALLEST, size))
    pen, margin = ImageDraw.Draw(image), max(2, round(height * _MARGIN))
    white, black = (255, 0) if image.mode == "L" else (WHITE, (0, 0, 0))
    for lines, anchor, x in ((left, "la", margin), (right, "ra", image.width - margin)):
        y = float(margin)
        for line in map(drawable, lines):
            pen.text((x, y), line, fill=white, font=letters, anchor=anchor, stroke_width=1, stroke_fill=black)
            y += 1.25 * max(_SMALLEST, size)
    return np.asarray(image)
