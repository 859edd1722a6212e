"""QIDO-RS: search (PS3.18 8.3.4, 10.6)."""

import dataclasses
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response

from filmroom.base.errors import LimitReached, RemoteFault
from filmroom.dicom.asking import question_from_query
from filmroom.dicom.question import All, JsonDataset, Level, Path, Question
from filmroom.net.web.dicomweb.addresses import base, resource, uids
from filmroom.net.web.dicomweb.negotiate import DICOM_JSON, DICOM_XML, JSON, choose
from filmroom.net.web.dicomweb.xml import xml_answer
from filmroom.net.web.door import who
from filmroom.net.web.ports import Query
from filmroom.settings import WebSettings

# No form on any screen asks for more; the parser stops there.
MAX_PARAMETERS = 200

# Tables 10.6.3-3 to 10.6.3-5; Retrieve URL is added here. Sequences are returned whole.
STUDY_RETURNS: tuple[Path, ...] = tuple(
    (tag,)
    for tag in (
        *(0x00080005, 0x00080020, 0x00080030, 0x00080050, 0x00080056, 0x00080061, 0x00080090, 0x00080201),
        *(0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x0020000D, 0x00200010, 0x00201206, 0x00201208),
        # Not in the table, but every study list shows it.
        0x00081030,
    )
)
SERIES_RETURNS: tuple[Path, ...] = tuple(
    (tag,)
    for tag in (
        *(0x00080005, 0x00080056, 0x00080060, 0x00080201, 0x0008103E, 0x0020000D, 0x0020000E, 0x00200011, 0x00201209),
        *(0x00400244, 0x00400245, 0x00400275),
    )
)
IMAGE_RETURNS: tuple[Path, ...] = tuple(
    (tag,)
    for tag in (
        *(0x00080005, 0x00080016, 0x00080018, 0x00080056, 0x00080201, 0x0020000D, 0x0020000E, 0x00200013),
        *(0x00280008, 0x00280010, 0x00280011, 0x00280100),
    )
)
_BELOW: Mapping[Level, tuple[tuple[str, tuple[Path, ...]], ...]] = {
    Level.STUDY: (("", STUDY_RETURNS),),
    Level.SERIES: (("study", STUDY_RETURNS), ("", SERIES_RETURNS)),
    Level.IMAGE: (("study", STUDY_RETURNS), ("series", SERIES_RETURNS), ("", IMAGE_RETURNS)),
}

# Pagers that want to know how many pages there are say so (RFC 7240): counting costs more than a page.
_COUNTED = re.compile(r"(?i)(^|,)\s*count\s*=\s*\"?exact\b")


class Qido:
    """Search transactions at the three levels, below a parent or across the archive."""

    def __init__(self, query: Query, settings: WebSettings) -> None:
        self._query = query
        self._settings = settings

    async def studies(self, request: Request) -> Response:
        return await self._search(request, Level.STUDY)

    async def series(self, request: Request) -> Response:
        return await self._search(request, Level.SERIES)

    async def instances(self, request: Request) -> Response:
        return await self._search(request, Level.IMAGE)

    async def _search(self, request: Request, level: Level) -> Response:
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        question = self._question(request, level)
        limit = min(question.limit or self._settings.qido_default_limit, self._settings.qido_max_limit)
        if question.limit == 0:
            return Response(status_code=204)
        found, _ = await self._query.page(who(request), dataclasses.replace(question, limit=limit + 1))
        more = len(found) > limit
        del found[limit:]
        headers = _headers(question, more, len(found), asked=question.limit is not None and question.limit <= limit)
        if "x-total-count" not in headers and _COUNTED.search(request.headers.get("prefer", "")):
            headers["x-total-count"] = str(await self._query.count(who(request), question))
            headers["preference-applied"] = "count=exact"
        if not found:
            return Response(status_code=204, headers=headers)
        root = base(request, self._settings.public_url)
        for entity in found:
            _complete(entity, level, root)
        if media == DICOM_XML:
            return xml_answer(found, headers)
        return Response(orjson.dumps(found, option=orjson.OPT_SORT_KEYS), media_type=media, headers=headers)

    def _question(self, request: Request, level: Level) -> Question:
        study, series, _ = uids(request)
        fixed = {tag: uid for tag, uid in ((0x0020000D, study), (0x0020000E, series)) if uid}
        try:
            parameters = parse_qsl(
                request.scope["query_string"].decode("latin-1"),
                keep_blank_values=True,
                max_num_fields=MAX_PARAMETERS,
                errors="strict",
            )
        except UnicodeDecodeError as error:
            raise RemoteFault("the query is not UTF-8") from error
        except ValueError as error:
            raise LimitReached(f"a query has at most {MAX_PARAMETERS} parameters") from error
        kept = [(key, value) for key, value in parameters if key != "accept"]
        question = question_from_query(kept, level, fixed=fixed)
        if isinstance(question.returns, All):
            return question
        # Attributes of the levels above only where the path does not already say which study and series it is.
        above = {"study": not study, "series": not series, "": True}
        always = [tag for name, tags in _BELOW[level] if above[name] for tag in tags]
        return dataclasses.replace(question, returns=tuple(dict.fromkeys((*always, *question.returns))))


def _complete(entity: JsonDataset, level: Level, root: str) -> None:
    study = _uid(entity, "0020000D")
    series = _uid(entity, "0020000E") if level is not Level.STUDY else ""
    instance = _uid(entity, "00080018") if level is Level.IMAGE else ""
    entity["00081190"] = {"vr": "UR", "Value": [resource(root, study, series, instance)]}
    entity.setdefault("00080056", {"vr": "CS", "Value": ["ONLINE"]})
    if "Value" not in entity.get("00080061", {}):
        entity.pop("00080061", None)  # OHIF's study list fails as a whole on an empty one
    # JSON is UTF-8, whatever the object was in (PS3.18 F.2).
    entity["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}


def _uid(entity: JsonDataset, key: str) -> str:
    return str((entity.get(key, {}).get("Value") or [""])[0])


def _headers(question: Question, more: bool, count: int, *, asked: bool) -> dict[str, str]:
    headers = {"cache-control": "no-cache", "vary": "accept, cookie"}
    warnings = [*question.warnings]
    if more and not asked:
        warnings.append("There are additional results that can be requested")
    if warnings:
        headers["warning"] = ", ".join(f'299 Filmroom "{_quoted(text)}"' for text in warnings)
    if not more and (count or not question.offset):
        headers["x-total-count"] = str(question.offset + count)
    return headers


def _quoted(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)[:300]
