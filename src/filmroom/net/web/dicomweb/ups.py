"""UPS-RS: work items over HTTP (PS3.18 chapter 11)."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import LimitReached, NotReadable, RemoteFault
from filmroom.base.ids import ae_title, is_uid
from filmroom.dicom.asking import path_of, question_from_query
from filmroom.dicom.question import JsonDataset, Level
from filmroom.net.web.bodies import whole
from filmroom.net.web.dicomweb.addresses import base
from filmroom.net.web.dicomweb.negotiate import DICOM_JSON, DICOM_XML, JSON, choose
from filmroom.net.web.dicomweb.xml import xml_answer
from filmroom.net.web.dicomweb.xml_read import read_native_model
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused, problem
from filmroom.settings import WebSettings
from filmroom.wire.http.mediatypes import parse
from filmroom.workflow.attributes import element
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions
from filmroom.workflow.ups_model import FILTERED_GLOBAL, Done, Fault
from filmroom.workflow.ups_rules import TRANSACTION_UID

WORKITEMS: Final = "/dicom-web/workitems"
WORKITEM: Final = WORKITEMS + "/{workitem}"
SUBSCRIBER: Final = WORKITEM + "/subscribers/{aetitle}"
CHANNEL: Final = "/dicom-web/ws/subscribers/{aetitle}"
MAX_PARAMETERS: Final = 200

# Tables 11.4.3-1 to 11.11.3-1. A missing or wrong transaction UID is the request's fault (400), a state that does not
# allow it a conflict (409).
HTTP_STATUS: Final[Mapping[Fault, int]] = {
    Fault.DUPLICATE: 409,
    Fault.BAD_INSTANCE: 400,
    Fault.WRONG_CLASS: 400,
    Fault.NO_SUCH_ITEM: 404,
    Fault.DELETED: 410,
    Fault.MISSING: 400,
    Fault.MISSING_VALUE: 400,
    Fault.BAD_VALUE: 400,
    Fault.NOT_DECODED: 400,
    Fault.NOT_CREATED_SCHEDULED: 400,
    Fault.ENDED: 409,
    Fault.WRONG_TRANSACTION: 400,
    Fault.UNDER_WAY: 409,
    Fault.NOT_BACK: 409,
    Fault.FINAL_LACKS: 409,
    Fault.UNKNOWN_RECEIVER: 404,
    Fault.NOT_UNDER_WAY: 409,
    Fault.COMPLETED_ALREADY: 409,
    Fault.PERFORMER_AWAY: 409,
    Fault.PERFORMER_GOES_ON: 409,
    Fault.NOT_FOR_THIS: 400,
    Fault.NO_REPORTS: 403,
    Fault.NO_SUCH_ACTION: 400,
}
INCONSISTENT: Final = "The submitted request is inconsistent with the state of the UPS Instance."
WARNING: Final[Mapping[Fault, str]] = {
    Fault.MODIFIED: "The Workitem was created with modifications.",
    Fault.LOCK_NOT_GRANTED: "Deletion Lock not granted.",
    Fault.CANCELED_BEFORE: "The UPS is already in the requested state of CANCELED.",
    Fault.COMPLETED_BEFORE: "The UPS is already in the requested state of COMPLETED.",
    Fault.COERCED: "The Workitem was updated with modifications.",
    Fault.NOT_SETTABLE: "Requested optional Attributes are not supported.",
    Fault.UNKNOWN_ATTRIBUTES: "Requested optional Attributes are not supported.",
    Fault.ENDED: INCONSISTENT,
    Fault.UNDER_WAY: INCONSISTENT,
    Fault.NOT_BACK: INCONSISTENT,
    Fault.FINAL_LACKS: INCONSISTENT,
    Fault.NOT_UNDER_WAY: INCONSISTENT,
    Fault.COMPLETED_ALREADY: INCONSISTENT,
}


class UpsRs:
    """The transactions of the worklist service."""

    def __init__(self, workitems: Workitems, subscriptions: Subscriptions, settings: WebSettings) -> None:
        self._workitems = workitems
        self._subscriptions = subscriptions
        self._settings = settings

    def routes(self) -> list[Route]:
        """The resources of table 11.1-1."""
        return [
            Route(WORKITEMS, self.search),
            Route(WORKITEMS, self.create, methods=["POST"]),
            Route(WORKITEM, self.retrieve),
            Route(WORKITEM, self.update, methods=["POST"]),
            Route(WORKITEM + "/state", self.change_state, methods=["PUT"]),
            Route(WORKITEM + "/cancelrequest", self.request_cancel, methods=["POST"]),
            Route(SUBSCRIBER, self.subscribe, methods=["POST"]),
            Route(SUBSCRIBER, self.unsubscribe, methods=["DELETE"]),
            Route(SUBSCRIBER + "/suspend", self.suspend, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """11.4: ``POST /workitems?{workitem}``."""
        uid = _bare(request, "workitem")
        if uid and not is_uid(uid):
            raise NotReadable("the work item named in the address is no UID")
        given = await self._payload(request)
        done = await self._workitems.create(who(request), uid, given, source=who(request).name)
        if done.refused:
            return _refused(done)
        location = f"{base(request, self._settings.public_url)}/workitems/{done.sop_uid}"
        return Response(status_code=201, headers={**_headers(done), "location": location})

    async def retrieve(self, request: Request) -> Response:
        """11.5."""
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        done = await self._workitems.get(who(request), request.path_params["workitem"])
        return _refused(done) if done.attributes is None else _found([done.attributes], media, _headers(done))

    async def update(self, request: Request) -> Response:
        """11.6: ``POST /workitems/{workitem}?{transaction-uid}``."""
        given = await self._payload(request)
        key = _bare(request, "transaction-uid")
        done = await self._workitems.set(who(request), request.path_params["workitem"], given, transaction_uid=key)
        return self._done(request, done, 200)

    async def change_state(self, request: Request) -> Response:
        """11.7; a missing transaction UID is told apart from a wrong one."""
        given = await self._payload(request)
        done = await self._workitems.change_state(who(request), request.path_params["workitem"], given)
        missing = not (given.get(f"{TRANSACTION_UID:08X}") or {}).get("Value")
        return self._done(request, done, 200, missing=missing)

    async def request_cancel(self, request: Request) -> Response:
        """11.8: a request, which the performer may decline."""
        given = await self._payload(request, may_be_empty=True)
        done = await self._workitems.request_cancel(who(request), request.path_params["workitem"], given)
        if done.finding is not None and done.finding.fault is Fault.CANCELED_BEFORE:
            return _refused(done, 409)
        return self._done(request, done, 202)

    async def search(self, request: Request) -> Response:
        """11.9."""
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        kept = [(key, value) for key, value in _parameters(request) if key != "accept"]
        question = question_from_query(kept, Level.STUDY)
        limit = min(question.limit or self._settings.qido_default_limit, self._settings.qido_max_limit)
        if question.limit == 0:
            return Response(status_code=204)
        found = await self._workitems.search(who(request), question, limit + 1)
        more = len(found) > limit
        headers = {"cache-control": "no-cache", "vary": "accept, cookie"}
        cut = more and (question.limit is None or question.limit > limit)
        if cut:
            headers["warning"] = '299 Filmroom "There are additional results that can be requested"'
        if not found:
            return Response(status_code=204, headers=headers)
        return _found(found[:limit], media, headers, 206 if cut else 200)

    async def subscribe(self, request: Request) -> Response:
        """11.10: one item, all, or all that meet ``filter``."""
        target, receiver = request.path_params["workitem"], _receiver(request)
        lock = request.query_params.get("deletionlock", "false").lower()
        if lock not in {"true", "false"}:
            raise NotReadable("deletionlock is true or false")
        text = request.query_params.get("filter", "")
        if text and target != FILTERED_GLOBAL:
            raise NotReadable("a filter belongs to a filtered worklist subscription")
        done = await self._subscriptions.subscribe(
            who(request), target, receiver, deletion_lock=lock == "true", keys=_keys(text)
        )
        if done.refused:
            return _refused(done)
        root = base(request, self._settings.public_url)
        channel = f"ws{root.removeprefix('http')}/ws/subscribers/{receiver}"
        return Response(status_code=201, headers={**_headers(done), "content-location": channel})

    async def unsubscribe(self, request: Request) -> Response:
        """11.11."""
        target = request.path_params["workitem"]
        return self._done(request, await self._subscriptions.unsubscribe(who(request), target, _receiver(request)), 200)

    async def suspend(self, request: Request) -> Response:
        """11.12."""
        target = request.path_params["workitem"]
        return self._done(request, await self._subscriptions.suspend(who(request), target, _receiver(request)), 200)

    def _done(self, request: Request, done: Done, status: int, *, missing: bool = False) -> Response:
        if done.refused:
            return _refused(done, missing=missing)
        location = f"{base(request, self._settings.public_url)}/workitems/{done.sop_uid}"
        return Response(status_code=status, headers={**_headers(done), "content-location": location})

    async def _payload(self, request: Request, *, may_be_empty: bool = False) -> JsonDataset:
        """The one data set of a request. Raises NotReadable, Refused, LimitReached."""
        body = await whole(request, most_bytes=self._settings.max_json_bytes)
        if not body and may_be_empty:
            return {}
        media = parse(request.headers.get("content-type") or "none/none").name
        if media == DICOM_XML:
            return read_native_model(body)
        if media not in {DICOM_JSON, JSON}:
            raise Refused(415, f"send {DICOM_JSON} or {DICOM_XML}")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise NotReadable("the body is not JSON") from error
        return dataset_of(value)


def dataset_of(value: object) -> JsonDataset:
    """One data set of DICOM JSON, by itself or as the one entry of a list. Raises NotReadable."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise NotReadable("the body is not one data set of DICOM JSON")
    for name, one in value.items():
        _check(name, one)
    return {name.upper(): one for name, one in value.items() if name[:4] != "0000"}


