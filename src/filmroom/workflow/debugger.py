"""Why did the modality get no patients: each step of the day against one worklist query (CAPABILITIES 1.7.11).

Reasons are codes with values; words for people are the caller's. ``REASONS`` says what each code means.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from filmroom.base.clock import Clock, SystemClock
from filmroom.db.pool import Database
from filmroom.dicom.dictionary import keyword_of
from filmroom.dicom.matching import DATE_TIME_PAIRS, matches, matches_all
from filmroom.dicom.names import fold
from filmroom.dicom.question import (
    AnyOf,
    EmptyValue,
    JsonDataset,
    Key,
    Level,
    Match,
    Question,
    Range,
    SequenceMatch,
    Single,
    Universal,
    Wildcard,
    hex_key,
)
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.workflow import attributes
from filmroom.workflow.asking import Asked
from filmroom.workflow.attributes import START_DATE, START_TIME, STATION, STEP_SEQUENCE
from filmroom.workflow.candidates import Candidates, Entry, entries, step_of
from filmroom.workflow.model import CLOSED, Step, StepStatus

# More steps than a department has in a day.
MAX_STEPS: Final = 5000

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "closed": "the step is over (completed, cancelled, discontinued)",
        "hidden": "the device's policy hides steps of this status",
        "other-modality-group": "the device's policy shows steps of other modalities only",
        "no-value": "the key asks for a value and the order has none",
        "differs": "the order has another value",
        "differs-in-case": "the values differ in upper and lower case only",
        "differs-in-form": "the values differ in spaces, zeros or punctuation only",
        "is-a-pattern": "the key holds * or ? where the standard gives them no meaning",
        "before": "the value lies before the range",
        "after": "the value lies after the range",
        "moment": "date and time are one range (table K.6-1), and the step begins outside it",
        "not-decoded": "the key holds characters that its character set could not read",
    }
)
HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no-charset": "the query has characters beyond ASCII and names no character set (0008,0005)",
        "unsupported-keys": "the query asks for attributes that no order here has; they are not matched",
        "station-from-policy": "the query names no station; the device's policy put its calling AE title there",
        "days-from-policy": "the device's policy widened the start date",
        "no-date": "the query names no start date; steps of every day match",
        "other-station-calls": "the query asks for another station than the AE title that calls",
        "nothing-scheduled": "there is no step on the day at all",
        "station-unknown": "no step of the day is for the station that is asked",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One key that removed a step. ``asked`` and ``held`` as text; ``tag`` 0 when it was no key."""

    code: str
    tag: int = 0
    asked: str = ""
    held: str = ""
    by_policy: bool = False

    @property
    def keyword(self) -> str:
        return keyword_of(self.tag) if self.tag else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One step and what removed it; shown when nothing did."""

    step: Step
    reasons: tuple[Reason, ...]

    @property
    def shown(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All steps of the day, and what strikes about the query itself. ``kills``: steps removed, by keyword or code;
    ``alone``: steps that this one thing removed, and nothing else did."""

    day: Range
    verdicts: tuple[Verdict, ...]
    hints: tuple[str, ...]
    kills: Mapping[str, int] = field(default_factory=dict)
    alone: Mapping[str, int] = field(default_factory=dict)

    @property
    def shown(self) -> int:
        return sum(verdict.shown for verdict in self.verdicts)


