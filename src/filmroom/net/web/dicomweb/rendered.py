"""WADO-RS rendered resources and thumbnails (PS3.18 8.3.5, 10.4.1.1.3, 10.4.1.1.4)."""

import dataclasses
import math
from collections.abc import Sequence

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive import pixeltasks
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.retrieve import Located
from filmroom.base.errors import NotFound, NotReadable, Unsupported
from filmroom.dicom.render_luts import Shape, Window
from filmroom.dicom.render_picture import GIF, JPEG, PNG, RenderParams, thumbnail, viewport_parameter
from filmroom.net.web.dicomweb.addresses import uids
from filmroom.net.web.dicomweb.frames import frame_numbers
from filmroom.net.web.dicomweb.negotiate import choose
from filmroom.net.web.door import who
from filmroom.net.web.ports import Retrieve

# Beyond these a window is no window; they also keep the arithmetic finite.
MAX_WINDOW = 1e9
CINE_FRAME_MS = 66.0
RENDER_TIMEOUT_S = 60.0

_SHAPES = {"linear": Shape.LINEAR, "linear-exact": Shape.LINEAR_EXACT, "sigmoid": Shape.SIGMOID}
_KEPT = {"cache-control": "private, max-age=3600", "vary": "accept, cookie"}


class Rendered:
    """Pictures of instances, frames, series and studies."""

    def __init__(self, retrieve: Retrieve, pixels: PixelPool) -> None:
        self._retrieve = retrieve
        self._pixels = pixels

    async def rendered(self, request: Request) -> Response:
        media = choose(request, JPEG, PNG, GIF)
        params = parameters(request.query_params, media)
        item = await self._item(request)
        given = request.path_params.get("frames", "")
        if not given and media == GIF and (item.frames or 1) > 1:
            return await self._cine(request, item, params)
        return await self._frame(request, item, _frame(given, item), params)

    async def thumbnail(self, request: Request) -> Response:
        choose(request, JPEG)
        params = thumbnail()
        if viewport := request.query_params.get("viewport"):
            params = dataclasses.replace(params, viewport=viewport_parameter(viewport))
        item = await self._item(request)
        given = request.path_params.get("frames", "")
        # The middle of a cine says more than its first frame, which is often black.
        frame = _frame(given, item) if given else (item.frames or 1) // 2
        return await self._frame(request, item, frame, params)

    async def _item(self, request: Request) -> Located:
        """The instance itself, or the one that stands for its series or study: in the middle of the first series
        that has pictures."""
        study, series, instance = uids(request)
        found = await self._retrieve.locate(
            who(request),
            studies=(study,),
            series=(series,) if series else (),
            instances=(instance,) if instance else (),
        )
        if not found:
            raise NotFound("there is no such resource")
        return found[0] if instance else representative(found)

    async def _frame(self, request: Request, item: Located, frame: int, params: RenderParams) -> Response:
        headers = _KEPT | {"etag": f'"{item.digest.hex()[:24]}-{frame}-{hash_of(params)}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        where = self._retrieve.stored_data(item)
        data = await self._pixels.run(pixeltasks.render_frame, where, frame, params, timeout_s=RENDER_TIMEOUT_S)
        return Response(data, media_type=params.media_type, headers=headers)

    async def _cine(self, request: Request, item: Located, params: RenderParams) -> Response:
        where = self._retrieve.stored_data(item)
        data = await self._pixels.run(pixeltasks.render_cine, where, params, CINE_FRAME_MS, timeout_s=RENDER_TIMEOUT_S)
        return Response(data, media_type=GIF, headers=_KEPT)


def representative(found: Sequence[Located]) -> Located:
    """The instance that stands for many. Raises Unsupported when none of them has pictures."""
    pictures = [item for item in found if item.frames is not None] or [
        item for item in found if item.header_bytes + item.dataset_offset + 1024 < item.size_bytes
    ]
    if not pictures:
        raise Unsupported("there is nothing to look at in it")
    first = [item for item in pictures if item.series_uid == pictures[0].series_uid]
    return first[len(first) // 2]


def parameters(query: QueryParams, media: str) -> RenderParams:
    """The rendering parameters of a query. Raises RemoteFault; what is not known is ignored."""
    params = RenderParams(media_type=media)
    if text := query.get("quality"):
        params = dataclasses.replace(params, quality=_quality(text))
    if text := query.get("viewport"):
        params = dataclasses.replace(params, viewport=viewport_parameter(text))
    if text := query.get("window"):
        params = dataclasses.replace(params, window=window_parameter(text))
    return params


def window_parameter(text: str) -> Window:
    """``center,width,function`` (PS3.18 8.3.5.1.3). Raises NotReadable."""
    parts = [part.strip() for part in text.split(",")]
    try:
        center, width = float(parts[0]), float(parts[1])
        shape = _SHAPES[parts[2].lower() if len(parts) > 2 else "linear"]
    except (ValueError, IndexError, KeyError) as error:
        raise NotReadable("window must be center,width,function") from error
    if not (math.isfinite(center) and abs(center) <= MAX_WINDOW and 0 < width <= MAX_WINDOW) or len(parts) > 3:
        raise NotReadable("window must be center,width,function with a positive width")
    return Window(center, width, shape)


def hash_of(params: RenderParams) -> str:
    """A short text that differs where the parameters do, the same in every process."""
    return "".join(c if c.isalnum() else "_" for c in repr(params))[-180:]


def _quality(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= 100):
        raise NotReadable("quality is a number from 1 to 100")
    return int(text)


def _frame(given: str, item: Located) -> int:
    numbers = frame_numbers(given) if given else (1,)
    if len(numbers) > 1:
        raise Unsupported("one picture holds one frame")
    if numbers[0] > (item.frames or 1):
        raise NotFound("the object has no such frame")
    return numbers[0] - 1
