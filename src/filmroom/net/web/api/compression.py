"""``/api/v1/rules/compression`` and ``/api/v1/compression``: what is made of objects when they are kept, and what came
of it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.compression_model import KEYS
from filmroom.archive.rules_book import COMPRESSION, Rule, RuleBook
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer, nothing
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.api.rules import Condition
from filmroom.net.web.bodies import body_of
from filmroom.net.web.door import who
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


class CompressionRule(Shape):
    """A compression rule."""

    name: str
    condition: str
    action: dict[str, Any]
    priority: int
    enabled: bool
    changed_at: Moment | None
    changed_by: str


class CompressionRules(Shape):
    """Rules in the order in which they are asked; the first that holds counts."""

    rules: list[CompressionRule]


class CompressionAsked(Asked):
    """A compression rule as it is to be."""

    action: dict[str, Any]
    condition: Condition = ""
    priority: int = 0
    enabled: bool = True


class CompressionTotal(Shape):
    """What a rule did: ``state`` is done, left, derived (by a lossy rule) or making."""

    rule: str
    state: str
    objects: int
    received_bytes: int
    made_bytes: int


class CompressionReason(Shape):
    """Why a rule left objects as they are."""

    rule: str
    reason: str
    objects: int


class CompressionReport(Shape):
    """What compression did to the archive."""

    totals: list[CompressionTotal]
    reasons: list[CompressionReason]


class CompressionHandlers:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._rules = services.rules
        self._rounds = services.compression
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/rules/compression/{name}"
        return [
            Route("/api/v1/rules/compression", self.rules),
            Route(one, self.put_rule, methods=["PUT"]),
            Route(one, self.remove_rule, methods=["DELETE"]),
            Route("/api/v1/compression", self.report),
        ]

    @operation("List the compression rules", tag="rules", returns=CompressionRules, permission=Action.ADMINISTER)
    async def rules(self, request: Request) -> Response:
        found = await self._book.rules(who(request), COMPRESSION)
        return answer(CompressionRules(rules=[_rule(each) for each in found]))

    @operation(
        "Add or change a compression rule",
        tag="rules",
        text="Keys of the action: " + "; ".join(f"`{key}`: {text}" for key, text in KEYS.items()) + ".",
        body=CompressionAsked,
        returns=CompressionRule,
        permission=Action.ADMINISTER,
    )
    async def put_rule(self, request: Request) -> Response:
        asked = await body_of(request, CompressionAsked, most_bytes=self._most_bytes)
        made = await self._book.put_rule(
            who(request),
            request.path_params["name"],
            condition=asked.condition,
            actions=[asked.action],
            priority=asked.priority,
            enabled=asked.enabled,
            kind=COMPRESSION,
        )
        return answer(_rule(made))

    @operation("Remove a compression rule", tag="rules", permission=Action.ADMINISTER)
    async def remove_rule(self, request: Request) -> Response:
        await self._book.remove_rule(who(request), request.path_params["name"], COMPRESSION)
        return nothing()

    @operation("What compression did", tag="rules", returns=CompressionReport, permission=Action.ADMINISTER)
    async def report(self, request: Request) -> Response:
        if self._rounds is None:
            raise NotFound
        totals, reasons = await self._rounds.totals(who(request))
        return answer(
            CompressionReport(
                totals=[
                    CompressionTotal(
                        rule=each.rule,
                        state=each.state,
                        objects=each.objects,
                        received_bytes=each.received_bytes,
                        made_bytes=each.made_bytes,
                    )
                    for each in totals
                ],
                reasons=[
                    CompressionReason(rule=each.rule, reason=each.reason, objects=each.objects) for each in reasons
                ],
            )
        )

    @property
    def _book(self) -> RuleBook:
        if self._rules is None:
            raise NotFound
        return self._rules


def _rule(rule: Rule) -> CompressionRule:
    return CompressionRule(
        name=rule.name,
        condition=rule.text,
        action=dict(rule.rows[0]),
        priority=rule.priority,
        enabled=rule.enabled,
        changed_at=rule.changed_at,
        changed_by=rule.changed_by,
    )
