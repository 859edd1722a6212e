"""Answers to a question: DICOM JSON made of rows, with what was asked for and nothing else (PS3.4 C.2.2.1.3)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.indextags import PATIENT_TAGS, SERIES_TAGS, STUDY_TAGS
from filmroom.dicom.question import All, JsonDataset, Level, Path, Question, hex_key, paths_of
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


class Answers:
    """Makes the answers to one question."""

    def __init__(self, question: Question, service: Service) -> None:
        self._level = question.level
        self._service = service
        self._all = isinstance(question.returns, All)
        self._wanted = wanted(question)
        self._plan: list[tuple[str, _Maker | None, int, Element, Wanted | None]] = [
            (hex_key(tag), _MADE.get(tag), _place(tag), {"vr": vr_of(tag)}, inside)
            for tag, inside in sorted(self._wanted.items())
        ]

    @property
    def wants_patient_counts(self) -> bool:
        """Whether NumberOfPatientRelated... must be counted for it."""
        return any(tag in self._wanted for tag in PATIENT_COUNTS)

    def make(self, found: Found) -> JsonDataset:
        """One answer; attributes without a value are there without a value."""
        rows = (found.patient, found.study, found.series, found.instance)
        answer: JsonDataset = {}
        if self._all:
            for row in rows:
                answer.update(row.get("attributes") or {})
        for name, maker, place, empty, inside in self._plan:
            element = maker(found, self._service) if maker is not None else None
            if element is None and maker is None and place >= 0:
                element = (rows[place].get("attributes") or _NOTHING).get(name)
            if element is not None and inside is not None:
                element = _only(element, inside)
            answer[name] = element if element is not None else empty
        if self._all:
            return {name: answer[name] for name in sorted(answer)}
        return answer


def wanted(question: Question) -> Wanted:
    """The attributes to return: those asked for, those matched, and those that name the entity."""
    tree: Wanted = {}
    if isinstance(question.returns, All):
        seen = (tag for tag, field in FIELDS.items() if is_above_or_at(field.level, question.level))
        tree.update(dict.fromkeys((tag for tag in seen if tag in _MADE and tag not in PATIENT_COUNTS), None))
    else:
        for path in question.returns:
            _insert(tree, path)
    paths = paths_of(question.keys)
    for path in paths:
        if not any(other[: len(path)] == path and other != path for other in paths):
            _insert(tree, path)
    for level in LEVELS[LEVELS.index(question.level) :: -1]:
        if level is not Level.PATIENT or question.level is Level.PATIENT:
            tree.setdefault(_UNIQUE[level], None)
    if question.level is not Level.PATIENT:
        tree.setdefault(RETRIEVE_AE_TITLE, None)
    return tree


def full_dataset(found: Found) -> JsonDataset:
    """Everything known of an entity: what keys are matched against that SQL could not decide."""
    dataset: JsonDataset = {}
    for row in (found.patient, found.study, found.series, found.instance):
        dataset.update(row.get("attributes") or {})
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
