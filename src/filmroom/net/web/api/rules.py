"""``/api/v1/rules`` and ``/api/v1/store-policies``: what is decided about objects when they come."""

from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.rules_book import PolicyRow, Rule, RuleBook
from filmroom.base.errors import NotFound
from filmroom.dicom.conditions import show
from filmroom.dicom.conditions_eval import Asked as Question
from filmroom.dicom.conditions_eval import JsonValues, explained
from filmroom.dicom.conditions_parse import BadCondition, parse
from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import body_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

Condition = Annotated[str, Meta(max_length=10_000, description="In the condition language; empty: always.")]


class RuleAnswer(Shape):
    """A coercion rule."""

    name: str
    condition: str
    actions: list[dict[str, Any]]
    priority: int
    enabled: bool
    stop: bool
    changed_at: Moment | None
    changed_by: str


class RuleList(Shape):
    """Rules in the order in which they are asked."""

    rules: list[RuleAnswer]


class RuleAsked(Asked):
    """A coercion rule as it is to be."""

    condition: Condition = ""
    actions: Annotated[list[dict[str, Any]], Meta(max_length=50)] = []  # noqa: RUF012
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    enabled: bool = True
    stop: bool = False


class PolicyAnswer(Shape):
    """How objects of a sender are stored; absent keys mean the default."""

    calling: str
    called: str
    policy: dict[str, Any]
    changed_at: Moment
    changed_by: str


class PolicyAsked(Asked):
    """How they are to be stored: keys of a store policy."""

    policy: dict[str, Any]


class PolicyList(Shape):
    """All store policies."""

    policies: list[PolicyAnswer]


class TrialAsked(Asked):
    """A condition, and what to ask it about: a data set in DICOM JSON and where it came from."""

    condition: Condition
    dataset: dict[str, Any] = {}  # noqa: RUF012
    calling: str = ""
    called: str = ""
    host: str = ""
    door: str = ""


class TrialAnswer(Shape):
    """What came of it. ``error`` and ``at`` (characters from 0) when the condition cannot be read."""

    condition: str
    holds: bool
    lines: list[str]
    error: str | None = None
    at: int | None = None


class Rules:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._rules = services.rules
        self._clock = services.clock
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        rule, policy = "/api/v1/rules/coercion/{name}", "/api/v1/store-policies/{calling}/{called}"
        return [
            Route("/api/v1/rules/coercion", self.rules),
            Route(rule, self.rule),
            Route(rule, self.put_rule, methods=["PUT"]),
            Route(rule, self.remove_rule, methods=["DELETE"]),
            Route("/api/v1/rules/try", self.try_out, methods=["POST"]),
            Route("/api/v1/store-policies", self.policies),
            Route(policy, self.policy),
            Route(policy, self.put_policy, methods=["PUT"]),
            Route(policy, self.remove_policy, methods=["DELETE"]),
        ]

    @operation("List the coercion rules", tag="rules", returns=RuleList, permission=Action.ADMINISTER)
    async def rules(self, request: Request) -> Response:
        return answer(RuleList(rules=[_rule(each) for each in await self._book.rules(who(request))]))

    @operation(
        "One coercion rule", tag="rules", returns=RuleAnswer, errors=[404], permission=Action.ADMINISTER, tagged=True
    )
    async def rule(self, request: Request) -> Response:
        found = await self._rule_named(request)
        if found is None:
            raise NotFound(f"no rule is called {request.path_params['name']}")
        return tagged(request, found)

    @operation(
        "Add or change a coercion rule",
        tag="rules",
        body=RuleAsked,
        returns=RuleAnswer,
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def put_rule(self, request: Request) -> Response:
        asked = await body_of(request, RuleAsked, most_bytes=self._most_bytes)
        demand_match(request, await self._rule_named(request))
        made = await self._book.put_rule(
            who(request),
            request.path_params["name"],
            condition=asked.condition,
            actions=asked.actions,
            priority=asked.priority,
            enabled=asked.enabled,
            stop=asked.stop,
        )
        return tagged(request, _rule(made))

    @operation("Remove a coercion rule", tag="rules", permission=Action.ADMINISTER)
    async def remove_rule(self, request: Request) -> Response:
        await self._book.remove_rule(who(request), request.path_params["name"])
        return nothing()

    @operation("Try a condition out", tag="rules", body=TrialAsked, returns=TrialAnswer, permission=Action.ADMINISTER)
    async def try_out(self, request: Request) -> Response:
        asked = await body_of(request, TrialAsked, most_bytes=self._most_bytes)
        try:
            condition = parse(asked.condition)
        except BadCondition as fault:
            return answer(TrialAnswer(condition=asked.condition, holds=False, lines=[], error=str(fault), at=fault.at))
        question = Question(
            values=JsonValues(asked.dataset),
            calling=asked.calling,
            called=asked.called,
            host=asked.host,
            door=asked.door,
            now=self._clock.now().astimezone(),
        )
        found = explained(condition, question)
        return answer(TrialAnswer(condition=show(condition), holds=found.holds, lines=list(found.lines())))

    @operation("List the store policies", tag="rules", returns=PolicyList, permission=Action.ADMINISTER)
    async def policies(self, request: Request) -> Response:
        return answer(PolicyList(policies=[_policy(each) for each in await self._book.policies(who(request))]))

    @operation(
        "One store policy", tag="rules", returns=PolicyAnswer, errors=[404], permission=Action.ADMINISTER, tagged=True
    )
    async def policy(self, request: Request) -> Response:
        found = await self._policy_of(request)
        if found is None:
            raise NotFound("there is no policy for these two")
        return tagged(request, found)

    @operation(
        "Say how objects of a sender are stored",
        tag="rules",
        text="`*` in the address stands for any AE title.",
        body=PolicyAsked,
        returns=PolicyAnswer,
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def put_policy(self, request: Request) -> Response:
        asked = await body_of(request, PolicyAsked, most_bytes=self._most_bytes)
        demand_match(request, await self._policy_of(request))
        pair = request.path_params["calling"], request.path_params["called"]
        return tagged(request, _policy(await self._book.put_policy(who(request), *pair, asked.policy)))

    @operation("Remove a store policy", tag="rules", permission=Action.ADMINISTER)
    async def remove_policy(self, request: Request) -> Response:
        await self._book.remove_policy(who(request), request.path_params["calling"], request.path_params["called"])
        return nothing()

    async def _rule_named(self, request: Request) -> RuleAnswer | None:
        name = request.path_params["name"]
        return next((_rule(each) for each in await self._book.rules(who(request)) if each.name == name), None)

    async def _policy_of(self, request: Request) -> PolicyAnswer | None:
        pair = request.path_params["calling"], request.path_params["called"]
        rows = await self._book.policies(who(request))
        return next((_policy(each) for each in rows if (each.calling, each.called) == pair), None)

    @property
    def _book(self) -> RuleBook:
        if self._rules is None:
            raise NotFound
        return self._rules


def _rule(rule: Rule) -> RuleAnswer:
    return RuleAnswer(
        name=rule.name,
        condition=rule.text,
        actions=[dict(row) for row in rule.rows],
        priority=rule.priority,
        enabled=rule.enabled,
        stop=rule.stop,
        changed_at=rule.changed_at,
        changed_by=rule.changed_by,
    )


def _policy(row: PolicyRow) -> PolicyAnswer:
    return PolicyAnswer(
        calling=row.calling,
        called=row.called,
        policy=dict(row.row),
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )
