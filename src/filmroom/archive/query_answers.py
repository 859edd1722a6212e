"""Answers to a question: DICOM JSON made of rows, with what was asked for and nothing else (PS3.4 C.2.2.1.3)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.indextags import PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS
from filmroom.dicom.question import All, JsonDataset, Level, Path, Question, hex_key, paths_of
from filmroom.dicom.zones import TIMEZONE, in_zone, moved, zone_of
from filmroom.index.query_fields import (
    FIELDS,
    ISSUER,
    LEVELS,
    MODALITIES_IN_STUDY,
    PATIENT_ID,
    SERIES_UID,
    SOP_CLASS,
    SOP_CLASSES_IN_STUDY,
    SOP_UID,
    STUDY_UID,
    is_above_or_at,
)

RETRIEVE_AE_TITLE: Final = 0x00080054
INSTANCE_AVAILABILITY: Final = 0x00080056
PATIENT_COUNTS: Final = {0x00201200: "studies", 0x00201202: "series", 0x00201204: "instances"}
_UNIQUE: Final = {
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: STUDY_UID,
    Level.SERIES: SERIES_UID,
    Level.IMAGE: SOP_UID,
}
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

Row = Mapping[str, Any]
Element = dict[str, Any]


class Found(NamedTuple):
    """The rows that one answer is made of, from the patient to the question's level; those below are empty."""

    patient: Row = _NOTHING
    study: Row = _NOTHING
    series: Row = _NOTHING
    instance: Row = _NOTHING
    counts: Row = _NOTHING


@dataclass(frozen=True, slots=True)
class Service:
    """What every answer of this archive says of it."""

    ae_title: str


# What to return of an attribute: all of it, or of each item of a sequence only this.
Wanted = dict[int, "Wanted | None"]
_Maker = Callable[[Found, Service], Element | None]


class _Part(NamedTuple):
    """How one attribute of an answer is made: by ``maker``, or from the JSON of the row at ``place``."""

    name: str
    maker: _Maker | None
    place: int
    inside: Wanted | None


class _Plan(NamedTuple):
    """What all answers to questions of one form have in common; ``above`` is the same for neighbouring answers."""

    empty: JsonDataset
    above: tuple[_Part, ...]
    own: tuple[_Part, ...]
    counted: bool


class Answers:
    """Makes the answers to one question. Elements that neighbours share are the same objects: encoders may rely on it,
    and nobody may change them."""

    def __init__(self, question: Question, service: Service) -> None:
        self._level = question.level
        self._service = service
        self._all = isinstance(question.returns, All)
        self._zoned = question.timezone is not None
        self._plan = _plan(question.level, question.returns, paths_of(question.keys))
        self._last: tuple[Row, Row, JsonDataset] | None = None

    @property
    def wants_patient_counts(self) -> bool:
        """Whether NumberOfPatientRelated... must be counted for it."""
        return self._plan.counted

    def make(self, found: Found) -> JsonDataset:
        """One answer; attributes without a value are there without a value."""
        answer = self._shared(found).copy()
        if self._all:
            answer |= full_dataset(found)
            self._fill(answer, self._plan.above, found)
        self._fill(answer, self._plan.own, found)
        if self._zoned and (zone := found.study.get("attributes", _NOTHING).get(TIMEZONE)) is not None:
            answer[TIMEZONE] = zone
        return {name: answer[name] for name in sorted(answer)} if self._all else answer

    def _shared(self, found: Found) -> JsonDataset:
        """An answer filled in down to the level above; made again when the rows above are others."""
        parent = found.series if self._level is Level.IMAGE else found.study
        if self._last is not None and self._last[0] is parent and self._last[1] is found.patient:
            return self._last[2]
        made = self._plan.empty.copy()
        self._fill(made, self._plan.above, found)
        if self._level in (Level.SERIES, Level.IMAGE):
            self._last = (parent, found.patient, made)
        return made

    def _fill(self, answer: JsonDataset, parts: Iterable[_Part], found: Found) -> None:
        rows = (found.patient, found.study, found.series, found.instance)
        attributes = [row.get("attributes") or _NOTHING if row else _NOTHING for row in rows]
        for name, maker, place, inside in parts:
            element = maker(found, self._service) if maker is not None else attributes[place].get(name)
            if element is not None:
                answer[name] = element if inside is None else _only(element, inside)


@lru_cache(maxsize=512)
def _plan(level: Level, returns: tuple[Path, ...] | All, keys: tuple[Path, ...]) -> _Plan:
    tags = sorted(wanted(level, returns, keys).items())
    own: list[_Part] = []
    above: list[_Part] = []
    for tag, inside in tags:
        maker, place = _MADE.get(tag), _place(tag)
        if maker is None and place < 0:
            continue
        at = LEVELS.index(FIELDS[tag].level) if maker is not None else place
        shared = level in (Level.SERIES, Level.IMAGE) and at < LEVELS.index(level)
        (above if shared else own).append(_Part(hex_key(tag), maker, place, inside))
    empty: JsonDataset = {hex_key(tag): {"vr": vr_of(tag)} for tag, _ in tags}
    return _Plan(empty, tuple(above), tuple(own), any(tag in dict(tags) for tag in PATIENT_COUNTS))


