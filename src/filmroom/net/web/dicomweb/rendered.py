"""WADO-RS rendered resources and thumbnails (PS3.18 8.3.5, 10.4.1.1.3, 10.4.1.1.4)."""

import dataclasses
import secrets
from collections.abc import AsyncIterator, Sequence

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.moving import MP4, ffmpeg
from filmroom.archive.retrieve import Located
from filmroom.base.errors import NotFound, Unsupported
from filmroom.dicom.render_params import (
    annotation_parameter,
    icc_parameter,
    quality_parameter,
    viewport_parameter,
    window_parameter,
)
from filmroom.dicom.render_picture import APNG, GIF, JPEG, PNG, RenderParams, thumbnail
from filmroom.net.web.dicomweb.addresses import base, resource, uids
from filmroom.net.web.dicomweb.frames import frame_numbers
from filmroom.net.web.dicomweb.negotiate import choose, wanted
from filmroom.net.web.dicomweb.pictures import (
    Pictures,
    can_move,
    etag_of,
    is_document,
    is_report,
    is_state,
    is_video,
    picturable,
    representative,
)
from filmroom.net.web.dicomweb.renderings import Renderings
from filmroom.net.web.door import who
from filmroom.net.web.ports import Retrieve
from filmroom.net.web.streams import Stream
from filmroom.wire.http import multipart
from filmroom.wire.http.mediatypes import Choice

OFFERS = (JPEG, PNG, GIF, APNG)
KEPT = {"cache-control": "private, max-age=3600", "vary": "accept, cookie"}


class Rendered:
    """Pictures of instances, frames, series and studies."""

    def __init__(self, retrieve: Retrieve, pictures: Pictures, renderings: Renderings, *, public_url: str) -> None:
        self._retrieve = retrieve
        self._pictures = pictures
        self._renderings = renderings
        self._public_url = public_url

    async def rendered(self, request: Request) -> Response:
        """One picture, a moving one, or with multipart/related each picture of the resource as a part."""
        choices = wanted(request)
        found = await self._found(request)
        if request.path_params.get("instance") and not request.path_params.get("frames"):
            item = found[0]
            if is_report(item):
                return await self._renderings.report(request, item)
            if is_document(item):
                return await self._renderings.document(request, item)
            if is_video(item):
                return await self._renderings.video(request, item)
        choice, media = _picture_choice(choices)
        params, annotation = parameters(request.query_params, media)
        state = found[0] if is_state(found[0]) and request.path_params.get("instance") else None
        if state is not None:
            found = await self._pictures.referenced(who(request), state)
        else:
            state = await self._state(request)
        if choice.multipart:
            return self._parts(request, _all_frames(request, found), params, state)
        item = found[0] if request.path_params.get("instance") else representative(found)
        return await self._one(request, item, params, annotation, state)

    async def thumbnail(self, request: Request) -> Response:
        """A small JPEG of the frame in the middle, which says more than the first, often black one."""
        choose(request, JPEG)
        params = thumbnail()
        if viewport := request.query_params.get("viewport"):
            params = dataclasses.replace(params, viewport=viewport_parameter(viewport))
        found = await self._found(request)
        item = found[0] if request.path_params.get("instance") else representative(found)
        if is_report(item) or is_document(item) or is_video(item):
            raise Unsupported("there is no picture of it")
        if is_state(item):
            item = (await self._pictures.referenced(who(request), item))[0]
        given = request.path_params.get("frames", "")
        frame = one_frame(given, item) if given else (item.frames or 1) // 2
        return await self._frame(request, item, frame, params, None)

    async def _found(self, request: Request) -> list[Located]:
        study, series, instance = uids(request)
        found = await self._retrieve.locate(
            who(request),
            studies=(study,),
            series=(series,) if series else (),
            instances=(instance,) if instance else (),
        )
        if not found:
            raise NotFound("there is no such resource")
        return found

    async def _state(self, request: Request) -> Located | None:
        """The presentation state that the query names, as WADO-URI does; it lies in the same study."""
        uid = request.query_params.get("presentationUID", "")
        if not uid:
            return None
        found = await self._retrieve.locate(who(request), studies=(uids(request)[0],), instances=(uid,))
        if not found or not is_state(found[0]):
            raise NotFound("there is no such presentation state")
        return found[0]

    async def _one(
        self,
        request: Request,
        item: Located,
        params: RenderParams,
        annotation: frozenset[str],
        state: Located | None,
    ) -> Response:
        left, right = await self._pictures.lines(who(request), item, annotation)
        params = dataclasses.replace(params, left=left, right=right)
        given = request.path_params.get("frames", "")
        if not given and can_move(item, params.media_type):
            headers = KEPT | {"etag": etag_of(item, None, params, state)}
            if request.headers.get("if-none-match") == headers["etag"]:
                return Response(status_code=304, headers=headers)
            data = await self._pictures.moving(item, params, state)
            return Response(data, media_type=params.media_type, headers=headers)
        if params.media_type == MP4:
            raise Unsupported("only an instance of several frames can be given as a video")
        return await self._frame(request, item, one_frame(given, item), params, state)

    async def _frame(
        self, request: Request, item: Located, frame: int, params: RenderParams, state: Located | None
    ) -> Response:
        headers = KEPT | {"etag": etag_of(item, frame, params, state)}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        data = await self._pictures.frame(item, frame, params, state)
        return Response(data, media_type=params.media_type, headers=headers)

    def _parts(
        self, request: Request, frames: Sequence[tuple[Located, int]], params: RenderParams, state: Located | None
    ) -> Response:
        boundary = secrets.token_hex(16)
        root = base(request, self._public_url)

        async def parts() -> AsyncIterator[bytes]:
            first = True
            async for item, frame, data in self._pictures.each(frames, params, state):
                address = resource(root, item.study_uid, item.series_uid, item.sop_uid)
                headers = {
                    "Content-Type": params.media_type,
                    "Content-Length": str(len(data)),
                    "Content-Location": f"{address}/frames/{frame + 1}/rendered",
                }
                yield multipart.open_part(boundary, headers, first=first) + data
                first = False
            yield multipart.close(boundary, empty=first)

        return Stream(parts(), headers=KEPT, media_type=multipart.content_type(params.media_type, boundary))


