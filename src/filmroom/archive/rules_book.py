"""The book of rules and store policies: read, written, tried out. Changes are in the journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from filmroom.archive.coercion import Action, actions_of
from filmroom.archive.compression_model import Compression, compression_of
from filmroom.archive.rules_policy import StorePolicy, from_row
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound, NotReadable
from filmroom.base.ids import ae_title
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.conditions import Condition, show
from filmroom.dicom.conditions_parse import BadCondition, parse
from filmroom.security.policy import Action as Leave
from filmroom.security.policy import demand
from filmroom.security.principals import Principal

_sql = load("filmroom.archive", "rules.sql")

COERCION: Final = "coercion"
COMPRESSION: Final = "compression"
KINDS: Final = (COERCION, COMPRESSION)
ANY: Final = "*"
MAX_NAME_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. Higher priority comes first; after one with ``stop`` that holds, no further rule is asked.

    A coercion rule has ``actions``; a compression rule has ``compression``, and of those the first that holds counts.
    """

    name: str
    condition: Condition
    actions: tuple[Action, ...]
    rows: tuple[Mapping[str, Any], ...]  # the actions as they were written
    priority: int = 0
    enabled: bool = True
    stop: bool = False
    changed_at: datetime | None = None
    changed_by: str = ""
    compression: Compression | None = None

    @property
    def text(self) -> str:
        """The condition as text."""
        return show(self.condition)


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A store policy as it was written."""

    calling: str
    called: str
    row: Mapping[str, Any]
    policy: StorePolicy
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class Policies:
    """Store policies by calling and called AE title; '*' is any."""

    by_pair: Mapping[tuple[str, str], StorePolicy]

    def __bool__(self) -> bool:
        return bool(self.by_pair)

    def of(self, calling: str, called: str) -> StorePolicy:
        """The closest: both named, the caller, the called, neither; or else the defaults."""
        for pair in ((calling, called), (calling, ANY), (ANY, called), (ANY, ANY)):
            if (found := self.by_pair.get(pair)) is not None:
                return found
        return _DEFAULT


_DEFAULT: Final = StorePolicy()


class RuleBook:
    """Use cases of administration. Each raises Forbidden, and Unavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def rules(self, who: Principal, kind: str = COERCION) -> list[Rule]:
        """Every rule of a kind, in the order in which they are asked."""
        demand(who, Leave.ADMINISTER)
        async with self._database.connection() as connection:
            return await read_rules(connection, kind)

    async def put_rule(
        self,
        who: Principal,
        name: str,
        *,
        condition: str,
        actions: Any,
        priority: int = 0,
        enabled: bool = True,
        stop: bool = False,
        kind: str = COERCION,
    ) -> Rule:
        """Add a rule, or change the one of this name. Raises BadCondition or NotReadable with what is wrong."""
        demand(who, Leave.ADMINISTER)
        if kind not in KINDS:
            raise NotReadable(f"kinds of rules are {', '.join(KINDS)}")
        if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
            raise NotReadable(f"the name of a rule has 1 to {MAX_NAME_CHARACTERS} characters")
        if not -1000 <= priority <= 1000:
            raise NotReadable("priority is a number from -1000 to 1000")
        text = show(parse(condition))
        compression_of(actions) if kind == COMPRESSION else actions_of(actions)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            values = {"priority": priority, "enabled": enabled, "condition": text, "actions": actions, "stop": stop}
            row = await _sql.put_rule.one(tx, kind=kind, name=name, at=at, who=who.name, **values)
            await _changed(tx, at, who, "rule", f"{kind}-rule:{name}", values)
        assert row is not None
        return _rule(row)

    async def remove_rule(self, who: Principal, name: str, kind: str = COERCION) -> None:
        """Raises NotFound."""
        demand(who, Leave.ADMINISTER)
        async with self._database.transaction() as tx:
            if (await _sql.remove_rule.run(tx, kind=kind, name=name)).endswith(" 0"):
                raise NotFound("there is no such rule")
            await _changed(tx, self._clock.now(), who, "rule", f"{kind}-rule:{name}", None)

    async def policies(self, who: Principal) -> list[PolicyRow]:
        """Every store policy."""
        demand(who, Leave.ADMINISTER)
        async with self._database.connection() as connection:
            return [_policy(row) for row in await _sql.policies.all(connection)]

    async def put_policy(self, who: Principal, calling: str, called: str, row: Mapping[str, Any]) -> PolicyRow:
        """How objects that ``calling`` sends to ``called`` are stored; '*' is any. Raises NotReadable."""
        demand(who, Leave.ADMINISTER)
        for title in (calling, called):
            if title != ANY:
                _titled(title)
        from_row(row)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            made = await _sql.put_policy.one(tx, calling=calling, called=called, policy=dict(row), at=at, who=who.name)
            await _changed(tx, at, who, "store-policy", f"store-policy:{calling}:{called}", dict(row))
        assert made is not None
        return _policy(made)

    async def remove_policy(self, who: Principal, calling: str, called: str) -> None:
        """Raises NotFound."""
        demand(who, Leave.ADMINISTER)
        async with self._database.transaction() as tx:
            if (await _sql.remove_policy.run(tx, calling=calling, called=called)).endswith(" 0"):
                raise NotFound("there is no such store policy")
            await _changed(tx, self._clock.now(), who, "store-policy", f"store-policy:{calling}:{called}", None)


async def version(connection: Connection) -> int:
    """Rises with every change."""
    return int(await _sql.version.value(connection))


async def read_rules(connection: Connection, kind: str) -> list[Rule]:
    """Rules by priority."""
    return [_rule(row) for row in await _sql.rules.all(connection, kind=kind)]


async def read_policies(connection: Connection) -> Policies:
    """Store policies, ready to be asked."""
    rows = await _sql.policies.all(connection)
    return Policies({(row["calling"], row["called"]): from_row(row["policy"]) for row in rows})


async def _changed(
    tx: Connection, at: datetime, who: Principal, action: str, target: str, after: Mapping[str, Any] | None
) -> None:
    await _sql.changed.run(tx)
    await _sql.write.run(tx, at=at, who=who.name, action=action, target=target, after=after)


def _titled(title: str) -> None:
    try:
        ae_title(title)
    except ValueError as error:
        raise NotReadable(str(error)) from error


def _rule(row: Any) -> Rule:
    compresses = row["kind"] == COMPRESSION
    return Rule(
        name=row["name"],
        condition=parse(row["condition"]),
        actions=() if compresses else actions_of(row["actions"]),
        compression=compression_of(row["actions"]) if compresses else None,
        rows=tuple(row["actions"]),
        priority=row["priority"],
        enabled=row["enabled"],
        stop=row["stop"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
    )


def _policy(row: Any) -> PolicyRow:
    return PolicyRow(
        row["calling"], row["called"], row["policy"], from_row(row["policy"]), row["changed_at"], row["changed_by"]
    )


__all__ = [
    "ANY",
    "COERCION",
    "COMPRESSION",
    "BadCondition",
    "Policies",
    "PolicyRow",
    "Rule",
    "RuleBook",
    "read_policies",
    "read_rules",
]