def _check(name: object, one: object) -> None:
    """Raise NotReadable for what is no element of DICOM JSON, items of sequences included."""
    known = isinstance(name, str) and len(name) == 8 and all(c in "0123456789abcdefABCDEF" for c in name)
    if not known or not isinstance(one, dict) or not isinstance(one.get("vr"), str):
        raise NotReadable("the body is no DICOM JSON: an element has no tag, or no vr")
    values = one.get("Value", [])
    if not isinstance(values, list):
        raise NotReadable("the body is no DICOM JSON: a Value is no list")
    if one["vr"] == "SQ":
        for item in values:
            if item is not None and not isinstance(item, dict):
                raise NotReadable("the body is no DICOM JSON: an item is no object")
            for below, inner in (item or {}).items():
                _check(below, inner)


def _found(found: list[JsonDataset], media: str, headers: dict[str, str], status: int = 200) -> Response:
    told = [{**one, **element(0x00080005, "ISO_IR 192")} for one in found]
    headers.setdefault("cache-control", "no-cache")
    if media == DICOM_XML:
        return xml_answer(told, headers, status)
    return Response(orjson.dumps(told, option=orjson.OPT_SORT_KEYS), status, media_type=media, headers=headers)


def _refused(done: Done, status: int = 0, *, missing: bool = False) -> Response:
    finding = done.finding
    assert finding is not None
    if finding.fault is Fault.WRONG_TRANSACTION:
        text = f"The Transaction UID is {'missing' if missing else 'incorrect'}."
        headers = {"warning": f'299 Filmroom "{text}"'}
    else:
        headers = _headers(done)
    named = [f"{tag:08X}" for tag in finding.tags]
    more = {"attributes": named} if named else {}
    return problem(status or HTTP_STATUS[finding.fault], finding.comment or finding.fault.value, headers, **more)