def parameters(query: QueryParams, media: str) -> tuple[RenderParams, frozenset[str]]:
    """The rendering parameters of a query, and which annotations are wanted. Raises NotReadable; what is not known is
    ignored."""
    params = RenderParams(media_type=media)
    if text := query.get("quality"):
        params = dataclasses.replace(params, quality=quality_parameter(text))
    if text := query.get("viewport"):
        params = dataclasses.replace(params, viewport=viewport_parameter(text))
    if text := query.get("window"):
        params = dataclasses.replace(params, window=window_parameter(text))
    if text := query.get("iccprofile"):
        params = dataclasses.replace(params, icc=icc_parameter(text))
    return params, annotation_parameter(query.get("annotation", ""))


def one_frame(given: str, item: Located) -> int:
    """The frame that one picture is to hold, counted from 0; the first where none is named."""
    numbers = frame_numbers(given) if given else (1,)
    if len(numbers) > 1:
        raise Unsupported("one picture holds one frame; ask for multipart/related")
    if numbers[0] > (item.frames or 1):
        raise NotFound("the object has no such frame")
    return numbers[0] - 1


def _picture_choice(choices: Sequence[Choice]) -> tuple[Choice, str]:
    offers = (*OFFERS, MP4) if ffmpeg() else OFFERS
    for choice in choices:
        for offer in offers:
            if choice.covers(offer) and not (offer == MP4 and choice.multipart):
                return choice, offer
    raise Unsupported(f"pictures can be given as {', '.join(offers)}, alone or in multipart/related")


def _all_frames(request: Request, found: Sequence[Located]) -> list[tuple[Located, int]]:
    given = request.path_params.get("frames", "")
    if given:
        return [(found[0], one_frame(str(number), found[0])) for number in frame_numbers(given)]
    pictures = picturable(found) or [representative(found)]
    return [(item, frame) for item in pictures for frame in range(item.frames or 1)]
