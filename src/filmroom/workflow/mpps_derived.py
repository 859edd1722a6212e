"""Performed procedure steps of modalities that send none: begun by the first image, over when the study is complete.

They are made through the same use cases as those that modalities send, so scheduled steps, forwarding, notices and
facts follow in the same way. Which devices are meant is their policy's ``mpps_from_images``.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import structlog

from filmroom.base.facts import InstancesStored, StudyComplete
from filmroom.base.ids import new_uid
from filmroom.db import feed
from filmroom.db.feed import FeedWatch, Recorded
from filmroom.db.following import Follower
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.security.principals import SYSTEM
from filmroom.workflow.attributes import element, first
from filmroom.workflow.mpps import PerformedSteps
from filmroom.workflow.mpps_rules import SCHEDULED, SERIES, STATION, STATUS, PerformedStatus

_sql = load("filmroom.workflow", "mpps_derived.sql")
log = structlog.get_logger()

READER: Final = "derived-steps"
_PATIENT: Final = (0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040)
# Where a step's name of its protocol comes from: Protocol Name, Series Description.
_PROTOCOL: Final = (0x00181030, 0x0008103E)


class DerivedSteps(Follower):
    """Follows the feed. What is done twice is done once: a step's UID follows from its study, device and number."""

    def __init__(self, database: Database, watch: FeedWatch, performed: PerformedSteps) -> None:
        super().__init__(database, watch, READER)
        self._performed = performed

    async def _deal(self, seen: int, facts: Sequence[Recorded]) -> int:
        async with self._database.connection() as connection:
            devices = [row["ae_title"] for row in await _sql.deriving.all(connection)]
        if devices:
            for each in _firsts(facts, frozenset(devices)):
                await self._follow(each, devices)
        async with self._database.transaction() as tx:
            await feed.advance(tx, READER, facts[-1].seq)
        return len(facts)

    async def _follow(self, each: Recorded, devices: list[str]) -> None:
        fact = each.fact
        if isinstance(fact, InstancesStored):
            await self._begin(fact, each.at)
        elif isinstance(fact, StudyComplete) and fact.reason != "performed":
            async with self._database.connection() as connection:
                rows = await _sql.open_of_study.all(connection, study_uid=fact.study_uid, sources=devices)
            for row in rows:
                await self._end(fact.study_uid, row["sop_uid"], row["source"], each.at)

    async def _begin(self, fact: InstancesStored, at: datetime) -> None:
        """The first image of a device for a study, or the first after what it had done was over."""
        async with self._database.connection() as connection:
            before = await _sql.of_study.all(connection, source=fact.source, study_uid=fact.study_uid)
            known = await _sql.known.one(connection, study_uid=fact.study_uid, series_uid=fact.series_uid)
        if known is None or (before and before[0]["status"] == PerformedStatus.IN_PROGRESS.value):
            return
        if before and fact.sop_uids[0] in _spoken_of(before[0]["attributes"]):
            return  # the feed is read again after a crash
        name = f"{fact.study_uid}|{fact.source}|{len(before)}"
        uid = new_uid(lambda: uuid.uuid5(uuid.NAMESPACE_OID, name).int)
        done = await self._performed.create(SYSTEM, uid, _begun(fact, known, at, len(before)), source=fact.source)
        log.info("a performed step is taken as begun", source=fact.source, refused=done.finding is not None)

    async def _end(self, study_uid: str, sop_uid: str, source: str, at: datetime) -> None:
        async with self._database.connection() as connection:
            rows = await _sql.made.all(connection, study_uid=study_uid, source=source)
        if rows:
            done = await self._performed.set(SYSTEM, sop_uid, _ended(rows, at))
            log.info("a performed step is taken as over", source=source, refused=done.finding is not None)


def _firsts(facts: Iterable[Recorded], devices: frozenset[str]) -> Iterable[Recorded]:
    """Of objects of one study and device the first fact alone, up to the next end of a study."""
    seen: set[tuple[str, str]] = set()
    for each in facts:
        fact = each.fact
        if isinstance(fact, InstancesStored):
            if fact.source in devices and (fact.study_uid, fact.source) not in seen:
                seen.add((fact.study_uid, fact.source))
                yield each
        elif isinstance(fact, StudyComplete):
            seen = {pair for pair in seen if pair[0] != fact.study_uid}
            yield each


def _begun(fact: InstancesStored, known: Any, at: datetime, number: int) -> JsonDataset:
    """The N-CREATE that the modality would have sent."""
    local, patient = at.astimezone(), known["patient"]
    scheduled = element(0x0020000D, fact.study_uid) | element(0x00080050, known["accession"]) | element(0x00400009)
    made = {hex_key(tag): patient[hex_key(tag)] for tag in _PATIENT if hex_key(tag) in patient}
    made |= element(0x00400253, f"{known['study_id'][:12] or 'IMG'}-{number + 1}")
    made |= element(STATION, fact.source) | element(STATUS, PerformedStatus.IN_PROGRESS.value)
    made |= element(0x00400244, f"{local:%Y%m%d}") | element(0x00400245, f"{local:%H%M%S}")
    made |= element(0x00080060, known["modality"] or "OT") | element(0x00200010, known["study_id"])
    return {**made, hex_key(SCHEDULED): {"vr": "SQ", "Value": [scheduled]}}


def _ended(rows: list[Any], at: datetime) -> JsonDataset:
    """The N-SET that it would have sent: over, with its series and their objects."""
    local = at.astimezone()
    series: dict[str, list[Any]] = {}
    for row in rows:
        series.setdefault(row["series_uid"], []).append(row)
    told = [_series(uid, of) for uid, of in series.items()]
    made = element(STATUS, PerformedStatus.COMPLETED.value)
    made |= element(0x00400250, f"{local:%Y%m%d}") | element(0x00400251, f"{local:%H%M%S}")
    return {**made, hex_key(SERIES): {"vr": "SQ", "Value": told}}


def _series(uid: str, rows: list[Any]) -> JsonDataset:
    objects = [element(0x00081150, row["sop_class"]) | element(0x00081155, row["sop_uid"]) for row in rows]
    attributes = rows[0]["attributes"]
    protocol = next((name for tag in _PROTOCOL if (name := first(attributes, tag))), "unknown")
    told = element(0x0020000E, uid) | element(0x00181030, str(protocol)[:64])
    return {**told, "00081140": {"vr": "SQ", "Value": objects}}


def _spoken_of(held: JsonDataset) -> set[str]:
    return {
        str(first(one, 0x00081155))
        for series in (held.get(hex_key(SERIES)) or {}).get("Value") or ()
        for one in (series.get("00081140") or {}).get("Value") or ()
    }