def _headers(done: Done) -> dict[str, str]:
    text = WARNING.get(done.finding.fault) if done.finding is not None else None
    return {} if text is None else {"warning": f'299 Filmroom "{text}"'}


def _parameters(request: Request) -> list[tuple[str, str]]:
    text = request.scope["query_string"].decode("latin-1")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except UnicodeDecodeError as error:
        raise RemoteFault("the query is not UTF-8") from error
    except ValueError as error:
        raise LimitReached(f"a query has at most {MAX_PARAMETERS} parameters") from error


def _bare(request: Request, name: str) -> str:
    """A UID that stands as the whole query, or as its parameter ``name``."""
    text = unquote(request.scope["query_string"].decode("latin-1")).strip()
    return request.query_params.get(name, "") if "=" in text else text


def _keys(text: str) -> JsonDataset:
    """The matching keys of a filter, ``attribute=value,attribute=value``. Raises RemoteFault."""

    keys: JsonDataset = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise RemoteFault("a filter is a list of attribute=value")
        path, place = path_of(name.strip()), keys
        for tag in path[:-1]:
            place = place.setdefault(f"{tag:08X}", {"vr": "SQ", "Value": [{}]})["Value"][0]
        place |= element(path[-1], value.strip())
    return keys


def _receiver(request: Request) -> str:
    try:
        return ae_title(request.path_params["aetitle"])
    except ValueError as error:
        raise NotReadable(str(error)) from error
