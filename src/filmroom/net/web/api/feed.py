"""``/api/v1/changes``: what happened, in order; ``/api/v1/events``: the same as it happens."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.changes import Change, Changes
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import query_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.net.web.proxies import below, prefix_of
from filmroom.net.web.sse import EVENT_STREAM, EventStream, Following
from filmroom.security.policy import Action

MAX_LIMIT = 500
# Proxies cut an answer that does not begin within a minute.
MAX_WAIT_S = 50

_TEXT = """Numbers rise by one with each fact and have no gaps, so whoever has seen `next_after` has seen everything up
to it. Start at the present with `after` = `last`, or from the beginning with 0; ask again with `next_after`. With
`wait` the answer comes as soon as there is a change. Facts are kept for `feed.keep_days`: for older ones 410 says
the first number that is left. The kinds and their fields are listed in docs/facts.md."""


class ChangesAsked(Asked):
    """Which changes."""

    after: Annotated[int, Meta(ge=0, description="The last number seen.")] | None = None
    since: Annotated[datetime, Meta(tz=True, description="Instead of `after`: from this moment on.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 100
    kind: Annotated[list[str], Meta(max_length=50, description="Only these kinds.")] | None = None
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT_S, description="Seconds to wait for a first change.")] = 0
    state: Annotated[bool, Meta(description="Say what has become of it since.")] = True


class ChangeAnswer(Shape):
    """A fact. ``state``: current, replaced, deleted, partly (some of it is gone), or null."""

    seq: int
    at: Moment
    kind: str
    data: dict[str, Any]
    state: str | None


class ChangesAnswer(Shape):
    """Changes in order. ``first`` and ``last``: the numbers there are."""

    changes: list[ChangeAnswer]
    next_after: int
    next: str
    first: int
    last: int


class EventsAsked(Asked):
    """Which events."""

    kind: Annotated[list[str], Meta(max_length=50, description="Only these kinds.")] | None = None
    after: Annotated[int, Meta(ge=0, description="Go on after this number; Last-Event-ID comes first.")] | None = None


class Feed:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._changes = services.changes
        self._following = Following(services.settings.web.max_event_streams)

    def routes(self) -> list[Route]:
        return [Route("/api/v1/changes", self.show), Route("/api/v1/events", self.follow)]

    @operation(
        "Changes after a number",
        tag="changes",
        text=_TEXT,
        query=ChangesAsked,
        returns=ChangesAnswer,
        errors=[410],
        permission=Action.VIEW,
    )
    async def show(self, request: Request) -> Response:
        asked, changes = query_of(request, ChangesAsked), self._there()
        after = asked.after or 0
        if asked.since is not None:
            if asked.after is not None:
                raise Refused(422, "give after or since, not both")
            after = await changes.after_moment(who(request), asked.since)
        page = await changes.page(
            who(request),
            after=after,
            limit=asked.limit,
            kinds=asked.kind or (),
            wait_s=asked.wait,
            states=asked.state,
        )
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"after", "since"}]
        return answer(
            ChangesAnswer(
                changes=[_shape(each) for each in page.changes],
                next_after=page.after,
                next=below(prefix_of(request.scope), f"/api/v1/changes?{urlencode([('after', page.after), *kept])}"),
                first=page.first,
                last=page.last,
            )
        )

    @operation(
        "Changes as they happen (server-sent events)",
        tag="changes",
        text="An event has the change's number as `id`, its kind as `event` and the change without `state` as `data`. "
        "A reader that was cut goes on with Last-Event-ID. A comment comes when nothing happens; a reader that does "
        "not keep up is cut.",
        query=EventsAsked,
        returns=str,
        media=EVENT_STREAM,
        errors=[410, 429],
        permission=Action.VIEW,
    )
    async def follow(self, request: Request) -> Response:
        asked, changes = query_of(request, EventsAsked), self._there()
        last_id = request.headers.get("last-event-id", "").strip()
        after = int(last_id) if last_id.isdecimal() and len(last_id) < 19 else asked.after
        if after is not None:
            await changes.page(who(request), after=after, limit=1, states=False)
        place = self._following.enter(who(request))
        return EventStream(changes, who(request), after=after, kinds=asked.kind or (), place=place)

    def _there(self) -> Changes:
        if self._changes is None:
            raise NotFound("the change feed is not offered here")
        return self._changes


def _shape(change: Change) -> ChangeAnswer:
    return ChangeAnswer(seq=change.seq, at=change.at, kind=change.kind, data=dict(change.data), state=change.state)
