"""Storage commitment over the web (PS3.18 chapter 13)."""

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.commitment import Taken
from filmroom.archive.commitment_model import Reference, Result, Transaction
from filmroom.archive.commitment_web import WebCommitments
from filmroom.base.errors import NotReadable
from filmroom.base.ids import is_uid
from filmroom.dicom.question import JsonDataset
from filmroom.net.web.bodies import whole
from filmroom.net.web.dicomweb.negotiate import DICOM_JSON, DICOM_XML, JSON, choose
from filmroom.net.web.dicomweb.ups import dataset_of
from filmroom.net.web.dicomweb.xml import xml_answer
from filmroom.net.web.dicomweb.xml_read import read_native_model
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.settings import WebSettings
from filmroom.wire.http.mediatypes import parse
from filmroom.workflow.attributes import first, items

REQUEST: Final = "/dicom-web/commitment-requests/{transaction}"
RETRY_AFTER_S: Final = 2


class WebCommitment:
    """Request and result check."""

    def __init__(self, commitments: WebCommitments, settings: WebSettings) -> None:
        self._commitments = commitments
        self._settings = settings

    def routes(self) -> list[Route]:
        return [Route(REQUEST, self.ask, methods=["POST"]), Route(REQUEST, self.result)]

    async def ask(self, request: Request) -> Response:
        """13.4: taken durably, and worked on."""
        uid = request.path_params["transaction"]
        if not is_uid(uid):
            raise NotReadable("the transaction named in the address is no UID")
        references = _references(await self._payload(request))
        taken = await self._commitments.ask(who(request), Transaction(uid, references))
        if taken is Taken.DUPLICATE:
            raise Refused(409, "the transaction UID is already in use")
        return _working()

    async def result(self, request: Request) -> Response:
        """13.5: the result, or 202 while there is none."""
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        answer = await self._commitments.result(who(request), request.path_params["transaction"])
        if answer.result is None:
            return _working()
        told, headers = _dataset(answer.result), {"cache-control": "no-store"}
        if media == DICOM_XML:
            return xml_answer([told], headers)
        return Response(orjson.dumps([told]), media_type=media, headers=headers)

    async def _payload(self, request: Request) -> JsonDataset:
        body = await whole(request, most_bytes=self._settings.max_json_bytes)
        media = parse(request.headers.get("content-type") or "none/none").name
        if media == DICOM_XML:
            return read_native_model(body)
        if media not in {DICOM_JSON, JSON}:
            raise Refused(415, f"send {DICOM_JSON} or {DICOM_XML}")
        try:
            return dataset_of(orjson.loads(body))
        except orjson.JSONDecodeError as error:
            raise NotReadable("the body is not JSON") from error


def _references(given: JsonDataset) -> tuple[Reference, ...]:
    found = tuple(
        dict.fromkeys(
            Reference(str(first(one, 0x00081150)), str(first(one, 0x00081155))) for one in items(given, 0x00081199)
        )
    )
    if not found or not all(is_uid(each.sop_uid) and is_uid(each.sop_class) for each in found):
        raise NotReadable("Referenced SOP Sequence names no objects, or not by class and UID")
    if len({each.sop_uid for each in found}) < len(found):
        raise NotReadable("an object is referenced with two SOP classes")
    return found


def _working() -> Response:
    return Response(status_code=202, headers={"retry-after": str(RETRY_AFTER_S), "cache-control": "no-store"})


def _dataset(result: Result) -> JsonDataset:
    told: JsonDataset = {"00081195": {"vr": "UI", "Value": [result.transaction_uid]}}
    if result.committed:
        told["00081199"] = {"vr": "SQ", "Value": [_item(each) for each in result.committed]}
    if result.failed:
        failed = [_item(each.reference) | {"00081197": {"vr": "US", "Value": [each.reason]}} for each in result.failed]
        told["00081198"] = {"vr": "SQ", "Value": failed}
    return told


def _item(reference: Reference) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [reference.sop_class]},
        "00081155": {"vr": "UI", "Value": [reference.sop_uid]},
    }
