"""Which objects are sent on by rule: rules and objects in, what goes where and why out. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from filmroom.archive.retrieve import Located
from filmroom.dicom.conditions import ALWAYS, Condition, show
from filmroom.dicom.conditions_eval import NO_VALUES, Asked, Values, attributes_of, compiled

ARRIVAL: Final = "arrival"
COMPLETE: Final = "complete"
EVENTS: Final = {ARRIVAL: "objects have arrived", COMPLETE: "a study is complete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRule:
    """When ``event`` happens, objects for which the condition holds go to the destinations.

    Higher ``rank`` is asked first; what a rule with ``stop`` takes is offered to no further one. ``priority``: None for
    that of the device.
    """

    name: str
    event: str
    destinations: tuple[str, ...]
    condition: Condition = ALWAYS
    rank: int = 0
    stop: bool = False
    priority: int | None = None
    commit: bool = False
    delay_s: float = 0.0
    enabled: bool = True
    changed_at: datetime | None = None
    changed_by: str = ""

    @property
    def text(self) -> str:
        """The condition as text."""
        return show(self.condition)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may be sent on, with the attributes that rules ask about."""

    located: Located
    values: Values = NO_VALUES


@dataclass(frozen=True, slots=True)
class Forward:
    """What a rule sends to one destination."""

    rule: ForwardRule
    destination: str
    objects: tuple[Located, ...]


@dataclass(slots=True)
class _Asking:
    rule: ForwardRule
    holds: Callable[[Asked], bool]
    taken: list[Located] = field(default_factory=list)


def decide(rules: Sequence[ForwardRule], event: str, candidates: Iterable[Candidate], now: datetime) -> list[Forward]:
    """What each rule sends, in the order of the rules; an object goes to a destination once, by the first rule.

    Nothing goes back to where it came from. ``now`` is in the time zone of this server.
    """
    asking = [_Asking(rule, compiled(rule.condition)) for rule in rules if rule.enabled and rule.event == event]
    for each in candidates:
        asked = Asked(values=each.values, calling=each.located.source, now=now)
        for one in asking:
            if one.holds(asked):
                one.taken.append(each.located)
                if one.rule.stop:
                    break
    found: list[Forward] = []
    gone: set[tuple[str, int]] = set()
    for one in asking:
        for title in one.rule.destinations:
            objects = tuple(o for o in one.taken if o.source != title and (title, o.pk) not in gone)
            gone |= {(title, o.pk) for o in objects}
            if objects:
                found.append(Forward(one.rule, title, objects))
    return found


def wanted(rules: Iterable[ForwardRule]) -> frozenset[int]:
    """The top-level attributes that the rules ask about."""
    return frozenset(tag for rule in rules for tag in attributes_of(rule.condition))
