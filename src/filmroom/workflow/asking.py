"""A modality's worklist query: read as sent, made tolerant by its device's policy, and its answers (PS3.4 annex K)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from filmroom.archive.devices import WorklistPolicy
from filmroom.dicom.asking import question_from_dataset
from filmroom.dicom.dates import date_value
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.matching import matches, matches_all
from filmroom.dicom.question import (
    JsonDataset,
    Key,
    Level,
    Question,
    Range,
    SequenceMatch,
    Single,
    Universal,
)
from filmroom.workflow import attributes
from filmroom.workflow.attributes import START_DATE, STATION, STEP_SEQUENCE, STEP_STATUS
from filmroom.workflow.candidates import Candidates
from filmroom.workflow.model import OPEN, StepStatus
from filmroom.workflow.worklist_table import ITEM, WorklistAttribute, mandatory

# Say how to answer; never matched and never given back as keys (PS3.4 K.2.2.2, table K.6-1a).
_NOT_KEYS: Final = frozenset({"00080005", "00080052", "00080053", "00080201"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query. ``keys`` are what is matched: as asked, optional keys we do not support left out, policy applied.

    ``unsupported``: attributes that were asked and are not ours to know (FF01). ``policy_keys``: of ``keys``, what the
    policy added or changed.
    """

    identifier: JsonDataset
    calling_ae: str
    keys: tuple[Key, ...]
    fuzzy: bool = False
    charset: str = ""
    unsupported: tuple[int, ...] = ()
    policy: WorklistPolicy = WorklistPolicy()
    policy_keys: frozenset[int] = frozenset()

    @property
    def wanted(self) -> JsonDataset:
        """The attributes that an answer has."""
        if _NOT_KEYS.isdisjoint(self.identifier):
            return self.identifier
        return {name: element for name, element in self.identifier.items() if name not in _NOT_KEYS}

    @property
    def candidates(self) -> Candidates:
        """The steps to look at."""
        return Candidates(
            keys=self.keys,
            statuses=self.statuses,
            modalities=self.policy.modalities,
            fuzzy=self.fuzzy,
        )

    @property
    def statuses(self) -> frozenset[StepStatus]:
        """What is shown: all open steps that the policy does not hide; when a status is asked, whatever has it."""
        if not isinstance(self.step_match(STEP_STATUS), Universal):
            return frozenset(StepStatus)
        return frozenset(one for one in OPEN if one.value not in self.policy.hidden)

    def step_keys(self) -> tuple[Key, ...]:
        """The keys inside the Scheduled Procedure Step Sequence."""
        match = next((key.match for key in self.keys if key.path == (STEP_SEQUENCE,)), None)
        return match.keys if isinstance(match, SequenceMatch) else ()

    def step_match(self, tag: int) -> object:
        """What is asked of one attribute of the step."""
        return next((key.match for key in self.step_keys() if key.path == (tag,)), Universal())


def read(
    identifier: JsonDataset, *, calling_ae: str, policy: WorklistPolicy | None = None, fuzzy: bool = False
) -> Asked:
    """An identifier as a query. Raises RemoteFault, saying which key is wrong."""
    policy = policy or WorklistPolicy()
    unsupported: list[int] = []
    known = _supported(identifier, ITEM, unsupported)
    # The level is of another model and only fills the question's form: a worklist has one level.
    keys = _that_ask(question_from_dataset(known, Level.STUDY, combined_datetime=True).keys)
    keys, changed = _tolerant(keys, calling_ae, policy)
    terms = (identifier.get("00080005") or {}).get("Value") or []
    return Asked(
        identifier=identifier,
        calling_ae=calling_ae,
        keys=keys,
        fuzzy=fuzzy,
        charset=policy.character_set or "\\".join(str(one or "") for one in terms),
        unsupported=tuple(unsupported),
        policy=policy,
        policy_keys=changed,
    )


def _supported(asked: JsonDataset, table: Mapping[int, WorklistAttribute], unsupported: list[int]) -> JsonDataset:
    """What of an identifier is matched: keys of the table whose row allows it (K.2.2.1.1.2)."""
    found: JsonDataset = {}
    for name, element in asked.items():
        if name in _NOT_KEYS:
            continue
        tag = int(name, 16)
        row = table.get(tag)
        if row is None:
            unsupported.append(tag)
        elif row.matching == "-":
            continue
        elif row.inside is None:
            if vr_of(tag) != "SQ":
                found[name] = element
        else:
            items = element.get("Value") or [{}]
            inner = _supported(items[0] or {}, row.inside, unsupported)
            found[name] = {"vr": "SQ", "Value": [inner]}
    return found


