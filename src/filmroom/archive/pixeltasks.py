"""What worker processes do with pixels: each function reads the stored bytes itself and gives back bytes or plain JSON.

The server process passes where a data set lies, never the data set.
"""

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filmroom.archive.moving import MAX_VIDEO_FRAMES, MP4, write_mp4
from filmroom.base.errors import NotFound, NotReadable
from filmroom.dicom.frames import Read
from filmroom.dicom.pixels_elements import Attributes
from filmroom.dicom.pixels_encode import encode_frame
from filmroom.dicom.pixels_object import StoredObject, StoredPixels
from filmroom.dicom.render import finished, presentation
from filmroom.dicom.render_picture import Picture, RenderParams, write, write_moving
from filmroom.dicom.render_staged import staged
from filmroom.dicom.render_state import softcopy
from filmroom.dicom.transcode import Rules, can_transcode, transcoded

# A moving picture of more frames than this is no preview any more.
MAX_MOVING_FRAMES = 200

# Headers and frame indexes of the objects asked for last, so that a cine is walked once and not once a frame.
_KEPT_OBJECTS = 32
_kept: "OrderedDict[StoredData, _Opened]" = OrderedDict()


@dataclass(frozen=True, slots=True)
class StoredData:
    """A data set (without Part 10 header) inside a local file that never changes: its first byte and its length."""

    path: str
    offset: int
    length: int
    transfer_syntax: str


class _Opened:
    def __init__(self, where: StoredData) -> None:
        self.object = StoredObject.open(_reader(where), where.length, where.transfer_syntax)
        self._pixels: StoredPixels | None = None

    @property
    def pixels(self) -> StoredPixels:
        self._pixels = self._pixels or self.object.pixels()
        return self._pixels


def render_frame(where: StoredData, frame: int, params: RenderParams, state: "State | None" = None) -> bytes:
    """One frame, counted from 0, as JPEG, PNG or GIF; under a presentation state if one is given."""
    opened = _open(where)
    return write(_shown(opened, frame, params, state), params, _profile(opened))


def render_cine(where: StoredData, params: RenderParams, state: "State | None" = None) -> bytes:
    """All frames, thinned out to MAX_MOVING_FRAMES or MAX_VIDEO_FRAMES, as a moving GIF or PNG or a video."""
    opened = _open(where)
    frames = opened.pixels.format.frames
    stride = -(-frames // (MAX_VIDEO_FRAMES if params.media_type == MP4 else MAX_MOVING_FRAMES))
    pictures = (_shown(opened, n, params, state) for n in range(0, frames, stride))
    if params.media_type == MP4:
        return write_mp4(pictures, frame_ms(opened.object.attributes) * stride)
    return write_moving(pictures, params.media_type, frame_ms(opened.object.attributes) * stride)


@dataclass(frozen=True, slots=True)
class State:
    """A presentation state, and the image that it is applied to."""

    where: StoredData
    sop_uid: str


def _shown(opened: "_Opened", frame: int, params: RenderParams, state: State | None) -> Picture:
    own = presentation(opened.object.attributes, frame)
    decoded = opened.pixels.decoded(frame)
    if state is None:
        return finished(decoded, own, params, _profile(opened))
    said = softcopy(_open(state.where).object.attributes, state.sop_uid, frame, own)
    return staged(decoded, own, said, params, _profile(opened))


def _profile(opened: "_Opened") -> bytes:
    """The ICC profile of the image, or of its first optical path."""
    attributes = opened.object.attributes
    path = attributes.item(0x00480105)
    return attributes.raw(0x00282000) or (path.raw(0x00282000) if path is not None else b"")


def frame_ms(attributes: Attributes) -> float:
    """How long a frame of a cine is shown (PS3.3 C.7.6.5); 15 a second where nothing is said."""
    for tag in (0x00082144, 0x00180040):
        if (rate := attributes.integer(tag)) > 0:
            return 1000.0 / rate
    return next((ms for ms in attributes.numbers(0x00181063) if 0 < ms < 10_000), 1000.0 / 15)


def frame_as(where: StoredData, frame: int, transfer_syntax: str, rules: Rules) -> bytes:
    """One frame, counted from 0, in another transfer syntax; native ones little endian (PS3.18 8.7.3.3)."""
    return encode_frame(_open(where).pixels.decoded(frame), transfer_syntax, rules.options).data


def transcode_to_bytes(where: StoredData, transfer_syntax: str, rules: Rules) -> bytes:
    """The data set in another transfer syntax."""
    return b"".join(transcoded(_open(where).object, transfer_syntax, rules))


def transcode_to_file(where: StoredData, transfer_syntax: str, rules: Rules, target: str) -> dict[str, int]:
    """The data set in another transfer syntax, written to a new file; for objects too large to pass around."""
    try:
        with open(target, "xb") as file:
            for piece in transcoded(_open(where).object, transfer_syntax, rules):
                file.write(piece)
            return {"size_bytes": file.tell()}
    except BaseException:
        Path(target).unlink(missing_ok=True)
        raise


def possible_targets(where: StoredData, transfer_syntaxes: tuple[str, ...], allow_lossy: bool) -> list[str]:
    """Those of the transfer syntaxes that the object can be written in, in the order given."""
    stored = _open(where).object
    return [target for target in transfer_syntaxes if not can_transcode(stored, target, allow_lossy=allow_lossy)]


def frame_spans(where: StoredData) -> dict[str, Any]:
    """Where each frame lies inside the data set: ``spans`` is a list of [offset, length] runs for each frame."""
    pixels = _open(where).pixels
    spans = [[list(span) for span in pixels.index.spans(n)] for n in range(pixels.index.frames)]
    return {"frames": pixels.format.frames, "spans": spans, "swapped": pixels.big_endian}


def _open(where: StoredData) -> _Opened:
    opened = _kept.get(where)
    if opened is None:
        opened = _kept[where] = _Opened(where)
        while len(_kept) > _KEPT_OBJECTS:
            _kept.popitem(last=False)
    else:
        _kept.move_to_end(where)
    return opened


def _reader(where: StoredData) -> Read:
    def read(offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise NotReadable("the object refers to bytes before its beginning")
        wanted = min(length, where.length - offset)
        if wanted <= 0:
            return b""
        try:
            descriptor = os.open(where.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFound("the stored object is gone") from error
        try:
            return os.pread(descriptor, wanted, where.offset + offset)
        finally:
            os.close(descriptor)

    return read
