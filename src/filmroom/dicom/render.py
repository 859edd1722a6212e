"""Turn one frame into what a person looks at: stored values -> modality -> VOI -> presentation -> picture -> file.

The grey pipeline is PS3.3 C.11 in the order of PS3.4 N.2; the parameters are those of PS3.18 8.3.5.1. Pure functions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filmroom.base.errors import NotReadable
from filmroom.dicom.pixels import Decoded
from filmroom.dicom.pixels_elements import Attributes
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.render_colour import converted, to_rgb
from filmroom.dicom.render_luts import Lut, Palette, Shape, Window, lut, palette
from filmroom.dicom.render_picture import Picture, RenderParams, place, write
from filmroom.dicom.render_text import annotated

_PER_FRAME, _SHARED = 0x52009230, 0x52009229
_PIXEL_TRANSFORMATION, _FRAME_VOI = 0x00289145, 0x00289132
_MODALITY_LUTS, _VOI_LUTS = 0x00283000, 0x00283010
_CENTER, _WIDTH, _FUNCTION = 0x00281050, 0x00281051, 0x00281056
_FUNCTIONS = {shape.value: shape for shape in Shape}
_INTERCEPT, _SLOPE = 0x00281052, 0x00281053


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """How the stored values of one frame are meant to be shown."""

    slope: float = 1.0
    intercept: float = 0.0
    modality: Lut | None = None
    window: Window | None = None
    voi: Lut | None = None
    inverted: bool = False
    padding: tuple[int, int] | None = None
    palette: Palette | None = None
    # The presentation LUT of a presentation state: P-values by the output of the VOI transformation.
    output: Lut | None = None


def render_object(stored: StoredObject, frame: int, params: RenderParams) -> bytes:
    """One frame of a stored object (counted from 0) as an image file."""
    return render(stored.pixels().decoded(frame), presentation(stored.attributes, frame), params)


def render(frame: Decoded, look: Presentation, params: RenderParams, profile: bytes = b"") -> bytes:
    """One decoded frame as an image file. ``profile`` is the object's own ICC profile."""
    return write(finished(frame, look, params, profile), params, profile)


def finished(frame: Decoded, look: Presentation, params: RenderParams, profile: bytes = b"") -> Picture:
    """One decoded frame as it is shown, cut, scaled and annotated."""
    shown = converted(picture(frame, look, params.window), params.icc, profile)
    return annotated(place(shown, params), params.left, params.right)


def picture(frame: Decoded, look: Presentation, window: Window | None = None) -> Picture:
    """The frame as 8-bit grey (rows x columns) or RGB (rows x columns x 3). ``window`` replaces the object's own."""
    name = frame.format.photometric
    if name == "PALETTE COLOR":
        if look.palette is None:
            raise NotReadable("the object has no palette")
        return look.palette.apply(_stored(frame))
    if frame.format.samples > 1:
        return to_rgb(frame)
    return _grey(frame, look, window)


def presentation(attributes: Attributes, frame: int) -> Presentation:
    """What the attributes of an object say about showing a frame (counted from 0).

    In enhanced objects the frame's own functional group stands before the shared one, and both before the top level.
    Raises NotReadable.
    """
    signed = attributes.integer(0x00280103) == 1
    name = attributes.text(0x00280004)
    if name == "PALETTE COLOR":
        return Presentation(palette=palette(attributes, signed=signed))
    own, shared = attributes.item(_PER_FRAME, frame), attributes.item(_SHARED)
    transformation = _group(own, shared, _PIXEL_TRANSFORMATION) or attributes
    voi = _group(own, shared, _FRAME_VOI) or attributes
    modality = next((lut(item, signed=signed) for item in attributes.items(_MODALITY_LUTS)), None)
    slope, intercept = (next(iter(transformation.numbers(tag)), None) for tag in (_SLOPE, _INTERCEPT))
    return Presentation(
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        modality=modality,
        window=window_of(voi),
        voi=next((lut(item, signed=signed) for item in voi.items(_VOI_LUTS)), None),
        inverted=name == "MONOCHROME1" or attributes.text(0x20500020) == "INVERSE",
        padding=_padding(attributes, signed),
    )


def _group(own: Attributes | None, shared: Attributes | None, tag: int) -> Attributes | None:
    for group in (own, shared):
        if group is not None and (found := group.item(tag)) is not None:
            return found
    return None


