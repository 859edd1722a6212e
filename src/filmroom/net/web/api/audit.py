"""``/api/v1/audit``: search, who saw a patient, verification; for auditors, and each look is on record itself."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.safekeeping import Safekeeping
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import NO_STORE
from filmroom.net.web.ports import WebServices
from filmroom.net.web.streams import Stream
from filmroom.security.audit import AuditEvent, AuditKind
from filmroom.security.audit_messages import fhir
from filmroom.security.audit_reading import Asked as Search
from filmroom.security.audit_reading import Found
from filmroom.security.audit_sheet import HEADINGS, cells, harmless
from filmroom.security.policy import Action

_CHUNK: Final = 65_536


class AuditRecord(Shape):
    """One record of the trail."""

    seq: int
    id: str
    at: Moment
    kind: str
    who: str
    who_name: str
    door: str
    address: str
    outcome: int
    what: str
    patients: list[dict[str, str]]
    studies: list[str]
    instances: int | None
    destination: str
    query: str
    detail: dict[str, Any]


class AuditFound(Shape):
    """Records, newest first; ``next`` is the ``before`` of those that follow, null at the end."""

    records: list[AuditRecord]
    next: int | None


class AuditQuery(Asked):
    """What is searched for."""

    patient: Annotated[str, Meta(description="Patient ID.", max_length=200)] = ""
    study: Annotated[str, Meta(description="Study Instance UID.", max_length=64)] = ""
    who: Annotated[str, Meta(description="Who did it: a name, or an id such as person:7.", max_length=200)] = ""
    kind: Annotated[str, Meta(description="Kinds, separated by commas.", max_length=500)] = ""
    failed: Annotated[bool | None, Meta(description="Only what failed or was refused; false: only what worked.")] = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class ReportQuery(Asked):
    """Of whom, and when."""

    patient: Annotated[str, Meta(description="Patient ID.", min_length=1, max_length=200)]
    since: datetime | None = None
    until: datetime | None = None


class Viewer(Shape):
    """Somebody who saw a patient's images or data."""

    who: str
    who_name: str
    times: int
    first: Moment
    last: Moment
    kinds: list[str]
    doors: list[str]


class AccessReport(Shape):
    """Everybody who saw something of a patient."""

    patient: str
    viewers: list[Viewer]


class FaultFound(Shape):
    """Where the trail is not what was written."""

    seq: int
    what: str


class VerifyAnswer(Shape):
    """What a verification found."""

    good: bool
    records: int
    last: int
    hash: str
    checkpoints: int
    faults: list[FaultFound]


