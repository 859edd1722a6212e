"""``/api/v1/orders``: orders placed, read, changed and called off, with their procedures and steps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, demand_match, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action
from filmroom.workflow import orders as use_cases
from filmroom.workflow.model import (
    BadOrder,
    Code,
    Ordered,
    OrderedPatient,
    OrderedProcedure,
    OrderedStep,
    OrderExists,
    OrderRow,
    Step,
    StepEvent,
    WrongState,
)

Page = Annotated[int, Meta(ge=1, le=1000)]
Text = Annotated[str, Meta(max_length=1024)]
# Local time of the hospital, without a zone.
Local = Annotated[datetime, Meta(tz=False)]


class CodeGiven(Asked):
    """A coded entry."""

    value: Text
    scheme: Text
    meaning: Text


class StepGiven(Asked):
    """A scheduled step."""

    modality: Text
    start: Local
    stations: list[Text] = msgspec.field(default_factory=list)
    location: Text = ""
    description: Text = ""
    performing: Text = ""
    protocols: list[CodeGiven] = msgspec.field(default_factory=list)
    comments: Text = ""
    id: Text = ""


class ProcedureGiven(Asked):
    """A requested procedure: its images are one study."""

    steps: list[StepGiven]
    description: Text = ""
    code: CodeGiven | None = None
    priority: Text = ""
    reason: Text = ""
    comments: Text = ""
    id: Text = ""
    study_uid: Text = ""


class PatientGiven(Asked):
    """For whom."""

    id: Text
    name: Annotated[str, Meta(max_length=1024, description="FAMILY^GIVEN; groups separated by =")]
    issuer: Text = ""
    birth_date: Text = ""
    sex: Text = ""


class OrderGiven(Asked):
    """An order; what is left out is generated or stays unknown."""

    patient: PatientGiven
    procedures: list[ProcedureGiven]
    accession: Text = ""
    accession_issuer: Text = ""
    placer_number: Text = ""
    filler_number: Text = ""
    admission_id: Text = ""
    referring: Text = ""
    requesting: Text = ""
    service: Text = ""
    patient_location: Text = ""
    extend: Annotated[bool, Meta(description="Add the procedures to an order that has the accession number")] = False
    why: Text = ""


class OrderQuery(Asked):
    """Which orders."""

    accession: str = ""
    patient_id: str = ""
    state: str = ""
    before: int | None = None
    limit: Page = 100


class OneQuery(Asked):
    """Which order, among those with its accession number."""

    issuer: str = ""
    why: str = ""


class StepChange(Asked):
    """What happens to a step: another time or place, or an event of its life."""

    start: Local | None = None
    stations: list[Text] | None = None
    event: StepEvent | None = None
    why: Text = ""


class PlacedOrder(Shape):
    """What an order became."""

    accession: str
    study_uids: list[str]
    procedure_ids: list[str]
    step_ids: list[str]


class StepShown(Shape):
    """A step as it stands."""

    id: int
    step_id: str
    procedure_id: str
    accession: str
    study_uid: str
    patient_id: str
    patient_name: str
    modality: str
    stations: list[str]
    start_date: str
    start_time: str
    status: str
    description: str


class OrderShown(Shape):
    """An order as it is listed."""

    id: int
    accession: str
    accession_issuer: str
    patient_id: str
    patient_issuer: str
    state: str
    placer_number: str
    filler_number: str
    version: int
    created_at: Moment
    updated_at: Moment


class OrderWhole(Shape):
    """An order with its steps."""

    order: OrderShown
    steps: list[StepShown]


class OrderPage(Shape):
    """A page of orders; ``next`` is the ``before`` of the following one."""

    orders: list[OrderShown]
    next: int | None


class Cancelled(Shape):
    """The steps that calling an order off changed."""

    step_ids: list[str]


class Orders:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/orders", self.list),
            Route("/api/v1/orders", self.place, methods=["POST"]),
            Route("/api/v1/orders/{accession}", self.show),
            Route("/api/v1/orders/{accession}", self.cancel, methods=["DELETE"]),
            Route("/api/v1/orders/{accession}/steps/{step}", self.change, methods=["PATCH"]),
        ]

    @property
    def _orders(self) -> use_cases.Orders:
        if self._services.orders is None:
            raise NotFound
        return self._services.orders

    @operation("List orders, newest first", tag="orders", query=OrderQuery, returns=OrderPage, permission=Action.VIEW)
    async def list(self, request: Request) -> Response:
        wanted = query_of(request, OrderQuery)
        found = await self._orders.listed(
            who(request),
            accession=wanted.accession,
            patient_id=wanted.patient_id,
            state=wanted.state,
            before=wanted.before,
            limit=wanted.limit + 1,
        )
        page = found[: wanted.limit]
        following = page[-1].pk if len(found) > wanted.limit else None
        return answer(OrderPage(orders=[order_shown(one) for one in page], next=following))

    @operation(
        "Place an order",
        tag="orders",
        body=OrderGiven,
        returns=PlacedOrder,
        status=201,
        errors=(409, 422),
        permission=Action.STORE,
    )
    async def place(self, request: Request) -> Response:
        given = await body_of(request, OrderGiven, most_bytes=self._most_bytes)
        async with worded():
            placed = await self._orders.add(who(request), ordered(given), extend=given.extend, why=given.why)
        body = PlacedOrder(
            accession=placed.accession,
            study_uids=[*placed.study_uids],
            procedure_ids=[*placed.procedure_ids],
            step_ids=[*placed.step_ids],
        )
        return answer(body, 201, {"location": f"/api/v1/orders/{placed.accession}"})

    @operation("Read an order", tag="orders", query=OneQuery, returns=OrderWhole, permission=Action.VIEW, tagged=True)
    async def show(self, request: Request) -> Response:
        return tagged(request, await self._whole(request))

    @operation(
        "Call an order off",
        tag="orders",
        query=OneQuery,
        returns=Cancelled,
        errors=(409, 412),
        permission=Action.STORE,
        tagged=True,
    )
    async def cancel(self, request: Request) -> Response:
        wanted = query_of(request, OneQuery)
        demand_match(request, await self._whole(request))
        async with worded():
            steps = await self._orders.cancel(
                who(request), request.path_params["accession"], issuer=wanted.issuer, why=wanted.why
            )
        return answer(Cancelled(step_ids=steps))

    @operation(
        "Change a step: when, where, or what happened to it",
        tag="orders",
        body=StepChange,
        query=OneQuery,
        returns=OrderWhole,
        errors=(409, 412, 422),
        permission=Action.STORE,
        tagged=True,
    )
    async def change(self, request: Request) -> Response:
        given = await body_of(request, StepChange, most_bytes=self._most_bytes)
        whole = await self._whole(request)
        demand_match(request, whole)
        step = next((one for one in whole.steps if one.step_id == request.path_params["step"]), None)
        if step is None:
            raise NotFound("the order has no such step")
        async with worded():
            if given.start is not None or given.stations is not None:
                await self._orders.reschedule(
                    who(request), step.id, start=given.start, stations=given.stations, why=given.why
                )
            if given.event is not None:
                await self._orders.tell(who(request), step.id, given.event, why=given.why)
        return tagged(request, await self._whole(request))

    async def _whole(self, request: Request) -> OrderWhole:
        issuer = request.query_params.get("issuer", "")
        row, steps = await self._orders.order(who(request), request.path_params["accession"], issuer=issuer)
        return OrderWhole(order=order_shown(row), steps=[step_shown(one) for one in steps])


@asynccontextmanager
async def worded() -> AsyncIterator[None]:
    """Faults of orders with their statuses."""
    try:
        yield
    except BadOrder as error:
        raise Refused(422, str(error)) from error
    except ValueError as error:
        raise Refused(422, str(error)) from error
    except (OrderExists, WrongState) as error:
        raise Refused(409, str(error)) from error


def ordered(given: OrderGiven) -> Ordered:
    """What was sent, as the ward's value."""
    return Ordered(
        patient=OrderedPatient(**msgspec.structs.asdict(given.patient)),
        procedures=tuple(_procedure(one) for one in given.procedures),
        accession=given.accession,
        accession_issuer=given.accession_issuer,
        placer_number=given.placer_number,
        filler_number=given.filler_number,
        admission_id=given.admission_id,
        referring=given.referring,
        requesting=given.requesting,
        service=given.service,
        patient_location=given.patient_location,
    )


