"""``/api/v1/rules/forward``: which objects are sent on, where to, and what a rule would have sent."""

from typing import Annotated, Any, Literal

from msgspec import Meta, to_builtins
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices import NoSuchDevice
from filmroom.archive.sending import Priority
from filmroom.archive.sending_rules import ForwardRule
from filmroom.archive.sending_rules_book import MOST_TRIED_STUDIES, ForwardRules
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

Event = Literal["arrival", "complete"]
Urgency = Literal["low", "medium", "high"]


class ForwardRuleAnswer(Shape):
    """A rule by which objects are sent on. ``priority`` null: that of the device."""

    name: str
    event: Event
    condition: str
    destinations: list[str]
    rank: int
    stop: bool
    priority: Urgency | None
    commit: bool
    delay_s: float
    enabled: bool
    changed_at: Moment | None
    changed_by: str


class ForwardRuleList(Shape):
    """Rules in the order in which they are asked."""

    rules: list[ForwardRuleAnswer]


class ForwardRuleAsked(Asked):
    """A rule as it is to be."""

    event: Annotated[Event, Meta(description="When it is asked: objects have arrived, or a study is complete.")]
    destinations: Annotated[list[str], Meta(min_length=1, max_length=16, description="AE titles of devices.")]
    condition: Annotated[str, Meta(max_length=10_000, description="In the condition language; empty: always.")] = ""
    rank: Annotated[int, Meta(ge=-1000, le=1000, description="Higher is asked first.")] = 0
    stop: Annotated[bool, Meta(description="What it takes is offered to no further rule.")] = False
    priority: Urgency | None = None
    commit: Annotated[bool, Meta(description="Ask for storage commitment afterwards.")] = False
    delay_s: Annotated[float, Meta(ge=0, le=604_800)] = 0.0
    enabled: bool = True


class ForwardTrialAsked(Asked):
    """A rule, and on how many of the last studies to try it."""

    rule: ForwardRuleAsked
    studies: Annotated[int, Meta(ge=1, le=MOST_TRIED_STUDIES)] = 100


class TriedStudy(Shape):
    """How many objects of a study would go to each destination, and how many of those went there by rule already."""

    study_uid: str
    objects: int
    sent: dict[str, int]
    already: dict[str, int]


class ForwardTrialAnswer(Shape):
    """The last studies, newest first; ``complete`` is false when there were too many objects to look at all."""

    studies: list[TriedStudy]
    complete: bool


class Forwarding:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._rules = services.forward_rules
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/rules/forward", self.rules),
            Route("/api/v1/rules/forward/{name}", self.show),
            Route("/api/v1/rules/forward/{name}", self.put, methods=["PUT"]),
            Route("/api/v1/rules/forward/{name}", self.remove, methods=["DELETE"]),
            Route("/api/v1/rules/forward-trial", self.try_out, methods=["POST"]),
        ]

    @operation(
        "List the rules by which objects are sent on",
        tag="rules",
        returns=ForwardRuleList,
        permission=Action.ADMINISTER,
    )
    async def rules(self, request: Request) -> Response:
        return answer(ForwardRuleList(rules=[_rule(each) for each in await self._book.rules(who(request))]))

    @operation(
        "One rule by which objects are sent on",
        tag="rules",
        returns=ForwardRuleAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def show(self, request: Request) -> Response:
        found = await self._named(request)
        if found is None:
            raise NotFound(f"no rule is called {request.path_params['name']}")
        return tagged(request, found)

    @operation(
        "Add or change a rule by which objects are sent on",
        tag="rules",
        text="An object goes to a destination by rule once, and never back to where it came from.",
        body=ForwardRuleAsked,
        returns=ForwardRuleAnswer,
        errors=[400, 422],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def put(self, request: Request) -> Response:
        asked = await body_of(request, ForwardRuleAsked, most_bytes=self._most_bytes)
        demand_match(request, await self._named(request))
        try:
            made = await self._book.put(who(request), request.path_params["name"], _row(asked))
        except NoSuchDevice as error:
            raise Refused(422, str(error)) from error
        return tagged(request, _rule(made))

    @operation("Remove a rule by which objects are sent on", tag="rules", errors=[404], permission=Action.ADMINISTER)
    async def remove(self, request: Request) -> Response:
        await self._book.remove(who(request), request.path_params["name"])
        return nothing()

    @operation(
        "Show what a rule would have sent of the last studies",
        tag="rules",
        text="Nothing is sent.",
        body=ForwardTrialAsked,
        returns=ForwardTrialAnswer,
        errors=[400],
        permission=Action.ADMINISTER,
    )
    async def try_out(self, request: Request) -> Response:
        asked = await body_of(request, ForwardTrialAsked, most_bytes=self._most_bytes)
        found = await self._book.try_out(who(request), _row(asked.rule), studies=asked.studies)
        studies = [
            TriedStudy(study_uid=one.study_uid, objects=one.objects, sent=dict(one.sent), already=dict(one.already))
            for one in found.studies
        ]
        return answer(ForwardTrialAnswer(studies=studies, complete=found.complete))

    async def _named(self, request: Request) -> ForwardRuleAnswer | None:
        name = request.path_params["name"]
        return next((_rule(each) for each in await self._book.rules(who(request)) if each.name == name), None)

    @property
    def _book(self) -> ForwardRules:
        if self._rules is None:
            raise NotFound
        return self._rules


def _row(asked: ForwardRuleAsked) -> dict[str, Any]:
    row: dict[str, Any] = to_builtins(asked)
    row["priority"] = None if asked.priority is None else int(Priority[asked.priority.upper()])
    return row


def _rule(rule: ForwardRule) -> ForwardRuleAnswer:
    return ForwardRuleAnswer(
        name=rule.name,
        event="arrival" if rule.event == "arrival" else "complete",
        condition=rule.text,
        destinations=list(rule.destinations),
        rank=rule.rank,
        stop=rule.stop,
        priority=None if rule.priority is None else _URGENCY[rule.priority],
        commit=rule.commit,
        delay_s=rule.delay_s,
        enabled=rule.enabled,
        changed_at=rule.changed_at,
        changed_by=rule.changed_by,
    )


_URGENCY: dict[int, Urgency] = {-1: "low", 0: "medium", 1: "high"}