class Audit:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._keeping = services.keeping
        self._source = services.settings.dimse.ae_title

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/audit", self.search),
            Route("/api/v1/audit/fhir", self.search_fhir),
            Route("/api/v1/audit/file", self.file),
            Route("/api/v1/audit/patient", self.patient),
            Route("/api/v1/audit/patient/file", self.patient_file),
            Route("/api/v1/audit/verification", self.verify, methods=["POST"]),
        ]

    @operation("Search the audit trail", tag="audit", query=AuditQuery, returns=AuditFound, permission=Action.AUDIT)
    async def search(self, request: Request) -> Response:
        asked = query_of(request, AuditQuery)
        found = await self._use.reading.search(who(request), _search(asked), asked.limit)
        more = found[-1].seq if len(found) == asked.limit else None
        return answer(AuditFound(records=[_record(each.seq, each.event) for each in found], next=more))

    @operation(
        "Search the audit trail, as a bundle of FHIR AuditEvents (R4)",
        tag="audit",
        query=AuditQuery,
        returns=dict[str, Any],
        permission=Action.AUDIT,
    )
    async def search_fhir(self, request: Request) -> Response:
        asked = query_of(request, AuditQuery)
        found = await self._use.reading.search(who(request), _search(asked), asked.limit)
        entries = [{"resource": fhir(each.event, self._source)} for each in found]
        return answer({"resourceType": "Bundle", "type": "searchset", "entry": entries})

    @operation(
        "Every record that fits, as a spreadsheet (CSV)",
        tag="audit",
        text="Newest first, however many; `limit` is not looked at.",
        query=AuditQuery,
        status=200,
        media="text/csv",
        permission=Action.AUDIT,
    )
    async def file(self, request: Request) -> Response:
        asked = _search(query_of(request, AuditQuery))
        found = self._use.reading.export(who(request), asked)
        return _sheet(_rows(found), f"audit-{self._day()}.csv")

    @operation("Who saw this patient", tag="audit", query=ReportQuery, returns=AccessReport, permission=Action.AUDIT)
    async def patient(self, request: Request) -> Response:
        asked = query_of(request, ReportQuery)
        rows = await self._use.reading.who_saw(who(request), asked.patient, since=asked.since, until=asked.until)
        return answer(AccessReport(patient=asked.patient, viewers=[Viewer(**row) for row in rows]))

    @operation(
        "Who saw this patient, as a spreadsheet (CSV)",
        tag="audit",
        text="The access report that a patient may ask for.",
        query=ReportQuery,
        status=200,
        media="text/csv",
        permission=Action.AUDIT,
    )
    async def patient_file(self, request: Request) -> Response:
        asked = query_of(request, ReportQuery)
        found = await self._use.reading.who_saw(who(request), asked.patient, since=asked.since, until=asked.until)
        return _sheet(_viewers(found), f"access-report-{self._day()}.csv")

    @operation(
        "Verify the whole trail",
        tag="audit",
        text="Goes along every record; a hundred thousand take some seconds.",
        returns=VerifyAnswer,
        permission=Action.AUDIT,
    )
    async def verify(self, request: Request) -> Response:
        found = await self._use.reading.verify(who(request))
        faults = [FaultFound(seq=fault.seq, what=fault.what) for fault in found.faults]
        return answer(
            VerifyAnswer(
                good=found.good,
                records=found.records,
                last=found.last,
                hash=found.hash,
                checkpoints=found.checkpoints,
                faults=faults,
            )
        )

    def _day(self) -> str:
        return self._use.clock.now().strftime("%Y-%m-%d")

    @property
    def _use(self) -> Safekeeping:
        if self._keeping is None:
            raise NotFound
        return self._keeping


def _sheet(rows: AsyncGenerator[Sequence[str], None], name: str) -> Response:
    async def lines() -> AsyncIterator[bytes]:
        yield "\ufeff".encode()  # by which spreadsheets know UTF-8
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        async with aclosing(rows):
            async for row in rows:
                writer.writerow(row)
                if buffer.tell() >= _CHUNK:
                    yield buffer.getvalue().encode()
                    buffer.seek(0)
                    buffer.truncate()
        yield buffer.getvalue().encode()

    headers = {"content-disposition": f'attachment; filename="{name}"', **NO_STORE}
    return Stream(lines(), headers=headers, media_type="text/csv; charset=utf-8")


async def _rows(found: AsyncGenerator[Found, None]) -> AsyncGenerator[Sequence[str], None]:
    yield HEADINGS
    async with aclosing(found):
        async for each in found:
            yield cells(each)


async def _viewers(found: Iterable[Mapping[str, Any]]) -> AsyncGenerator[Sequence[str], None]:
    yield ("who", "name", "times", "first", "last", "kinds", "doors")
    for row in found:
        seen = row["first"].isoformat(), row["last"].isoformat()
        yield harmless(
            [row["who"], row["who_name"], str(row["times"]), *seen, " ".join(row["kinds"]), " ".join(row["doors"])]
        )


def _search(asked: AuditQuery) -> Search:
    known = {kind.value: kind for kind in AuditKind}
    return Search(
        patient=asked.patient,
        study=asked.study,
        who=asked.who,
        kinds=tuple(known[name] for name in asked.kind.split(",") if name in known),
        failed=asked.failed,
        since=asked.since,
        until=asked.until,
        before=asked.before,
    )


def _record(seq: int, event: AuditEvent) -> AuditRecord:
    return AuditRecord(
        seq=seq,
        id=event.id,
        at=event.at,
        kind=event.kind.value,
        who=event.who,
        who_name=event.who_name,
        door=event.door,
        address=event.address,
        outcome=event.outcome,
        what=event.what,
        patients=[each._asdict() for each in event.patients],
        studies=list(event.studies),
        instances=event.instances,
        destination=event.destination,
        query=event.query,
        detail=dict(event.detail),
    )
