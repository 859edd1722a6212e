"""What STOW-RS says became of each object (PS3.18 10.5.3, tables I.1-1 and I.2-2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from filmroom.archive.model import Outcome, Stored
from filmroom.dicom.question import JsonDataset
from filmroom.net.web.dicomweb.addresses import resource

# PS3.18 table I.2-2 and PS3.4 table B.2-1; None: the object is stored.
FAILURE_REASON: Mapping[Stored, int | None] = {
    Stored.NEW: None,
    Stored.ALREADY: None,
    Stored.CONFLICT: 0x0111,  # duplicate SOP instance
    Stored.QUARANTINED: 0xC000,  # cannot understand
    Stored.NO_SPACE: 0xA700,
    Stored.UNAVAILABLE: 0x0110,  # processing failure
    Stored.REFUSED: 0x0124,  # not authorized
}
# The data set does not belong to the study of the address.
WRONG_STUDY = 0xA900
# Elements were discarded or the object is not whole, and yet it is stored (table I.2-1).
WARNED = 0xB007


CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class Wrong:
    """An object that was not handed on, and why; names are '' where they could not be read."""

    sop_class: str
    sop_uid: str
    reason: int = WRONG_STUDY
    comment: str = ""


def status_of(outcomes: Sequence[Outcome], wrong: int) -> int:
    """200 all stored, 202 some or with warnings, 409 none; 503 and 507 where that is why (PS3.18 10.5.3.1)."""
    stored = sum(outcome.safe for outcome in outcomes)
    if stored == len(outcomes) and not wrong:
        return 202 if any(outcome.warnings for outcome in outcomes) else 200
    if stored:
        return 202
    why = {outcome.result for outcome in outcomes} if not wrong else set()
    if why == {Stored.NO_SPACE}:
        return 507
    return 503 if why == {Stored.UNAVAILABLE} else 409


def report(outcomes: Sequence[Outcome], wrong: Sequence[Wrong], root: str) -> JsonDataset:
    """The answer's data set."""
    stored = [_stored(outcome, root) for outcome in outcomes if outcome.safe]
    failed = [
        _reference(o.sop_class, o.sop_uid) | _reason(o) for o in outcomes if not o.safe and o.sop_uid and o.sop_class
    ]
    failed += [_reference(w.sop_class, w.sop_uid) | _why(w) for w in wrong if w.sop_class and w.sop_uid]
    nameless = [_reason(o) for o in outcomes if not o.safe and not (o.sop_uid and o.sop_class)]
    nameless += [_why(w) for w in wrong if not (w.sop_class and w.sop_uid)]
    found: JsonDataset = {}
    studies = {outcome.study_uid for outcome in outcomes if outcome.safe}
    if len(studies) == 1:
        found["00081190"] = {"vr": "UR", "Value": [resource(root, studies.pop())]}
    for key, items in (("00081198", failed), ("00081199", stored), ("0008119A", nameless)):
        if items:
            found[key] = {"vr": "SQ", "Value": items}
    return found


def _stored(outcome: Outcome, root: str) -> JsonDataset:
    item = _reference(outcome.sop_class, outcome.sop_uid)
    address = resource(root, outcome.study_uid, outcome.series_uid, outcome.sop_uid)
    item["00081190"] = {"vr": "UR", "Value": [address]}
    if outcome.warnings:
        item["00081196"] = _us(WARNED)
    return item


def _reference(sop_class: str, sop_uid: str) -> JsonDataset:
    return {"00081150": {"vr": "UI", "Value": [sop_class]}, "00081155": {"vr": "UI", "Value": [sop_uid]}}


def _reason(outcome: Outcome) -> JsonDataset:
    item: JsonDataset = {"00081197": _us(outcome.status or FAILURE_REASON[outcome.result] or 0)}
    if outcome.comment:
        item["00000902"] = {"vr": "LO", "Value": [outcome.comment]}
    return item


def _why(wrong: Wrong) -> JsonDataset:
    item: JsonDataset = {"00081197": _us(wrong.reason)}
    if wrong.comment:
        item["00000902"] = {"vr": "LO", "Value": [wrong.comment]}
    return item


def _us(value: int) -> dict[str, object]:
    return {"vr": "US", "Value": [value]}
