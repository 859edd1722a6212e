"""Softcopy presentation states (PS3.3 A.33, C.10, C.11; order of the steps: PS3.4 N.2): what one says about one frame.

Of greyscale states everything counts; of colour states what is not a look-up table. Read here, applied in
``render_staged``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from filmroom.base.errors import NotReadable, Unsupported
from filmroom.dicom.charset import character_set
from filmroom.dicom.pixels_elements import Attributes
from filmroom.dicom.render import Presentation, window_of
from filmroom.dicom.render_luts import lut

GREYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"
# Greyscale, colour and pseudo-colour; blending, structured display and volume states show several things at once.
STATE_CLASSES = frozenset({GREYSCALE, "1.2.840.10008.5.1.4.1.1.11.2", "1.2.840.10008.5.1.4.1.1.11.3"})
# What a person draws by hand stays far below; each is kept and drawn one by one.
MAX_GRAPHICS = 2000
MAX_POINTS = 20_000

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shutter:
    """What stays visible: a box (left, top, right, bottom), a circle (x, y, radius) or a polygon, in image pixels."""

    shape: str
    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphic:
    """A line or a text. Points count in image pixels from the outer corner, or, when ``displayed``, as parts of the
    displayed area. ``kind`` is POINT, POLYLINE, INTERPOLATED, CIRCLE, ELLIPSE or TEXT."""

    kind: str
    points: tuple[Point, ...]
    displayed: bool
    grey: int = 255
    filled: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softcopy:
    """What a state says about one frame. ``look`` is None where the image's own look stays (colour). ``area`` is the
    displayed area (left, top, right, bottom) in image pixels; ``aspect`` the height of a pixel by its width."""

    look: Presentation | None
    area: tuple[float, float, float, float] | None = None
    aspect: float = 1.0
    rotation: int = 0
    flipped: bool = False
    shutters: tuple[Shutter, ...] = ()
    outside: int = 0
    graphics: tuple[Graphic, ...] = ()


def softcopy(state: Attributes, sop_uid: str, frame: int, own: Presentation) -> Softcopy:
    """What ``state`` says about a frame, counted from 0. Raises NotReadable when it is about other images."""
    sop_class = state.text(0x00080016)
    if sop_class not in STATE_CLASSES:
        raise Unsupported("this kind of presentation state is not rendered")
    if not any(_names(series, sop_uid, frame) for series in state.items(0x00081115)):
        raise NotReadable("the presentation state is about other images")
    area, aspect = _area(state, sop_uid, frame)
    rotation = state.integer(0x00700042) % 360
    if rotation % 90:
        raise NotReadable("a presentation state rotates by quarter turns")
    return Softcopy(
        look=_look(state, sop_uid, frame, own) if sop_class == GREYSCALE else None,
        area=area,
        aspect=aspect,
        rotation=rotation,
        flipped=state.text(0x00700041) == "Y",
        shutters=tuple(_shutters(state)),
        outside=state.integer(0x00181622) >> 8 & 0xFF,
        graphics=tuple(_graphics(state, sop_uid, frame)),
    )


def _names(item: Attributes, sop_uid: str, frame: int) -> bool:
    """Whether the item is about the frame: it names no image at all, or this one."""
    references = item.items(0x00081140)
    if not references:
        return True
    for each in references:
        if each.text(0x00081155) == sop_uid:
            frames = [int(number) for number in each.numbers(0x00081160)]
            return not frames or frame + 1 in frames
    return False


def _look(state: Attributes, sop_uid: str, frame: int, own: Presentation) -> Presentation:
    """The grey pipeline of the state alone: what it leaves out is identity, whatever the image says (PS3.4 N.2)."""
    signed = state.integer(0x00280103) == 1
    voi = next((item for item in state.items(0x00283110) if _names(item, sop_uid, frame)), None)
    slope, intercept = (next(iter(state.numbers(tag)), None) for tag in (0x00281053, 0x00281052))
    return Presentation(
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        modality=next((lut(item, signed=signed) for item in state.items(0x00283000)), None),
        window=window_of(voi) if voi is not None else None,
        voi=next((lut(item, signed=signed) for item in voi.items(0x00283010)), None) if voi is not None else None,
        output=next((lut(item, signed=False) for item in state.items(0x20500010)), None),
        inverted=state.text(0x20500020) == "INVERSE",
        padding=own.padding,
        palette=own.palette,
    )


def _area(state: Attributes, sop_uid: str, frame: int) -> tuple[tuple[float, float, float, float] | None, float]:
    item = next((each for each in state.items(0x0070005A) if _names(each, sop_uid, frame)), None)
    if item is None:
        return None, 1.0
    ratio = item.numbers(0x00700102) or item.numbers(0x00700101)
    aspect = ratio[0] / ratio[1] if len(ratio) == 2 and min(ratio) > 0 else 1.0
    first, last = item.numbers(0x00700052), item.numbers(0x00700053)
    if len(first) != 2 or len(last) != 2:
        return None, aspect
    # The corners name pixels, counted from 1, before rotation and flip: either may be the larger (C.10.4).
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(first, last, strict=True))
    return (left - 1, top - 1, right, bottom), aspect


def _shutters(state: Attributes) -> Iterator[Shutter]:
    for shape in state.texts(0x00181600):
        if shape == "RECTANGULAR":
            left, right, top, bottom = (state.integer(tag) for tag in (0x00181602, 0x00181604, 0x00181606, 0x00181608))
            yield Shutter("box", (left - 1, top - 1, right, bottom))
        elif shape == "CIRCULAR":
            center = state.numbers(0x00181610)
            if len(center) == 2:  # row first
                yield Shutter("circle", (center[1] - 0.5, center[0] - 0.5, state.integer(0x00181612)))
        elif shape == "POLYGONAL":
            numbers = state.numbers(0x00181620)
            if 6 <= len(numbers) <= 2 * MAX_POINTS:
                pairs = zip(numbers[1::2], numbers[::2], strict=False)
                yield Shutter("polygon", tuple(part - 0.5 for pair in pairs for part in pair))


def _graphics(state: Attributes, sop_uid: str, frame: int) -> Iterator[Graphic]:
    charset = character_set(state.raw(0x00080005))
    layers = {
        layer.text(0x00700002): (layer.integer(0x00700062), layer.integer(0x00700066, 0xFFFF) >> 8)
        for layer in state.items(0x00700060)
    }
    found = [item for item in state.items(0x00700001) if _names(item, sop_uid, frame)]
    found.sort(key=lambda item: layers.get(item.text(0x00700002), (0, 255))[0])
    left = MAX_GRAPHICS
    for item in found:
        grey = layers.get(item.text(0x00700002), (0, 255))[1]
        for each in item.items(0x00700009)[:left]:
            left -= 1
            yield Graphic(
                kind=each.text(0x00700023),
                points=_points(each, 0x00700022),
                displayed=each.text(0x00700005) == "DISPLAY",
                grey=grey,
                filled=each.text(0x00700024) == "Y",
            )
        for each in item.items(0x00700008)[:left]:
            left -= 1
            text = charset.decode(each.raw(0x00700006), "ST").strip(" \0").replace("\r\n", "\n")
            yield from _text(each, text[:1000], grey)


def _text(item: Attributes, text: str, grey: int) -> Iterator[Graphic]:
    box = _points(item, 0x00700010) + _points(item, 0x00700011)
    anchor = _points(item, 0x00700014)
    box_displayed, anchor_displayed = (item.text(tag) == "DISPLAY" for tag in (0x00700003, 0x00700004))
    if box:
        yield Graphic(kind="TEXT", points=box, displayed=box_displayed, grey=grey, text=text)
    elif anchor:
        yield Graphic(kind="TEXT", points=anchor, displayed=anchor_displayed, grey=grey, text=text)
    if box and anchor and item.text(0x00700015) == "Y" and box_displayed == anchor_displayed:
        yield Graphic(kind="POLYLINE", points=(box[0], anchor[0]), displayed=box_displayed, grey=grey)


def _points(item: Attributes, tag: int) -> tuple[Point, ...]:
    numbers = item.numbers(tag)[: 2 * MAX_POINTS]
    return tuple(zip(numbers[::2], numbers[1::2], strict=False))
