"""A picture shown as a presentation state says: shutters, displayed area, rotation, flip, graphics (PS3.4 N.2).

Graphics are drawn last, in the final size, so that lines stay thin and letters upright whatever the rotation.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from filmroom.dicom.pixels import Decoded
from filmroom.dicom.render import Presentation, picture
from filmroom.dicom.render_colour import converted
from filmroom.dicom.render_picture import Picture, RenderParams, place, resized
from filmroom.dicom.render_state import Graphic, Point, Shutter, Softcopy
from filmroom.dicom.render_text import annotated, drawable, font

# An area much larger than its image is a mistake; the rest would be black.
MAX_SIDE = 8192
_SPLINE_STEPS = 16

# Output point = matrix @ (x, y, 1), x and y in image pixels.
Matrix = NDArray[np.float64]

# What Pillow draws with: a grey, or red, green and blue.
Ink = int | tuple[int, int, int]


def staged(frame: Decoded, own: Presentation, state: Softcopy, params: RenderParams, profile: bytes = b"") -> Picture:
    """One decoded frame under a presentation state."""
    shown = picture(frame, state.look or own, params.window)
    shown = converted(_shut(shown, state.shutters, state.outside), params.icc, profile)
    shown, matrix, displayed = _laid_out(shown, state, params)
    shown = _drawn(shown, state.graphics, matrix, displayed)
    # The state has settled the size; what is left is the part of it that was asked for.
    rest = replace(params, viewport=None) if _fits(params) else params
    return annotated(place(shown, rest), params.left, params.right)


def _shut(shown: Picture, shutters: tuple[Shutter, ...], outside: int) -> Picture:
    if not shutters:
        return shown
    rows, columns = shown.shape[:2]
    visible = np.ones((rows, columns), bool)
    for shutter in shutters:
        mask = Image.new("1", (columns, rows), 0)
        pen = ImageDraw.Draw(mask)
        n = shutter.numbers
        if shutter.shape == "box":
            pen.rectangle((n[0], n[1], max(n[0], n[2] - 1), max(n[1], n[3] - 1)), fill=1)
        elif shutter.shape == "circle":
            pen.ellipse((n[0] - n[2], n[1] - n[2], n[0] + n[2], n[1] + n[2]), fill=1)
        else:
            pen.polygon(list(zip(n[::2], n[1::2], strict=True)), fill=1)
        visible &= np.asarray(mask, bool)
    shut = shown.copy()
    shut[~visible] = outside
    return shut


def _laid_out(shown: Picture, state: Softcopy, params: RenderParams) -> tuple[Picture, Matrix, Matrix]:
    """The picture as displayed, where image points come to lie in it, and where parts of the displayed area do."""
    rows, columns = shown.shape[:2]
    left, top, right, bottom = state.area or (0.0, 0.0, float(columns), float(rows))
    left, top = round(max(-MAX_SIDE, left)), round(max(-MAX_SIDE, top))
    right, bottom = round(min(MAX_SIDE * 2, right)), round(min(MAX_SIDE * 2, bottom))
    width, height = max(1, min(MAX_SIDE, right - left)), max(1, min(MAX_SIDE, bottom - top))
    cut = np.zeros((height, width, *shown.shape[2:]), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(columns, left + width), min(rows, top + height)
    if x0 < x1 and y0 < y1:
        cut[y0 - top : y1 - top, x0 - left : x1 - left] = shown[y0:y1, x0:x1]
    matrix = np.array([[1.0, 0, -left], [0, 1.0, -top], [0, 0, 1]])
    turned = np.rot90(cut, -state.rotation // 90)
    matrix = _rotation(state.rotation, width, height) @ matrix
    out_height, out_width = turned.shape[:2]
    if state.flipped:
        turned = turned[:, ::-1]
        matrix = np.array([[-1.0, 0, out_width], [0, 1, 0], [0, 0, 1]]) @ matrix
    final_width, final_height = _final_size(out_width, out_height, state, params)
    matrix = np.diag([final_width / out_width, final_height / out_height, 1.0]) @ matrix
    displayed = np.diag([float(final_width), float(final_height), 1.0])
    return resized(turned, final_width, final_height), matrix, displayed


def _rotation(degrees: int, width: int, height: int) -> Matrix:
    """Clockwise by quarter turns, moved back into the picture."""
    return {
        0: np.eye(3),
        90: np.array([[0.0, -1, height], [1, 0, 0], [0, 0, 1]]),
        180: np.array([[-1.0, 0, width], [0, -1, height], [0, 0, 1]]),
        270: np.array([[0.0, 1, 0], [-1, 0, width], [0, 0, 1]]),
    }[degrees]


def _final_size(width: int, height: int, state: Softcopy, params: RenderParams) -> tuple[int, int]:
    aspect = state.aspect if state.rotation % 180 == 0 else 1 / state.aspect
    tall = height * aspect
    if _fits(params) and params.viewport is not None:
        scale = min(params.viewport.width / width, params.viewport.height / tall)
    else:
        scale = 1.0
    return (max(1, min(MAX_SIDE, round(width * scale))), max(1, min(MAX_SIDE, round(tall * scale))))


def _fits(params: RenderParams) -> bool:
    """Whether the whole displayed area fills the viewport: then it is drawn in its final size at once."""
    view = params.viewport
    if view is None or params.region is not None:
        return False
    return (view.left, view.top, view.part_width, view.part_height) == (0, 0, None, None)


def _drawn(shown: Picture, graphics: tuple[Graphic, ...], matrix: Matrix, displayed: Matrix) -> Picture:
    if not graphics:
        return shown
    image = Image.fromarray(np.ascontiguousarray(shown))
    pen = ImageDraw.Draw(image)
    for graphic in graphics:
        points = _moved(graphic.points, displayed if graphic.displayed else matrix)
        fill = graphic.grey if image.mode == "L" else (graphic.grey,) * 3
        if points:
            _draw(pen, graphic, points, fill, image.height)
    return np.asarray(image)


def _moved(points: tuple[Point, ...], matrix: Matrix) -> list[Point]:
    if not points:
        return []
    known = np.nan_to_num(np.array(points, np.float64), posinf=0.0, neginf=0.0)
    moved = np.clip(known @ matrix[:2, :2].T + matrix[:2, 2], -1e5, 1e5)
    return [(float(x), float(y)) for x, y in moved]


def _draw(pen: ImageDraw.ImageDraw, graphic: Graphic, points: list[Point], fill: Ink, height: int) -> None:
    thick = max(1, height // 500)
    x, y = points[0]
    if graphic.kind == "TEXT":
        _write(pen, graphic.text, points, fill, height)
    elif graphic.kind == "POINT":
        reach = 3 * thick
        pen.line([(x - reach, y), (x + reach, y)], fill=fill, width=thick)
        pen.line([(x, y - reach), (x, y + reach)], fill=fill, width=thick)
    elif graphic.kind in ("CIRCLE", "ELLIPSE", "INTERPOLATED", "POLYLINE"):
        outline = _outline(graphic.kind, points)
        if graphic.filled and len(outline) > 2:
            pen.polygon(outline, fill=fill)
        elif len(outline) > 1:
            pen.line(outline, fill=fill, width=thick, joint="curve")


def _outline(kind: str, points: list[Point]) -> list[Point]:
    known = np.array(points)
    turns = np.linspace(0, 2 * np.pi, 97)
    if kind == "CIRCLE" and len(points) >= 2:  # its centre and one point on it
        radius = float(np.hypot(*(known[1] - known[0])))
        around = known[0] + radius * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    elif kind == "ELLIPSE" and len(points) >= 4:  # the ends of its long axis, then of its short one
        middle, long, short = (known[0] + known[1]) / 2, (known[1] - known[0]) / 2, (known[3] - known[2]) / 2
        around = middle + np.cos(turns)[:, None] * long + np.sin(turns)[:, None] * short
    elif kind == "INTERPOLATED" and len(points) > 2:
        around = _spline(known)
    else:
        return points
    return [(float(x), float(y)) for x, y in around]


def _spline(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth curve through all points (Catmull-Rom); closed where the last point is the first."""
    closed = bool(np.allclose(known[0], known[-1]))
    before, after = (known[-2], known[1]) if closed else (known[0], known[-1])
    padded = np.vstack([before, known, after])
    t = np.linspace(0, 1, _SPLINE_STEPS, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*pieces, known[-1:]])


def _write(pen: ImageDraw.ImageDraw, text: str, points: list[Point], fill: Ink, height: int) -> None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    size = max(10, min(48, height // 36))
    pen.multiline_text(
        (min(xs), min(ys)),
        drawable(text),
        fill=fill,
        font=font(size),
        stroke_width=1,
        stroke_fill=0 if isinstance(fill, int) and fill > 96 else None,
    )
