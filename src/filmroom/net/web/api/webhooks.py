"""``/api/v1/webhooks``: programs that are told what happened."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.base.errors import NotFound
from filmroom.integration.webhooks import Webhooks as Subscriptions
from filmroom.integration.webhooks_model import Webhook, WebhookDelivery
from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.jobs import next_page
from filmroom.net.web.bodies import body_of, query_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

MAX_OVERLAP_HOURS = 24 * 30

_TEXT = """Each event is a POST of a CloudEvents 1.0 JSON object: `type` is `filmroom.` and the fact's kind, `data` the
fact, `sequence` its number in the change feed. It is signed by the Standard Webhooks convention: `webhook-id` (the same
at each attempt), `webhook-timestamp` (seconds) and `webhook-signature`, `v1,` and the base64 HMAC-SHA256 of
`id.timestamp.body` under the bytes that the secret's base64 after `whsec_` stands for; during a rotation there are two,
separated by a space. Any 2xx is a receipt. 408, 425, 429, 5xx and silence are tried again for
`feed.webhook_retry_hours`, in order; 410 turns the subscription off; anything else, a redirect included, fails for good
(it can be sent again). Private addresses are refused unless `feed.webhook_networks` names them."""

Texts = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=100)]


class WebhookAnswer(Shape):
    """A subscription. ``waiting``: events on their way; ``former_until``: how long the former secret signs as well."""

    id: int
    url: str
    description: str
    kinds: list[str]
    condition: dict[str, list[str]]
    enabled: bool
    owner: str
    seq: int
    created_at: Moment
    former_until: Moment | None
    waiting: int


class WebhookList(Shape):
    """All subscriptions."""

    webhooks: list[WebhookAnswer]


class WebhookAsked(Asked):
    """A subscription as it is to be."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    description: Annotated[str, Meta(max_length=500)] = ""
    kinds: Annotated[Texts, Meta(description="Kinds of facts; empty: all.")] = []  # noqa: RUF012
    condition: Annotated[
        dict[str, Texts], Meta(description="Field of the fact -> values, one of which it must have.", max_length=20)
    ] = {}  # noqa: RUF012
    enabled: bool = True


class WebhookMade(Shape):
    """A new subscription, with the secret of its signatures: shown once."""

    webhook: WebhookAnswer
    secret: str


class RotationAsked(Asked):
    """How long the former secret signs beside the new one."""

    overlap_hours: Annotated[float, Meta(ge=0, le=MAX_OVERLAP_HOURS)] = 24


class SecretAnswer(Shape):
    """The new secret: shown once."""

    secret: str


class WebhookDeliveryAnswer(Shape):
    """An event for a subscription, and what became of it. ``seq`` 0: a test."""

    id: int
    seq: int
    kind: str
    at: Moment
    data: dict[str, Any]
    state: str
    attempts: int
    status: int | None
    trouble: str
    took_ms: int | None
    job_id: int | None
    created_at: Moment
    finished_at: Moment | None


class WebhookDeliveryList(Shape):
    """The log of a subscription, newest first."""

    deliveries: list[WebhookDeliveryAnswer]
    next: str | None