def _procedure(given: ProcedureGiven) -> OrderedProcedure:
    return OrderedProcedure(
        steps=tuple(_step(one) for one in given.steps),
        description=given.description,
        code=_code(given.code) if given.code is not None else None,
        priority=given.priority,
        reason=given.reason,
        comments=given.comments,
        id=given.id,
        study_uid=given.study_uid,
    )


def _step(given: StepGiven) -> OrderedStep:
    return OrderedStep(
        modality=given.modality,
        start=given.start,
        stations=tuple(given.stations),
        location=given.location,
        description=given.description,
        performing=given.performing,
        protocols=tuple(_code(one) for one in given.protocols),
        comments=given.comments,
        id=given.id,
    )


def _code(given: CodeGiven) -> Code:
    return Code(given.value, given.scheme, given.meaning)


def order_shown(row: OrderRow) -> OrderShown:
    """An order as it is answered."""
    return OrderShown(
        id=row.pk,
        accession=row.accession,
        accession_issuer=row.accession_issuer,
        patient_id=row.patient_id,
        patient_issuer=row.patient_issuer,
        state=row.state,
        placer_number=row.placer_number,
        filler_number=row.filler_number,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def step_shown(step: Step) -> StepShown:
    """A step as it is answered."""
    return StepShown(
        id=step.pk,
        step_id=step.step_id,
        procedure_id=step.procedure_id,
        accession=step.accession,
        study_uid=step.study_uid,
        patient_id=step.patient_id,
        patient_name=step.patient_name,
        modality=step.modality,
        stations=[*step.stations],
        start_date=step.start_date,
        start_time=step.start_time,
        status=step.status.value,
        description=step.description,
    )
