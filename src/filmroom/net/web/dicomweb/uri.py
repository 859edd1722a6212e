"""WADO-URI: one object, asked for by the query of one address (PS3.18 chapter 9)."""

import dataclasses
from collections.abc import Sequence

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import Located
from filmroom.base.errors import NotFound, NotReadable, Unsupported
from filmroom.base.ids import is_uid
from filmroom.dicom.render_params import (
    MAX_VIEWPORT,
    annotation_parameter,
    check_size,
    checked_window,
    icc_parameter,
    quality_parameter,
    region_parameter,
)
from filmroom.dicom.render_picture import APNG, GIF, JPEG, PNG, RenderParams, Viewport
from filmroom.net.web.dicomweb.negotiate import DICOM
from filmroom.net.web.dicomweb.pictures import (
    Pictures,
    can_move,
    etag_of,
    is_document,
    is_report,
    is_state,
    is_video,
)
from filmroom.net.web.dicomweb.rendered import KEPT, one_frame
from filmroom.net.web.dicomweb.renderings import HTML, TEXT, Renderings
from filmroom.net.web.dicomweb.wado import Wado
from filmroom.net.web.door import who
from filmroom.net.web.ports import Retrieve
from filmroom.wire.http.mediatypes import Choice, choices

# What must not stand beside a presentation state, which says all of it (PS3.18 9.1.2.2.2).
_SAID_BY_STATE = ("annotation", "windowCenter", "windowWidth")
# What counts for pictures only.
_FOR_PICTURES = ("frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality",
                 "presentationUID", "presentationSeriesUID", "annotation")  # fmt: skip
_UTF8 = frozenset({"utf-8", "utf8", "*", "us-ascii", "ascii"})


class WadoUri:
    """The one resource."""

    def __init__(self, retrieve: Retrieve, wado: Wado, pictures: Pictures, renderings: Renderings) -> None:
        self._retrieve = retrieve
        self._wado = wado
        self._pictures = pictures
        self._renderings = renderings

    async def get(self, request: Request) -> Response:
        """The object as it is stored, or as people see it."""
        query = request.query_params
        study, series, instance = _identity(query)
        _check(query)
        found = await self._retrieve.locate(who(request), studies=(study,), series=(series,), instances=(instance,))
        if not found:
            raise NotFound("there is no such object")
        item = found[0]
        asked = choices(request.headers.get("accept"), [query["contentType"]] if query.get("contentType") else [])
        media = _chosen(asked, _offers(item, query))
        if media == DICOM:
            return await self._object(request, item)
        if query.get("transferSyntax"):
            raise NotReadable(f"transferSyntax is for {DICOM} only")
        if media in (HTML, TEXT):
            return await self._renderings.report(request, item, media)
        if is_document(item):
            return await self._renderings.document(request, item, asked)
        if is_video(item):
            return await self._renderings.video(request, item, asked)
        return await self._picture(request, item, media)

    async def _object(self, request: Request, item: Located) -> Response:
        query = request.query_params
        if extra := next((name for name in _FOR_PICTURES if query.get(name)), ""):
            raise NotReadable(f"{extra} is for pictures, not for {DICOM}")
        syntax = query.get("transferSyntax", "")
        if syntax and not is_uid(syntax):
            raise NotReadable("transferSyntax is a UID")
        return await self._wado.alone(request, [item], [Choice(DICOM, syntax, False)])

    async def _picture(self, request: Request, item: Located, media: str) -> Response:
        query = request.query_params
        params = picture_parameters(query, media)
        state = await self._state(request, item)
        left, right = await self._pictures.lines(who(request), item, annotation_parameter(query.get("annotation", "")))
        params = dataclasses.replace(params, left=left, right=right)
        given = query.get("frameNumber", "")
        moving = not given and can_move(item, media)
        frame = None if moving else one_frame(given, item)
        headers = KEPT | {"etag": etag_of(item, frame, params, state)}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if frame is None:
            data = await self._pictures.moving(item, params, state)
        else:
            data = await self._pictures.frame(item, frame, params, state)
        return Response(data, media_type=media, headers=headers)

    async def _state(self, request: Request, item: Located) -> Located | None:
        query = request.query_params
        uid, series = query.get("presentationUID", ""), query.get("presentationSeriesUID", "")
        if not uid and not series:
            return None
        if not (uid and series):
            raise NotReadable("presentationUID and presentationSeriesUID stand together")
        found = await self._retrieve.locate(who(request), studies=(item.study_uid,), series=(series,), instances=(uid,))
        if not found or not is_state(found[0]):
            raise NotFound("there is no such presentation state")
        return found[0]


