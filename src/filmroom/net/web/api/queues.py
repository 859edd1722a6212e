"""``/api/v1/destinations`` and ``/api/v1/deliveries``: what goes to other nodes, and what became of it."""

from dataclasses import asdict
from typing import Annotated, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices import NoSuchDevice
from filmroom.archive.sending import Delivery, DeliveryItem, Destination, Priority, Sending
from filmroom.base.errors import NotFound
from filmroom.base.ids import AeTitle, ae_title
from filmroom.net.web.api.answers import answer, demand_match, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.jobs import next_page
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

# The greatest bigint of the database.
MAX_NUMBER = 2**63 - 1

Urgency = Literal["low", "medium", "high"]
Condition = Literal["in use", "paused", "away"]
_URGENCY: dict[Priority, Urgency] = {Priority.LOW: "low", Priority.MEDIUM: "medium", Priority.HIGH: "high"}
Uids = Annotated[list[Annotated[str, Meta(pattern=r"^[0-9.]{1,64}$")]], Meta(max_length=10_000)]


class DestinationAnswer(Shape):
    """How a destination is treated, and how it is. ``waiting``: objects that are still to go there."""

    ae_title: str
    state: Condition
    associations: int
    bytes_per_s: int | None
    failures: int
    away_until: Moment | None
    trouble: str
    waiting: int


class DestinationList(Shape):
    """Every destination that anything was ever queued for."""

    destinations: list[DestinationAnswer]


class DestinationChange(Asked):
    """How a destination is to be treated; ``bytes_per_s`` null: as fast as it takes them."""

    associations: Annotated[int, Meta(ge=1, le=32)]
    bytes_per_s: Annotated[int, Meta(ge=1)] | None = None


class DeliveryAnswer(Shape):
    """A delivery as it stands. ``repeated``: objects that the destination may have got twice."""

    id: int
    ae_title: str
    priority: Urgency
    state: str
    principal: str
    reason: str
    commit: bool
    trouble: str
    created_at: Moment
    finished_at: Moment | None
    total: int
    sent: int
    warned: int
    failed: int
    waiting: int
    repeated: int


class DeliveryList(Shape):
    """Deliveries, newest first."""

    deliveries: list[DeliveryAnswer]
    next: str | None


