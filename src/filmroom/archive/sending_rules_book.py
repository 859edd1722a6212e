"""The book of rules by which objects are sent on: read, written, tried out on what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from filmroom.archive.devices import NoSuchDevice
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.sending_rules import EVENTS, ForwardRule, decide, wanted
from filmroom.archive.sending_rules_read import candidates
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound, NotReadable
from filmroom.base.ids import ae_title
from filmroom.db import feed
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.conditions_parse import parse
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.storage.blobs import Blobs

_sql = load("filmroom.archive", "sending_rules.sql")

READER: Final = "forwarding"
MAX_NAME_CHARACTERS: Final = 64
MAX_DESTINATIONS: Final = 16
MAX_DELAY_S: Final = 7 * 86_400.0
# A trial ends after so many objects: it is for a person who waits.
MOST_TRIED_OBJECTS: Final = 50_000
MOST_TRIED_STUDIES: Final = 500


@dataclass(frozen=True, slots=True)
class Tried:
    """What a rule would do with a study: how many of its objects it would send to each destination, and how many of
    those went there by rule already."""

    study_uid: str
    objects: int
    sent: Mapping[str, int]
    already: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Trial:
    """The studies looked at, newest first; ``complete`` is false when there were too many objects for all of them."""

    studies: Sequence[Tried]
    complete: bool


class ForwardRules:
    """Use cases. Each raises Forbidden, and Unavailable."""

    def __init__(self, database: Database, retrieve: Retrieve, blobs: Blobs, clock: Clock) -> None:
        self._database = database
        self._retrieve = retrieve
        self._blobs = blobs
        self._clock = clock

    async def rules(self, who: Principal) -> list[ForwardRule]:
        """Every rule, in the order in which they are asked."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            return await read_rules(connection)

    async def put(self, who: Principal, name: str, row: Mapping[str, Any]) -> ForwardRule:
        """Add a rule, or change the one of this name. What was there before the first rule stays where it is.

        Raises BadCondition, NotReadable, NoSuchDevice.
        """
        demand(who, Action.ADMINISTER)
        rule = checked(name, row)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            if unknown := await _sql.unknown_devices.all(tx, titles=list(rule.destinations)):
                raise NoSuchDevice(f"no device is registered as {unknown[0]['ae_title']}")
            if not await _sql.any.value(tx):
                await feed.advance(tx, READER, await feed.head(self._database))
            values = {
                "event": rule.event,
                "condition": rule.text,
                "destinations": list(rule.destinations),
                "rank": rule.rank,
                "stop": rule.stop,
                "priority": rule.priority,
                "commit": rule.commit,
                "delay_s": rule.delay_s,
                "enabled": rule.enabled,
            }
            made = await _sql.put.one(tx, name=name, at=at, who=who.name, **values)
            await _sql.note.run(tx, at=at, who=who.id, target=f"forward-rule:{name}", after=values)
        assert made is not None
        return _rule(made)

    async def remove(self, who: Principal, name: str) -> None:
        """Forget a rule; what it has queued still goes. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        if not name.isprintable():
            raise NotFound("there is no such rule")
        async with self._database.transaction() as tx:
            if (await _sql.remove.run(tx, name=name)).endswith(" 0"):
                raise NotFound("there is no such rule")
            await _sql.note.run(tx, at=self._clock.now(), who=who.id, target=f"forward-rule:{name}", after=None)

    async def try_out(self, who: Principal, row: Mapping[str, Any], *, studies: int = 100) -> Trial:
        """What the rule would have sent of the last studies; nothing is sent. Raises BadCondition, NotReadable."""
        demand(who, Action.ADMINISTER)
        rule = checked("trial", {**row, "enabled": True})
        async with self._database.connection() as connection:
            rows = await _sql.last_studies.all(connection, limit=min(studies, MOST_TRIED_STUDIES))
        found: list[Tried] = []
        tried = 0
        for each in rows:
            if tried >= MOST_TRIED_OBJECTS:
                return Trial(found, False)
            one = await self._try_one(who, rule, each["study_uid"])
            found.append(one)
            tried += one.objects
        return Trial(found, True)

    async def _try_one(self, who: Principal, rule: ForwardRule, study_uid: str) -> Tried:
        items = await self._retrieve.locate(who, studies=[study_uid])
        asked = await candidates(self._blobs, items, wanted([rule]))
        forwards = decide([rule], rule.event, asked, self._clock.now().astimezone())
        pks = [item.pk for item in items]
        async with self._database.connection() as connection:
            rows = await _sql.taken.all(connection, pks=pks, titles=list(rule.destinations))
        gone = {(row["ae_title"], row["instance_pk"]) for row in rows}
        return Tried(
            study_uid,
            len(items),
            {one.destination: len(one.objects) for one in forwards},
            {one.destination: sum((one.destination, o.pk) in gone for o in one.objects) for one in forwards},
        )


async def read_rules(connection: Connection) -> list[ForwardRule]:
    """Every rule, in the order in which they are asked."""
    return [_rule(row) for row in await _sql.rules.all(connection)]


def checked(name: str, row: Mapping[str, Any]) -> ForwardRule:
    """The rule that somebody wants. Raises BadCondition or NotReadable with what is wrong."""
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise NotReadable(f"the name of a rule has 1 to {MAX_NAME_CHARACTERS} characters")
    event = row.get("event")
    if event not in EVENTS:
        raise NotReadable(f"event is one of {', '.join(EVENTS)}")
    if (priority := row.get("priority")) not in (None, -1, 0, 1):
        raise NotReadable("priority is -1, 0, 1 or null")
    delay_s = float(row.get("delay_s", 0.0))
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise NotReadable(f"delay_s is a number from 0 to {MAX_DELAY_S:.0f}")
    rank = int(row.get("rank", 0))
    if not -1000 <= rank <= 1000:
        raise NotReadable("rank is a number from -1000 to 1000")
    return ForwardRule(
        name=name,
        event=event,
        destinations=_titles(row.get("destinations")),
        condition=parse(row.get("condition", "")),
        rank=rank,
        stop=bool(row.get("stop", False)),
        priority=priority,
        commit=bool(row.get("commit", False)),
        delay_s=delay_s,
        enabled=bool(row.get("enabled", True)),
    )


def _titles(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_DESTINATIONS:
        raise NotReadable(f"destinations are 1 to {MAX_DESTINATIONS} AE titles")
    try:
        return tuple(dict.fromkeys(str(ae_title(each)) for each in value))
    except (ValueError, AttributeError, TypeError) as error:
        raise NotReadable(f"destinations: {error}") from error


def _rule(row: Mapping[str, Any]) -> ForwardRule:
    return ForwardRule(
        name=row["name"],
        event=row["event"],
        destinations=tuple(row["destinations"]),
        condition=parse(row["condition"]),
        rank=row["rank"],
        stop=row["stop"],
        priority=row["priority"],
        commit=row["commit"],
        delay_s=row["delay_s"],
        enabled=row["enabled"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
    )
