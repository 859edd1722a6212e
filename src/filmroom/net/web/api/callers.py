"""``/api/v1/callers``: who was turned away or did not get what it asked for, why, and what to do about it."""

from typing import Annotated, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices_callers import MAX_KEPT, USUAL_PORT, CallerRow, Callers, NotApprovable
from filmroom.base.errors import NotFound
from filmroom.dicom.sopclass import STORAGE_SOP_CLASSES
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.devices import DeviceAnswer, DevicePatch, device_shape, told
from filmroom.net.web.bodies import json_object, query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Misfit, Refused, Unfit
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


class ProposedAnswer(Shape):
    """What it proposed for one SOP class; ``scu`` and ``scp`` are the roles it wants itself."""

    sop_class: str
    syntaxes: list[str]
    scu: bool
    scp: bool
    storage: bool


class CallerAnswer(Shape):
    """One way in which calls went wrong, however often. ``approvable``: approving it mends it."""

    id: int
    calling_ae: str
    called_ae: str
    address: str
    reason: str
    what: str
    todo: str
    detail: str
    approvable: bool
    vendor: str
    implementation_class: str
    implementation_version: str
    services: list[str]
    proposal: list[ProposedAnswer]
    attempts: int
    first_seen: Moment
    last_seen: Moment
    state: str


class CallerList(Shape):
    """The latest first."""

    callers: list[CallerAnswer]


class CallersAsked(Asked):
    """Which callers are wanted."""

    state: Literal["pending", "dismissed"] = "pending"
    limit: Annotated[int, Meta(ge=1, le=MAX_KEPT)] = 200


class Approval(DevicePatch):
    """What is to be otherwise than the call suggests, keys of a device."""


class CallersApi:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._found = services.callers
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/callers", self.show),
            Route("/api/v1/callers/{pk:int}/approve", self.approve, methods=["POST"]),
            Route("/api/v1/callers/{pk:int}/dismiss", self.dismiss, methods=["POST"]),
        ]

    @operation(
        "List callers that were turned away",
        tag="devices",
        query=CallersAsked,
        returns=CallerList,
        permission=Action.ADMINISTER,
    )
    async def show(self, request: Request) -> Response:
        asked = query_of(request, CallersAsked)
        rows = await self._callers.list(who(request), state=asked.state, most=asked.limit)
        return answer(CallerList(callers=[_shape(row) for row in rows]))

    @operation(
        "Approve a caller",
        tag="devices",
        text="Registers the device with what its call suggests, or changes the registered one so that it may do what "
        "it tried; an empty object takes the suggestion as it is. 409 where approving cannot mend it.",
        body=Approval,
        returns=DeviceAnswer,
        errors=[404, 409],
        permission=Action.ADMINISTER,
    )
    async def approve(self, request: Request) -> Response:
        body = await json_object(request, most_bytes=self._most_bytes)
        port = body.get("port", USUAL_PORT)
        if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            raise Unfit([Misfit("/port", "must be a whole number from 1 to 65535")])
        with told():
            try:
                device = await self._callers.approve(who(request), request.path_params["pk"], changes=body, port=port)
            except NotApprovable as error:
                raise Refused(409, str(error)) from error
        return answer(device_shape(device))

    @operation(
        "Show a caller no more",
        tag="devices",
        text="It stays dismissed however often it calls in the same way.",
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def dismiss(self, request: Request) -> Response:
        await self._callers.dismiss(who(request), request.path_params["pk"])
        return nothing()

    @property
    def _callers(self) -> Callers:
        if self._found is None:
            raise NotFound
        return self._found


def _shape(row: CallerRow) -> CallerAnswer:
    proposal = [
        ProposedAnswer(
            sop_class=each.sop_class,
            syntaxes=list(each.syntaxes),
            scu=each.scu,
            scp=each.scp,
            storage=each.sop_class in STORAGE_SOP_CLASSES,
        )
        for each in row.proposal
    ]
    return CallerAnswer(
        id=row.pk,
        calling_ae=row.calling_ae,
        called_ae=row.called_ae,
        address=row.address,
        reason=row.reason.value,
        what=row.advice.what,
        todo=row.advice.todo,
        detail=row.detail,
        approvable=row.advice.approvable,
        vendor=row.vendor,
        implementation_class=row.implementation_class,
        implementation_version=row.implementation_version,
        services=list(row.services),
        proposal=proposal,
        attempts=row.attempts,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        state=row.state,
    )
