"""``/api/v1/worklist``: scheduled steps by start, the queries that modalities asked, and what their keys removed."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices import WorklistPolicy
from filmroom.base.errors import NotFound, RemoteFault
from filmroom.dicom.question import Key, Range, SequenceMatch, Single
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.orders import Page, StepShown, step_shown
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action
from filmroom.workflow import attributes, mwl
from filmroom.workflow.asking import read
from filmroom.workflow.candidates import Candidates, one_of, step_of
from filmroom.workflow.debugger import HINTS, REASONS, Diagnosis
from filmroom.workflow.model import OPEN, StepStatus

Day = Annotated[str, Meta(pattern="^([0-9]{8})?$")]


class StepsQuery(Asked):
    """Which steps; without ``status`` those that are open."""

    first_day: Day = ""
    last_day: Day = ""
    modality: list[str] = msgspec.field(default_factory=list)
    status: list[StepStatus] = msgspec.field(default_factory=list)
    station: str = ""
    patient_id: str = ""
    accession: str = ""
    after: Annotated[str, Meta(description="``next`` of the page before")] = ""
    limit: Page = 100


class QueriesQuery(Asked):
    """Which remembered queries."""

    calling_ae: str = ""
    limit: Page = 50


class Explain(Asked):
    """A query to be replayed: one that is remembered, or an identifier as DICOM JSON."""

    query: int | None = None
    identifier: dict[str, Any] | None = None
    calling_ae: str = ""
    day: Day = ""


class StepPage(Shape):
    """A page of steps by start."""

    steps: list[StepShown]
    next: str | None


class QueryShown(Shape):
    """A worklist query as it was asked."""

    id: int
    at: Moment
    calling_ae: str
    fuzzy: bool
    matches: int
    status: str
    took_ms: float
    identifier: dict[str, Any]


class QueryList(Shape):
    """Remembered queries, newest first."""

    queries: list[QueryShown]


class ReasonShown(Shape):
    """One key, or one rule, that removed a step."""

    code: str
    meaning: str
    keyword: str
    asked: str
    held: str
    by_policy: bool


class VerdictShown(Shape):
    """One step, and what removed it."""

    step: StepShown
    shown: bool
    reasons: list[ReasonShown]


class HintShown(Shape):
    """What strikes about the query itself."""

    code: str
    meaning: str


class Explained(Shape):
    """What became of every step of the day under the query."""

    first_day: str
    last_day: str
    shown: int
    verdicts: list[VerdictShown]
    hints: list[HintShown]
    kills: dict[str, int]
    alone: dict[str, int]


class Worklist:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/worklist", self.steps),
            Route("/api/v1/worklist/queries", self.queries),
            Route("/api/v1/worklist/explain", self.explain, methods=["POST"]),
        ]

    @operation(
        "List scheduled steps by start", tag="worklist", query=StepsQuery, returns=StepPage, permission=Action.VIEW
    )
    async def steps(self, request: Request) -> Response:
        if self._services.orders is None:
            raise NotFound
        wanted = query_of(request, StepsQuery)
        found = await self._services.orders.page(
            who(request), _candidates(wanted), wanted.limit + 1, _place(wanted.after)
        )
        page = found[: wanted.limit]
        following = "~".join(map(str, page[-1].place)) if len(found) > wanted.limit else None
        return answer(StepPage(steps=[step_shown(step_of(one)) for one in page], next=following))

    @operation(
        "List the last worklist queries of modalities",
        tag="worklist",
        query=QueriesQuery,
        returns=QueryList,
        permission=Action.ADMINISTER,
    )
    async def queries(self, request: Request) -> Response:
        if self._services.worklist is None:
            raise NotFound
        wanted = query_of(request, QueriesQuery)
        found = await self._services.worklist.captured(who(request), wanted.calling_ae, wanted.limit)
        return answer(QueryList(queries=[_query(one) for one in found]))

    @operation(
        "Say for every step which key of a query removed it",
        tag="worklist",
        body=Explain,
        returns=Explained,
        errors=(404, 422),
        permission=Action.ADMINISTER,
    )
    async def explain(self, request: Request) -> Response:
        services = self._services
        if services.worklist is None or services.worklist_debugger is None:
            raise NotFound
        given = await body_of(request, Explain, most_bytes=self._most_bytes)
        identifier, calling, fuzzy = given.identifier, given.calling_ae, False
        if given.query is not None:
            kept = await services.worklist.captured_query(who(request), given.query)
            identifier, calling, fuzzy = kept.identifier, calling or kept.calling_ae, kept.fuzzy
        if identifier is None:
            raise Refused(422, "give a remembered query or an identifier")
        device = await services.devices.find(calling) if calling else None
        policy = device.policy.worklist if device is not None else WorklistPolicy()
        try:
            asked = read(identifier, calling_ae=calling, policy=policy, fuzzy=fuzzy)
        except (RemoteFault, AttributeError, TypeError, ValueError) as error:
            raise Refused(422, f"the identifier cannot be read: {error}") from error
        return answer(_explained(await services.worklist_debugger.explain(who(request), asked, day=given.day)))


def _candidates(wanted: StepsQuery) -> Candidates:
    keys = [
        one_of(tag, vr, value)
        for tag, vr, value in (
            (attributes.PATIENT_ID, "LO", wanted.patient_id),
            (attributes.ACCESSION, "SH", wanted.accession),
        )
        if value
    ]
    if wanted.station:
        station = Key((attributes.STATION,), "AE", Single(wanted.station))
        keys.append(Key((attributes.STEP_SEQUENCE,), "SQ", SequenceMatch((station,))))
    return Candidates(
        keys=tuple(keys),
        statuses=frozenset(wanted.status) or OPEN,
        modalities=frozenset(wanted.modality) or None,
        days=Range(wanted.first_day, wanted.last_day),
    )


def _place(text: str) -> tuple[str, str, int] | None:
    if not text:
        return None
    date, _, rest = text.partition("~")
    time, _, pk = rest.partition("~")
    if not pk.isdecimal() or len(pk) > 18:
        raise Refused(422, "after is not the next of a page")
    return date, time, int(pk)


def _query(one: mwl.Captured) -> QueryShown:
    return QueryShown(
        id=one.pk,
        at=one.at,
        calling_ae=one.calling_ae,
        fuzzy=one.fuzzy,
        matches=one.matches,
        status=f"{one.status:04X}",
        took_ms=round(one.took_ms, 1),
        identifier=one.identifier,
    )


def _explained(found: Diagnosis) -> Explained:
    return Explained(
        first_day=found.day.low,
        last_day=found.day.high,
        shown=found.shown,
        verdicts=[
            VerdictShown(
                step=step_shown(one.step),
                shown=one.shown,
                reasons=[
                    ReasonShown(
                        code=why.code,
                        meaning=REASONS[why.code],
                        keyword=why.keyword,
                        asked=why.asked,
                        held=why.held,
                        by_policy=why.by_policy,
                    )
                    for why in one.reasons
                ],
            )
            for one in found.verdicts
        ],
        hints=[HintShown(code=code, meaning=HINTS[code]) for code in found.hints],
        kills=dict(found.kills),
        alone=dict(found.alone),
    )
