"""``/viewer?requestType=...``, also ``/viewer/iid``: another program opens a patient or a study in the viewer
(IHE RAD-106, Invoke Image Display).

The answer is a redirection to the viewer's own address, or 400 and 404 as the transaction has it (RAD TF-2
4.106.4.1.3). A person who is not signed in comes here again after the login page.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from filmroom.base.errors import NotFound, RemoteFault
from filmroom.base.ids import is_uid
from filmroom.dicom.asking import question_from_query
from filmroom.dicom.question import JsonDataset, Level, Order, Question
from filmroom.net.web.door import who
from filmroom.net.web.ports import Query

# Studies side by side; the viewer lists the patient's others by itself.
MAX_STUDIES: Final = 20
_STUDY_UID, _STUDY_DATE, _STUDY_TIME = "0020000D", (0x00080020,), (0x00080030,)
_NEWEST_FIRST: Final = (Order(_STUDY_DATE, descending=True), Order(_STUDY_TIME, descending=True))
_PATIENT_KEYS: Final[Mapping[str, str]] = {"patientName": "PatientName", "patientBirthDate": "PatientBirthDate"}


class BadInvocation(RemoteFault):
    """The address does not say what to display."""


class Launch:
    """Invoke Image Display."""

    def __init__(self, query: Query) -> None:
        self._query = query

    async def open(self, request: Request) -> Response:
        """``requestType=STUDY`` with ``studyUID`` or ``accessionNumber``, or ``requestType=PATIENT`` with
        ``patientID``."""
        asked = request.query_params
        kind = asked.get("requestType", "")
        if kind == "STUDY":
            studies = await self._studies(request, asked)
        elif kind == "PATIENT":
            studies = await self._patient(request, asked)
        else:
            raise BadInvocation("requestType must be STUDY or PATIENT")
        return RedirectResponse(viewer_address(studies), 303, headers={"cache-control": "no-store"})

    async def open_or_home(self, request: Request) -> Response:
        """The same at the viewer's own address; without ``requestType`` its study list."""
        if "requestType" in request.query_params:
            return await self.open(request)
        return RedirectResponse("/viewer/", 303)

    async def _studies(self, request: Request, asked: QueryParams) -> list[str]:
        uids, numbers = _listed(asked, "studyUID"), _listed(asked, "accessionNumber")
        if bool(uids) == bool(numbers):
            raise BadInvocation("requestType STUDY needs either studyUID or accessionNumber")
        if len(uids) + len(numbers) > MAX_STUDIES:
            raise BadInvocation(f"at most {MAX_STUDIES} studies are displayed at a time")
        if not all(map(is_uid, uids)):
            raise BadInvocation("a studyUID is no UID")
        found: list[str] = []
        for key, values in (("StudyInstanceUID", uids), ("AccessionNumber", numbers)):
            for value in values:
                found += await self._find(request, [(key, value)], MAX_STUDIES)
        if not found:
            raise NotFound("no such study, or it may not be seen")
        return list(dict.fromkeys(found))[:MAX_STUDIES]

    async def _patient(self, request: Request, asked: QueryParams) -> list[str]:
        identifier = asked.get("patientID", "")
        patient_id, _, rest = identifier.partition("^^^")
        if not patient_id:
            raise BadInvocation("requestType PATIENT needs patientID")
        keys = [("PatientID", patient_id)]
        if issuer := rest.partition("&")[0]:
            keys.append(("IssuerOfPatientID", issuer))
        keys += [(name, asked[each]) for each, name in _PATIENT_KEYS.items() if asked.get(each)]
        low, high = (_date(asked.get(name, "")) for name in ("lowerDateTime", "upperDateTime"))
        if low or high:
            keys.append(("StudyDate", f"{low}-{high}"))
        if modalities := _listed(asked, "modalitiesInStudy"):
            keys.append(("ModalitiesInStudy", "\\".join(modalities)))
        recent = asked.get("mostRecentResults", "1")
        if not recent.isascii() or not recent.isdigit() or int(recent[:6]) < 1:
            raise BadInvocation("mostRecentResults must be a number from 1 on")
        found = await self._find(request, keys, min(int(recent[:6]), MAX_STUDIES))
        if not found:
            raise NotFound("no study of such a patient, or it may not be seen")
        return found

    async def _find(self, request: Request, keys: list[tuple[str, str]], limit: int) -> list[str]:
        """Study UIDs, newest first."""
        question: Question = question_from_query(keys, Level.STUDY, fixed={})
        page, _ = await self._query.page(
            who(request), dataclasses.replace(question, order=_NEWEST_FIRST, limit=limit, returns=((0x0020000D,),))
        )
        return [_uid(each) for each in page if _uid(each)]


def viewer_address(studies: list[str]) -> str:
    """Where the viewer shows these studies."""
    return f"/viewer/viewer?StudyInstanceUIDs={quote(','.join(studies), safe=',.')}"


def _uid(study: JsonDataset) -> str:
    return str((study.get(_STUDY_UID, {}).get("Value") or [""])[0])


def _listed(asked: QueryParams, name: str) -> list[str]:
    """A comma-separated parameter, which may be there several times."""
    values = (value for given in asked.getlist(name) for value in given.split(","))
    return [value.strip() for value in values if value.strip()]


def _date(moment: str) -> str:
    """The date of an XML or DICOM point in time."""
    digits = "".join(c for c in moment.partition("T")[0] if c in "0123456789")[:8]
    if moment and len(digits) != 8:
        raise BadInvocation("lowerDateTime and upperDateTime begin with a whole date")
    return digits