class WorklistDebugger:
    """Replays a query against the steps of a day."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def explain(self, who: Principal, asked: Asked, *, day: str = "") -> Diagnosis:
        """Every step of ``day`` (YYYYMMDD; '' for the days asked, or today) and why the query leaves it out.

        Raises Forbidden.
        """
        demand(who, Action.ADMINISTER)
        days = Range(day, day) if day else self._days(asked)
        wanted = Candidates(statuses=frozenset(StepStatus), days=days, view=view_for(who, Action.ADMINISTER))
        async with self._database.connection() as connection:
            found = await entries(connection, wanted, MAX_STEPS)
        verdicts = tuple(judge(asked, entry) for entry in found)
        return Diagnosis(
            day=days,
            verdicts=verdicts,
            hints=tuple(hints(asked, found)),
            kills=Counter(name for verdict in verdicts for name in _names(verdict)),
            alone=Counter(name for verdict in verdicts for name in _names(verdict) if len(_names(verdict)) == 1),
        )

    def _days(self, asked: Asked) -> Range:
        match = asked.step_match(START_DATE)
        if isinstance(match, Single):
            return Range(match.value, match.value)
        if isinstance(match, Range):
            return match
        today = f"{self._clock.now().astimezone():%Y%m%d}"
        return Range(today, today)


def _names(verdict: Verdict) -> set[str]:
    return {reason.keyword or reason.code for reason in verdict.reasons}


def judge(asked: Asked, entry: Entry) -> Verdict:
    """One step against one query."""
    return Verdict(step=step_of(entry), reasons=tuple(_reasons(asked, entry)))


def _reasons(asked: Asked, entry: Entry) -> Iterator[Reason]:
    if entry.status not in asked.statuses:
        code = "closed" if entry.status in CLOSED else "hidden"
        yield Reason(code=code, held=entry.status.value, by_policy=code == "hidden")
    modality = str(entry.row["modality"])
    if asked.policy.modalities is not None and modality not in asked.policy.modalities:
        allowed = "\\".join(sorted(asked.policy.modalities))
        yield Reason(code="other-modality-group", asked=allowed, held=modality, by_policy=True)
    for key in asked.keys:
        if key.path != (STEP_SEQUENCE,):
            yield from _of_key(key, entry.item, asked.fuzzy)
    step = (attributes.items(entry.item, STEP_SEQUENCE) or [{}])[0]
    yield from _of_step(asked, step)


def _of_step(asked: Asked, step: JsonDataset) -> Iterator[Reason]:
    keys = asked.step_keys()
    start = tuple(key for key in keys if key.path[0] in (START_DATE, START_TIME))
    for key in keys:
        if key not in start:
            for reason in _of_key(key, step, asked.fuzzy):
                yield _marked(reason, asked)
    if matches_all(Question(level=Level.STUDY, keys=start, combined_datetime=True), step):
        return
    apart = [reason for key in start for reason in _of_key(key, step, False)]
    if apart and any(reason.tag == START_DATE for reason in apart):
        yield from (_marked(reason, asked) for reason in apart if reason.tag == START_DATE)
    else:
        held = " ".join(str(attributes.first(step, tag)) for tag in (START_DATE, START_TIME))
        yield Reason(code="moment", tag=START_TIME, asked=" ".join(text_of(key.match) for key in start), held=held)


def _marked(reason: Reason, asked: Asked) -> Reason:
    if reason.tag not in asked.policy_keys:
        return reason
    return Reason(code=reason.code, tag=reason.tag, asked=reason.asked, held=reason.held, by_policy=True)


def _of_key(key: Key, dataset: JsonDataset, fuzzy: bool) -> Iterator[Reason]:
    if matches(key, dataset, fuzzy=fuzzy):
        return
    tag = key.path[0]
    if isinstance(key.match, SequenceMatch):
        items = attributes.items(dataset, tag) or [{}]
        fewest = min((list(_of_item(key.match, one, fuzzy)) for one in items), key=len)
        yield from fewest or [Reason(code="no-value", tag=tag)]
        return
    held = [attributes.name_text(one) for one in (dataset.get(hex_key(tag)) or {}).get("Value") or () if one]
    asked, has = text_of(key.match), "\\".join(held)
    yield Reason(code=_code(key.match, asked, held), tag=tag, asked=asked, held=has)


def _of_item(match: SequenceMatch, item: JsonDataset, fuzzy: bool) -> Iterator[Reason]:
    for key in match.keys:
        yield from _of_key(key, item, fuzzy)


def _code(match: Match, asked: str, held: list[str]) -> str:
    if "\ufffd" in asked:
        return "not-decoded"
    if not held:
        return "no-value"
    match match:
        case Range(low, high):
            return "before" if low and held[0] < low else "after" if high else "differs"
        case Single(value) | Wildcard(value):
            if any(fold(one) == fold(value) for one in held):
                return "differs-in-case"
            if any(_bare(one) == _bare(value) for one in held):
                return "differs-in-form"
            if isinstance(match, Single) and ("*" in value or "?" in value):
                return "is-a-pattern"
    return "differs"


def _bare(text: str) -> str:
    """Text by which two spellings of one identifier or name are the same."""
    return "".join(c for c in fold(text) if c.isalnum()).lstrip("0")


def text_of(match: Match) -> str:
    """What a key asks, as it would be typed."""
    match match:
        case Single(value) | Wildcard(value):
            return value
        case AnyOf(values):
            return "\\".join(values)
        case Range(low, high):
            return f"{low}-{high}"
        case EmptyValue():
            return '""'
    return ""


def hints(asked: Asked, found: list[Entry]) -> Iterator[str]:
    """What strikes about the query before any step is looked at."""
    if not found:
        yield "nothing-scheduled"
    if not asked.charset and _beyond_ascii(asked.identifier):
        yield "no-charset"
    if asked.unsupported:
        yield "unsupported-keys"
    if STATION in asked.policy_keys:
        yield "station-from-policy"
    if START_DATE in asked.policy_keys:
        yield "days-from-policy"
    if isinstance(asked.step_match(START_DATE), Universal):
        yield "no-date"
    station = asked.step_match(STATION)
    if isinstance(station, Single):
        if station.value != asked.calling_ae:
            yield "other-station-calls"
        if found and not any(station.value in entry.row["stations"] for entry in found):
            yield "station-unknown"


def _beyond_ascii(value: object) -> bool:
    if isinstance(value, str):
        return not value.isascii()
    if isinstance(value, Mapping):
        return any(map(_beyond_ascii, value.values()))
    return isinstance(value, list) and any(map(_beyond_ascii, value))


# The pair that is matched as one moment, known to the matcher too.
assert (START_DATE, START_TIME) in DATE_TIME_PAIRS