def picture_parameters(query: QueryParams, media: str) -> RenderParams:
    """The rendering parameters of a query (PS3.18 table 9.1.2-2). Raises NotReadable."""
    params = RenderParams(media_type=media)
    rows, columns = (_whole(query, name) for name in ("rows", "columns"))
    if rows is not None or columns is not None:
        width, height = columns or MAX_VIEWPORT, rows or MAX_VIEWPORT
        check_size(width, height)
        params = dataclasses.replace(params, viewport=Viewport(width, height))
    if text := query.get("region"):
        params = dataclasses.replace(params, region=region_parameter(text))
    if text := query.get("imageQuality"):
        params = dataclasses.replace(params, quality=quality_parameter(text))
    if text := query.get("iccprofile"):
        params = dataclasses.replace(params, icc=icc_parameter(text))
    center, width_text = query.get("windowCenter", ""), query.get("windowWidth", "")
    if bool(center) != bool(width_text):
        raise NotReadable("windowCenter and windowWidth stand together")
    if center:
        try:
            window = checked_window(float(center), float(width_text))
        except ValueError as error:
            raise NotReadable("windowCenter and windowWidth are numbers") from error
        params = dataclasses.replace(params, window=window)
    return params


def _identity(query: QueryParams) -> tuple[str, str, str]:
    if query.get("requestType") != "WADO":
        raise NotReadable("requestType must be WADO")
    found = tuple(query.get(name, "") for name in ("studyUID", "seriesUID", "objectUID"))
    for name, uid in zip(("studyUID", "seriesUID", "objectUID"), found, strict=True):
        if not is_uid(uid):
            raise NotReadable(f"{name} is missing" if not uid else f"{name} is not a UID")
    return found[0], found[1], found[2]


def _check(query: QueryParams) -> None:
    if query.get("anonymize"):
        raise NotReadable("anonymize is not offered here: objects go out with their identities or not at all")
    if query.get("presentationUID"):
        beside = next((name for name in _SAID_BY_STATE if query.get(name)), "")
        if beside:
            raise NotReadable(f"{beside} cannot stand beside presentationUID")
    sets = [name.split(";")[0].strip().lower() for name in query.get("charset", "").split(",") if name.strip()]
    if sets and not _UTF8 & set(sets):
        raise Unsupported("text is given in UTF-8 only")


def _offers(item: Located, query: QueryParams) -> tuple[str, ...]:
    """Media types of an object, the default of its kind first (PS3.18 table 8.7.4-1, 9.1.2.1.2)."""
    if is_report(item):
        return (HTML, TEXT, DICOM)
    if is_document(item):
        return (DICOM, "application/pdf", "text/xml", "application/xml", "model/stl", "model/obj", "model/mtl")
    if is_video(item):
        return (DICOM, "video/mp4", "video/mpeg", "video/mp2t")
    pictures = (JPEG, PNG, GIF, APNG)
    many = (item.frames or 1) > 1 and not query.get("frameNumber")
    return (DICOM, *pictures) if many else (*pictures, DICOM)


def _chosen(asked: Sequence[Choice], offers: Sequence[str]) -> str:
    for choice in asked:
        for offer in offers:
            if choice.covers(offer) and choice.multipart is not True:
                return offer
    raise Unsupported(f"the object can be given as {', '.join(offers)}")


def _whole(query: QueryParams, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise NotReadable(f"{name} is a number")
    return int(text)