def _that_ask(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Without the universal ones, which every step meets."""
    found = []
    for key in keys:
        match = key.match
        if isinstance(match, SequenceMatch):
            inner = _that_ask(match.keys)
            match = SequenceMatch(inner) if inner else Universal()
        if not isinstance(match, Universal):
            found.append(Key(key.path, key.vr, match))
    return tuple(found)


def _tolerant(keys: Iterable[Key], calling_ae: str, policy: WorklistPolicy) -> tuple[tuple[Key, ...], frozenset[int]]:
    """The keys with what the policy adds for a modality that cannot ask rightly."""
    outer = [key for key in keys if key.path != (STEP_SEQUENCE,)]
    match = next((key.match for key in keys if key.path == (STEP_SEQUENCE,)), None)
    inner = {key.path[0]: key for key in (match.keys if isinstance(match, SequenceMatch) else ())}
    changed = set()
    station = inner.get(STATION)
    if policy.own_station and (station is None or isinstance(station.match, Universal)):
        inner[STATION] = Key((STATION,), "AE", Single(calling_ae))
        changed.add(STATION)
    date = inner.get(START_DATE)
    if policy.more_days and date is not None and isinstance(date.match, Single | Range):
        inner[START_DATE] = Key((START_DATE,), "DA", _widened(date.match, policy.more_days))
        changed.add(START_DATE)
    if not inner:
        return tuple(outer), frozenset()
    step = Key((STEP_SEQUENCE,), "SQ", SequenceMatch(tuple(inner.values())))
    return (*outer, step), frozenset(changed)


def _widened(match: Single | Range, days: int) -> Range:
    low, high = (match.value, match.value) if isinstance(match, Single) else (match.low, match.high)
    return Range(_moved(low, -days), _moved(high, days))


def _moved(date: str, days: int) -> str:
    if not date_value(date):
        return date
    try:
        return f"{datetime.strptime(date, '%Y%m%d') + timedelta(days=days):%Y%m%d}"  # noqa: DTZ007
    except OverflowError:
        return date


def satisfied(asked: Asked, item: JsonDataset, of_step: Question) -> bool:
    """Whether a worklist item meets every key; start date and time as one moment (table K.6-1). ``of_step`` is the
    ``step_question`` of it."""
    for key in asked.keys:
        if key.path == (STEP_SEQUENCE,):
            if not matches_all(of_step, (attributes.items(item, STEP_SEQUENCE) or [{}])[0]):
                return False
        elif not matches(key, item, fuzzy=asked.fuzzy):
            return False
    return True


def step_question(asked: Asked) -> Question:
    """The keys inside the step as a question of their own: combined date and time matching is one level deep."""
    return Question(level=Level.STUDY, keys=asked.step_keys(), fuzzy=asked.fuzzy, combined_datetime=True)


def answer(wanted: JsonDataset, item: JsonDataset) -> JsonDataset:
    """What goes back: the attributes of the request (``Asked.wanted``) and no others, those without a value empty
    (K.4.1.1.3.2)."""
    return _projected(wanted, item, ITEM)


def projected(asked: JsonDataset, known: JsonDataset) -> JsonDataset:
    """The attributes of ``asked`` as ``known`` has them, those without a value empty, and no others."""
    return _projected(asked, known, None)


def _projected(asked: JsonDataset, known: JsonDataset, table: Mapping[int, WorklistAttribute] | None) -> JsonDataset:
    found: JsonDataset = {}
    for name, element in asked.items():
        held = known.get(name)
        if held is None:
            held = _empty(name, str(element.get("vr", "UN")))
        if held["vr"] != "SQ":
            found[name] = held
            continue
        row = table.get(int(name, 16)) if table is not None else None
        found[name] = _sequence(element, held, row.inside if row is not None else None)
    return found


@lru_cache(maxsize=1024)
def _empty(name: str, said: str) -> dict[str, object]:
    """An attribute without a value, which nobody changes; ``said`` is its VR where the dictionary knows none."""
    vr = vr_of(int(name, 16))
    return {"vr": vr if vr != "UN" else said}


def _sequence(
    element: Mapping[str, object], held: Mapping[str, object], table: Mapping[int, WorklistAttribute] | None
) -> dict[str, object]:
    """A sequence as asked: the attributes of the asked item, or all when none were named (K.2.2.1.2 note 4)."""
    asked_items, known_items = element.get("Value") or [], held.get("Value") or []
    assert isinstance(asked_items, list)
    assert isinstance(known_items, list)
    asked = (asked_items[0] or {}) if asked_items else {}
    if not known_items:
        return {"vr": "SQ"}
    if asked:
        return {"vr": "SQ", "Value": [_projected(asked, one or {}, table) for one in known_items]}
    always = mandatory(table) if table is not None else {}
    return {"vr": "SQ", "Value": [{**always, **(one or {})} for one in known_items]}