class LogAsked(Asked):
    """Which lines of the log."""

    state: Literal["waiting", "delivered", "failed"] | None = None
    before: Annotated[int, Meta(ge=1, description="Older than this number (of `next`).")] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class Webhooks:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._webhooks = services.webhooks
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/webhooks/{pk:int}"
        return [
            Route("/api/v1/webhooks", self.show),
            Route("/api/v1/webhooks", self.add, methods=["POST"]),
            Route(one, self.get),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/test", self.test, methods=["POST"]),
            Route(f"{one}/rotate-secret", self.rotate, methods=["POST"]),
            Route(f"{one}/deliveries", self.log),
            Route(f"{one}/deliveries/{{delivery:int}}/retry", self.retry, methods=["POST"]),
        ]

    @operation("List webhooks", tag="webhooks", text=_TEXT, returns=WebhookList, permission=Action.ADMINISTER)
    async def show(self, request: Request) -> Response:
        return answer(WebhookList(webhooks=[_shape(each) for each in await self._there().all(who(request))]))

    @operation(
        "Subscribe to what happens from now on",
        tag="webhooks",
        body=WebhookAsked,
        returns=WebhookMade,
        status=201,
        permission=Action.ADMINISTER,
        secret=True,
    )
    async def add(self, request: Request) -> Response:
        asked = await body_of(request, WebhookAsked, most_bytes=self._most_bytes)
        made, secret = await self._there().add(
            who(request), asked.url, kinds=asked.kinds, condition=asked.condition, description=asked.description
        )
        return answer(
            WebhookMade(webhook=_shape(made), secret=secret), 201, {"location": f"/api/v1/webhooks/{made.pk}"}
        )

    @operation(
        "Show a webhook",
        tag="webhooks",
        returns=WebhookAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def get(self, request: Request) -> Response:
        return tagged(request, _shape(await self._there().get(who(request), request.path_params["pk"])))

    @operation(
        "Change a webhook, turn it off or on",
        tag="webhooks",
        text="Turned on again, it goes on with the fact at which it was turned off.",
        body=WebhookAsked,
        returns=WebhookAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def put(self, request: Request) -> Response:
        asked = await body_of(request, WebhookAsked, most_bytes=self._most_bytes)
        await self._match(request)
        changed = await self._there().change(
            who(request),
            request.path_params["pk"],
            url=asked.url,
            kinds=asked.kinds,
            condition=asked.condition,
            description=asked.description,
            enabled=asked.enabled,
        )
        return tagged(request, _shape(changed))

    @operation("Remove a webhook", tag="webhooks", errors=[404], permission=Action.ADMINISTER, tagged=True)
    async def remove(self, request: Request) -> Response:
        await self._match(request)
        await self._there().remove(who(request), request.path_params["pk"])
        return nothing()

    @operation(
        "Send a test event at once",
        tag="webhooks",
        returns=WebhookDeliveryAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def test(self, request: Request) -> Response:
        return answer(_line(await self._there().test(who(request), request.path_params["pk"])))

    @operation(
        "Make a new secret",
        tag="webhooks",
        body=RotationAsked,
        returns=SecretAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        secret=True,
    )
    async def rotate(self, request: Request) -> Response:
        asked = await body_of(request, RotationAsked, most_bytes=self._most_bytes)
        secret = await self._there().rotate(
            who(request), request.path_params["pk"], overlap=timedelta(hours=asked.overlap_hours)
        )
        return answer(SecretAnswer(secret=secret))

    @operation(
        "List what was sent to a webhook",
        tag="webhooks",
        query=LogAsked,
        returns=WebhookDeliveryList,
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def log(self, request: Request) -> Response:
        asked = query_of(request, LogAsked)
        found = await self._there().deliveries(
            who(request), request.path_params["pk"], state=asked.state, before=asked.before, limit=asked.limit
        )
        following = next_page(request, "before", found[-1].pk) if len(found) == asked.limit else None
        return answer(WebhookDeliveryList(deliveries=[_line(each) for each in found], next=following))

    @operation(
        "Send an event again",
        tag="webhooks",
        returns=WebhookDeliveryAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def retry(self, request: Request) -> Response:
        pk, delivery = request.path_params["pk"], request.path_params["delivery"]
        return answer(_line(await self._there().redeliver(who(request), pk, delivery)))

    async def _match(self, request: Request) -> None:
        if "if-match" in request.headers:
            demand_match(request, _shape(await self._there().get(who(request), request.path_params["pk"])))

    def _there(self) -> Subscriptions:
        if self._webhooks is None:
            raise NotFound("webhooks are not offered here")
        return self._webhooks


def _shape(each: Webhook) -> WebhookAnswer:
    return WebhookAnswer(
        id=each.pk,
        url=each.url,
        description=each.description,
        kinds=list(each.kinds),
        condition={name: list(values) for name, values in each.condition.items()},
        enabled=each.enabled,
        owner=each.owner,
        seq=each.seq,
        created_at=each.created_at,
        former_until=each.former_until,
        waiting=each.waiting,
    )


def _line(each: WebhookDelivery) -> WebhookDeliveryAnswer:
    values = asdict(each)
    del values["webhook_pk"]
    return WebhookDeliveryAnswer(id=values.pop("pk"), data=values.pop("body"), job_id=values.pop("job_pk"), **values)