class DeliveriesAsked(Asked):
    """Which deliveries."""

    to: str | None = None
    state: Literal["waiting", "done", "failed", "cancelled"] | None = None
    before: Annotated[int, Meta(ge=0, le=MAX_NUMBER)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class DeliveryAsked(Asked):
    """What to send, and where: studies, series or single objects by their UIDs."""

    to: Annotated[str, Meta(description="The destination's AE title.")]
    studies: Uids = []  # noqa: RUF012 - msgspec copies it
    series: Uids = []  # noqa: RUF012
    instances: Uids = []  # noqa: RUF012
    priority: Annotated[Urgency | None, Meta(description="Null for that of the device.")] = None
    commit: Annotated[bool, Meta(description="Ask for storage commitment afterwards.")] = False
    reason: Annotated[str, Meta(max_length=200)] = ""


class ItemAnswer(Shape):
    """An object of a delivery. ``status`` is the destination's last DIMSE status."""

    n: int
    series_uid: str
    sop_class: str
    sop_uid: str
    state: str
    attempts: int
    unsure: bool
    status: int | None
    comment: str
    at: Moment | None


class ItemList(Shape):
    """The objects of a delivery, in the order of sending."""

    items: list[ItemAnswer]
    next: str | None


class ItemsAsked(Asked):
    """Which objects of a delivery."""

    state: str | None = None
    after: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class DeliveryRetried(Shape):
    """How many objects are queued again."""

    objects: int


class Queues:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._sending = services.sending
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/destinations", self.destinations),
            Route("/api/v1/destinations/{title}", self.destination),
            Route("/api/v1/destinations/{title}", self.tune, methods=["PUT"]),
            Route("/api/v1/destinations/{title}/pause", self.pause, methods=["POST"]),
            Route("/api/v1/destinations/{title}/resume", self.resume, methods=["POST"]),
            Route("/api/v1/deliveries", self.show),
            Route("/api/v1/deliveries", self.order, methods=["POST"]),
            Route("/api/v1/deliveries/{pk:int}", self.get),
            Route("/api/v1/deliveries/{pk:int}/items", self.items),
            Route("/api/v1/deliveries/{pk:int}/retry", self.retry, methods=["POST"]),
            Route("/api/v1/deliveries/{pk:int}/cancel", self.cancel, methods=["POST"]),
        ]

    @operation("List destinations", tag="deliveries", returns=DestinationList, permission=Action.VIEW)
    async def destinations(self, request: Request) -> Response:
        found = await self._there().destinations(who(request))
        return answer(DestinationList(destinations=[_destination(each) for each in found]))

    @operation(
        "Show a destination",
        tag="deliveries",
        returns=DestinationAnswer,
        errors=[404],
        permission=Action.VIEW,
        tagged=True,
    )
    async def destination(self, request: Request) -> Response:
        return tagged(request, await self._find(request))

    @operation(
        "Set how many associations a destination gets, and how much of its line",
        tag="deliveries",
        body=DestinationChange,
        returns=DestinationAnswer,
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def tune(self, request: Request) -> Response:
        asked = await body_of(request, DestinationChange, most_bytes=self._most_bytes)
        if "if-match" in request.headers:
            demand_match(request, await self._find(request))
        await self._there().configure(
            who(request), _title(request), associations=asked.associations, bytes_per_s=asked.bytes_per_s
        )
        return tagged(request, await self._find(request))

    @operation(
        "Send nothing more to a destination until it is resumed",
        tag="deliveries",
        returns=DestinationAnswer,
        permission=Action.ADMINISTER,
    )
    async def pause(self, request: Request) -> Response:
        await self._there().pause(who(request), _title(request))
        return answer(await self._find(request))

    @operation(
        "End a pause, or try a destination that is away at once",
        tag="deliveries",
        returns=DestinationAnswer,
        permission=Action.ADMINISTER,
    )
    async def resume(self, request: Request) -> Response:
        await self._there().go_on(who(request), _title(request))
        return answer(await self._find(request))

    @operation("List deliveries", tag="deliveries", query=DeliveriesAsked, returns=DeliveryList, permission=Action.VIEW)
    async def show(self, request: Request) -> Response:
        asked = query_of(request, DeliveriesAsked)
        found = await self._there().deliveries(
            who(request), to=asked.to, state=asked.state, before=asked.before, limit=asked.limit
        )
        following = next_page(request, "before", found[-1].pk) if len(found) == asked.limit else None
        return answer(DeliveryList(deliveries=[_delivery(each) for each in found], next=following))

    @operation(
        "Send studies, series or objects to a device",
        tag="deliveries",
        text="Durable when it is answered; what was there at this moment is sent, for a day if need be.",
        body=DeliveryAsked,
        returns=DeliveryAnswer,
        status=201,
        errors=[404, 422],
        permission=Action.EXPORT,
    )
    async def order(self, request: Request) -> Response:
        asked = await body_of(request, DeliveryAsked, most_bytes=self._most_bytes)
        try:
            pk = await self._there().order(
                who(request),
                asked.to,
                studies=asked.studies,
                series=asked.series,
                instances=asked.instances,
                priority=None if asked.priority is None else Priority[asked.priority.upper()],
                commit=asked.commit,
                reason=asked.reason,
            )
        except NoSuchDevice as error:
            raise Refused(422, str(error)) from error
        made = _delivery(await self._there().get(who(request), pk))
        return answer(made, 201, {"location": f"/api/v1/deliveries/{pk}"})

    @operation("Show a delivery", tag="deliveries", returns=DeliveryAnswer, errors=[404], permission=Action.VIEW)
    async def get(self, request: Request) -> Response:
        return answer(_delivery(await self._there().get(who(request), _number(request))))

    @operation(
        "List what became of each object of a delivery",
        tag="deliveries",
        query=ItemsAsked,
        returns=ItemList,
        errors=[404],
        permission=Action.VIEW,
    )
    async def items(self, request: Request) -> Response:
        asked, pk = query_of(request, ItemsAsked), _number(request)
        await self._there().get(who(request), pk)
        found = await self._there().items(who(request), pk, state=asked.state, after=asked.after, limit=asked.limit)
        following = next_page(request, "after", found[-1].n) if len(found) == asked.limit else None
        return answer(ItemList(items=[_item(each) for each in found], next=following))

    @operation(
        "Send again what failed or was called off",
        tag="deliveries",
        returns=DeliveryRetried,
        errors=[404],
        permission=Action.EXPORT,
    )
    async def retry(self, request: Request) -> Response:
        return answer(DeliveryRetried(objects=await self._there().resend(who(request), _number(request))))

    @operation(
        "Call a delivery off: what has not left is dropped",
        tag="deliveries",
        returns=DeliveryAnswer,
        errors=[404, 409],
        permission=Action.EXPORT,
    )
    async def cancel(self, request: Request) -> Response:
        pk = _number(request)
        await self._there().get(who(request), pk)
        if not await self._there().cancel(who(request), pk):
            raise Refused(409, "the delivery is at its end")
        return answer(_delivery(await self._there().get(who(request), pk)))

    def _there(self) -> Sending:
        if self._sending is None:
            raise NotFound("deliveries are not offered here")
        return self._sending

    async def _find(self, request: Request) -> DestinationAnswer:
        title = _title(request)
        for each in await self._there().destinations(who(request)):
            if each.ae_title == title:
                return _destination(each)
        raise NotFound(f"nothing was ever queued for {title}")


def _number(request: Request) -> int:
    """The delivery's number in the address. Raises NotFound."""
    number: int = request.path_params["pk"]
    if number > MAX_NUMBER:
        raise NotFound(f"no delivery has the number {number}")
    return number


def _title(request: Request) -> AeTitle:
    try:
        return ae_title(request.path_params["title"])
    except ValueError as error:
        raise Refused(422, str(error)) from error


def _destination(each: Destination) -> DestinationAnswer:
    values = asdict(each)
    state: Condition = "paused" if values.pop("paused") else "away" if each.away_until is not None else "in use"
    return DestinationAnswer(state=state, **values)


def _delivery(each: Delivery) -> DeliveryAnswer:
    values = asdict(each)
    urgency = _URGENCY[Priority(values.pop("priority"))]
    return DeliveryAnswer(id=values.pop("pk"), priority=urgency, **values)


def _item(each: DeliveryItem) -> ItemAnswer:
    return ItemAnswer(**asdict(each))