def window_of(voi: Attributes) -> Window | None:
    """The first window of an item; None where it has none that can be used."""
    centers, widths = voi.numbers(_CENTER), voi.numbers(_WIDTH)
    if not centers or not widths or not np.isfinite([centers[0], widths[0]]).all() or widths[0] <= 0:
        return None
    function = voi.text(_FUNCTION)
    return Window(centers[0], widths[0], _FUNCTIONS.get(function, Shape.LINEAR))


def _padding(attributes: Attributes, signed: bool) -> tuple[int, int] | None:
    if 0x00280120 not in attributes.found:
        return None
    ends = [attributes.integer(0x00280120), attributes.integer(0x00280121, attributes.integer(0x00280120))]
    if signed:
        wrap = 2 ** attributes.integer(0x00280100, 16)
        ends = [end - wrap if end >= wrap // 2 else end for end in ends]
    return min(ends), max(ends)


def _stored(frame: Decoded) -> NDArray[np.generic]:
    """Stored values without what lives above Bits Stored, sign restored from the highest stored bit."""
    bits, allocated = frame.format.bits_stored, frame.format.bits_allocated
    array = frame.array
    if frame.format.real or allocated == 1 or bits == allocated:
        return array
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if frame.format.signed else (0, 2**bits - 1)
    if array.min() >= low and array.max() <= high:
        return array
    plain = array.view(f"<u{array.dtype.itemsize}")
    shift = np.array(allocated - bits, plain.dtype)
    cut: NDArray[np.generic] = (plain << shift).view(array.dtype) >> shift.astype(array.dtype)
    return cut


def _grey(frame: Decoded, look: Presentation, window: Window | None) -> Picture:
    stored = _stored(frame)
    if stored.dtype.kind == "f" or stored.dtype.itemsize > 2:
        values = np.nan_to_num(stored.astype(np.float64))
        return _shown(values, look, window, _range(stored, look))
    # Two bytes a sample at most: every value that occurs is worked out once, then looked up by its bit pattern.
    low, high = int(stored.min()), int(stored.max())
    occurring = np.arange(low, high + 1)
    by_pattern = np.zeros(2 ** (8 * stored.dtype.itemsize), np.uint8)
    limits = None if _has_own_range(look, window) else _range(stored, look)
    by_pattern[occurring % len(by_pattern)] = _shown(occurring.astype(np.float64), look, window, limits)
    return by_pattern.take(stored.view(f"<u{stored.dtype.itemsize}"))


def _has_own_range(look: Presentation, window: Window | None) -> bool:
    return window is not None or look.voi is not None or look.window is not None


def _range(stored: NDArray[np.generic], look: Presentation) -> tuple[float, float]:
    """Lowest and highest value that is not padding."""
    values: NDArray[Any] = stored
    if look.padding is not None:
        kept = values[(values < look.padding[0]) | (values > look.padding[1])]
        values = kept if kept.size else values
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        values = finite if finite.size else np.zeros(1)
    ends = _modality(np.array([values.min(), values.max()], np.float64), look)
    return float(ends.min()), float(ends.max())


def _modality(values: NDArray[np.float64], look: Presentation) -> NDArray[np.float64]:
    if look.modality is not None:
        return look.modality.apply(values)
    return values * look.slope + look.intercept


def _shown(
    values: NDArray[np.float64], look: Presentation, window: Window | None, limits: tuple[float, float] | None
) -> NDArray[np.uint8]:
    measured = _modality(values, look)
    if window is not None:
        parts = window.apply(measured)
    elif look.voi is not None:
        parts = look.voi.scaled(measured)
    elif look.window is not None:
        parts = look.window.apply(measured)
    else:
        low, high = limits or (float(measured.min()), float(measured.max()))
        parts = np.clip((measured - low) / ((high - low) or 1.0), 0.0, 1.0)
    if look.output is not None:
        parts = look.output.scaled(np.rint(parts * (len(look.output.table) - 1)) + look.output.first)
    if look.inverted:
        parts = 1.0 - parts
    shown = (parts * 255.0 + 0.5).astype(np.uint8)
    if look.padding is not None:
        shown[(values >= look.padding[0]) & (values <= look.padding[1])] = 0
    return shown