def wanted(level: Level, returns: tuple[Path, ...] | All, keys: Sequence[Path]) -> Wanted:
    """The attributes to return: those asked for, those matched, and those that name the entity."""
    tree: Wanted = {}
    if isinstance(returns, All):
        seen = (tag for tag, field in FIELDS.items() if is_above_or_at(field.level, level))
        tree.update(dict.fromkeys((tag for tag in seen if tag in _MADE and tag not in PATIENT_COUNTS), None))
    else:
        for path in returns:
            _insert(tree, path)
    for path in keys:
        if not any(other[: len(path)] == path and other != path for other in keys):
            _insert(tree, path)
    for each in LEVELS[LEVELS.index(level) :: -1]:
        if each is not Level.PATIENT or level is Level.PATIENT:
            tree.setdefault(_UNIQUE[each], None)
    if level is not Level.PATIENT:
        tree.setdefault(RETRIEVE_AE_TITLE, None)
    return tree


def in_zone_of(question: Question, found: Found) -> Found:
    """The rows with their times as the asker's clock shows them, where both zones are known."""
    study = found.study.get("attributes") or {} if found.study else {}
    source, target = zone_of(study), question.timezone
    if target is None or source is None:
        return found
    own = in_zone(study, source, target) | {TIMEZONE: {"vr": "SH", "Value": [target]}}
    series, instance = found.series, found.instance
    if series.get("attributes"):
        series = {**series, "attributes": in_zone(series["attributes"], source, target)}
    if instance:
        date, time = moved(instance["content_date"], instance["content_time"], source, target)
        instance = {**instance, "content_date": date, "content_time": time}
    return found._replace(study={**found.study, "attributes": own}, series=series, instance=instance)


def full_dataset(found: Found) -> JsonDataset:
    """Everything known of an entity: what keys are matched against that SQL could not decide."""
    dataset: JsonDataset = {}
    for row in (found.patient, found.study, found.series, found.instance):
        dataset.update(row.get("attributes") or {})
    if found.instance:
        for name, column in (("00080023", "content_date"), ("00080033", "content_time")):
            if (element := _one(vr_of(int(name, 16)), found.instance.get(column))) is not None:
                dataset[name] = element
    return dataset


def _insert(tree: Wanted, path: Path) -> None:
    for tag in path[:-1]:
        if tag in tree and tree[tag] is None:
            return
        inner = tree.setdefault(tag, {})
        assert inner is not None
        tree = inner
    tree[path[-1]] = None


def _only(element: Element, inside: Wanted) -> Element:
    """A sequence with the attributes asked for in each item; one that has no value comes back without."""
    items = element.get("Value")
    if not items:
        return element
    return {"vr": "SQ", "Value": [_item(item or {}, inside) for item in items]}


def _item(item: JsonDataset, inside: Wanted) -> JsonDataset:
    made: JsonDataset = {}
    for tag, deeper in sorted(inside.items()):
        name = hex_key(tag)
        element = item.get(name, {"vr": vr_of(tag)})
        made[name] = element if deeper is None else _only(element, deeper)
    return made


def _place(tag: int) -> int:
    """Whose JSON holds an attribute: patient 0, study 1, series 2, instance 3; -1 nobody's."""
    if tag in PATIENT_TAGS:
        return 0
    if tag in SERIES_TAGS:
        return 2
    if tag in STUDY_TAGS:
        return 1
    return LEVELS.index(FIELDS[tag].level) if tag in FIELDS else -1


def _one(vr: str, value: Any) -> Element | None:
    return {"vr": vr, "Value": [value]} if value not in (None, "") else None


def _several(vr: str, values: Sequence[str] | None) -> Element | None:
    return {"vr": vr, "Value": list(values)} if values else None


def _patient_id(found: Found, column: str) -> Element | None:
    row = found.patient or found.study
    return _one("LO", row.get(column))


def _column(name: str, vr: str) -> _Maker:
    return lambda found, _: _one(vr, found.instance.get(name))


def _count(name: str) -> _Maker:
    return lambda found, _: _one("IS", found.counts.get(name))


def _computed() -> Iterable[tuple[int, _Maker]]:
    yield PATIENT_ID, lambda found, _: _patient_id(found, "patient_id")
    yield ISSUER, lambda found, _: _patient_id(found, "issuer")
    yield STUDY_UID, lambda found, _: _one("UI", found.study.get("study_uid"))
    yield SERIES_UID, lambda found, _: _one("UI", found.series.get("series_uid"))
    yield RETRIEVE_AE_TITLE, lambda _, service: _one("AE", service.ae_title)
    # Nothing leaves the online store yet.
    yield INSTANCE_AVAILABILITY, lambda _found, _service: _one("CS", "ONLINE")
    yield MODALITIES_IN_STUDY, lambda found, _: _several("CS", found.study.get("modalities"))
    yield SOP_CLASSES_IN_STUDY, lambda found, _: _several("UI", found.study.get("sop_classes"))
    yield 0x00201206, lambda found, _: _one("IS", found.study.get("n_series"))
    yield 0x00201208, lambda found, _: _one("IS", found.study.get("n_instances"))
    yield 0x00201209, lambda found, _: _one("IS", found.series.get("n_instances"))
    yield from ((tag, _count(name)) for tag, name in PATIENT_COUNTS.items())
    for tag, name in (
        (SOP_CLASS, "sop_class"),
        (SOP_UID, "sop_uid"),
        (0x00083002, "transfer_syntax"),  # AvailableTransferSyntaxUID
        (0x00200013, "instance_number"),
        (0x00280008, "frames"),
        (0x00280010, "rows"),
        (0x00280011, "columns"),
        (0x00280100, "bits_allocated"),
        (0x00080023, "content_date"),
        (0x00080033, "content_time"),
    ):
        yield tag, _column(name, vr_of(tag))


_MADE: Final[Mapping[int, _Maker]] = dict(_computed())
