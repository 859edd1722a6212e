"""Rules of storing, in force: what is decided about an object before it is filed, and what of that is kept.

``Admission`` is what ingest asks. Nothing of it costs more than one attribute test where no rule exists.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

import orjson
import structlog

from filmroom.archive.coercion import Action, apply, repaired_charset
from filmroom.archive.compression_model import Chosen, When
from filmroom.archive.duplicates_store import study_patient
from filmroom.archive.identity import OtherPatient, Refusal, admit, examine
from filmroom.archive.rules_book import COERCION, COMPRESSION, Policies, Rule, read_policies, read_rules, version
from filmroom.archive.rules_policy import StorePolicy
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.attributes import QuickKeys, full_record
from filmroom.dicom.charset import character_set
from filmroom.dicom.conditions_eval import Asked, JsonValues, attributes_of, compiled, text_of
from filmroom.dicom.edits import Edit, edited
from filmroom.dicom.headertap import Header, HeaderTap
from filmroom.dicom.indextags import CHARACTER_SET, INDEX_TAGS, PATIENT_ID, STUDY_UID
from filmroom.dicom.json import elements_to_json
from filmroom.dicom.pixels_elements import Encoding
from filmroom.dicom.transcode_elements import element
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

_sql = load("filmroom.archive", "rules.sql")
log = structlog.get_logger()

# A change made by another process is in force after this long.
LOOK_S: Final = 2.0
_ISSUER: Final = 0x00100021


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """The frozen question: an object whose header is read. ``header`` holds at least ``Admission.wanted``."""

    header: Header
    calling: str
    called: str = ""
    host: str = ""
    door: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided, with the reason. ``header`` is what the index is to see. ``edit`` is kept with the object (see
    ``Admission.record``); None when it is filed as it came. ``compression``: what is made of it before it is
    answered."""

    header: Header
    policy: StorePolicy = field(default_factory=StorePolicy)
    refusal: Refusal | None = None
    reason: str = ""
    edit: Edit | None = None
    rules: tuple[str, ...] = ()
    compression: Chosen | None = None


class Admission(Protocol):
    """What ingest needs to know about rules."""

    @property
    def active(self) -> bool:
        """Whether there is any rule or policy; else nothing below is called."""
        ...

    @property
    def wanted(self) -> frozenset[int]:
        """Top-level attributes that the header must hold, those of the index among them."""
        ...

    def decide(self, coming: Coming) -> Decision:
        """Never raises for what an object holds."""
        ...

    def policy(self, calling: str, called: str = "") -> StorePolicy:
        """How objects of a sender are stored."""
        ...

    async def examine(self, decision: Decision, keys: QuickKeys) -> Decision:
        """The same, judged against the patient of the study that is here. Raises Unavailable."""
        ...

    async def record(self, tx: Connection, at: datetime, filed: Sequence[tuple[str, Decision]]) -> None:
        """Keep what was decided of objects (by SOP Instance UID) that were filed as new in this transaction."""
        ...


@dataclass(frozen=True, slots=True)
class _InForce:
    """One state of the rules, compiled."""

    version: int
    policies: Policies
    coercions: tuple[tuple[Rule, Callable[[Asked], bool], tuple[Action, ...]], ...]
    wanted: frozenset[int]
    compressions: "Compressions"


class Compressions:
    """The rules of compression, compiled; the first that holds counts."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = [
            (Chosen(rule.name, rule.compression), compiled(rule.condition)) for rule in rules if rule.compression
        ]
        self.tags = frozenset(tag for rule in rules for tag in attributes_of(rule.condition))
        said = [[rule.name, rule.priority, rule.text, rule.rows] for rule in rules]
        self.revision = hashlib.sha256(orjson.dumps(said)).digest()  # another one when the rules are others

    @property
    def all(self) -> list[Chosen]:
        return [chosen for chosen, _ in self._rules]

    @property
    def at_receipt(self) -> bool:
        """Whether any may concern an object that is coming in."""
        return any(chosen.how.when is When.RECEIPT for chosen in self.all)

    def of(self, asked: Asked) -> Chosen | None:
        """What is to become of an object; None when no rule holds."""
        return next((chosen for chosen, holds in self._rules if holds(asked)), None)

    def of_stored(self, header: Header, source: str, now: datetime) -> Chosen | None:
        """The same for an object that is here: ``header`` holds ``tags``. What called it, and through which door it
        came, is not known any more."""
        return self.of(Asked(values=_Seen(header, ""), calling=source, now=now))


_NONE: Final = _InForce(-1, Policies({}), (), INDEX_TAGS, Compressions())


class StoreRules:
    """The rules in force in this process; ``start`` before the first object."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._now = _NONE
        self._looking: asyncio.Task[None] | None = None
        self.active = False

    @property
    def wanted(self) -> frozenset[int]:
        return self._now.wanted

    async def start(self) -> None:
        """Read the rules, and look for changes from now on. Raises Unavailable."""
        await self.refresh()
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def refresh(self) -> None:
        """Read the rules again if they have changed. Raises Unavailable."""
        async with self._database.connection() as connection:
            current = await version(connection)
            if current == self._now.version:
                return
            rules = [rule for rule in await read_rules(connection, COERCION) if rule.enabled]
            compressing = [rule for rule in await read_rules(connection, COMPRESSION) if rule.enabled]
            policies = await read_policies(connection)
        coercions = tuple((rule, compiled(rule.condition), rule.actions) for rule in rules)
        tags = {tag for rule in rules for tag in attributes_of(rule.condition)}
        tags |= {tag for rule in rules for action in rule.actions for tag in action.tags}
        compressions = Compressions(compressing)
        if compressions.at_receipt:
            tags |= compressions.tags
        self._now = _InForce(current, policies, coercions, INDEX_TAGS | tags, compressions)
        self.active = bool(rules or policies) or compressions.at_receipt
        log.info("rules read", version=current, coercions=len(rules), compressions=len(compressing))

    @property
    def compressions(self) -> Compressions:
        """The rules of compression in force."""
        return self._now.compressions

    def policy(self, calling: str, called: str = "") -> StorePolicy:
        return self._now.policies.of(calling, called)

    def decide(self, coming: Coming) -> Decision:
        policy = self.policy(coming.calling, coming.called)
        header = coming.header
        charset = repaired_charset(header, policy.charset, policy.charset_repair)
        seen = _Seen(header, charset)
        asked = self._asked(coming, seen)
        names = self._coerce(asked, seen)
        patient, issuer = seen.text(PATIENT_ID), seen.text(_ISSUER)
        admitted = admit(patient, issuer, seen.text(STUDY_UID), policy.identity)
        if admitted.refusal is not None:
            return Decision(header=header, policy=policy, refusal=admitted.refusal, reason=admitted.reason, rules=names)
        if admitted.changes:
            seen.changes.update(admitted.changes)
            names = (*names, "identity")
        if charset:
            names = (*names, "charset")
        chosen = self._now.compressions.of(asked) if self._now.compressions.at_receipt else None
        compression = chosen if chosen is not None and chosen.how.when is When.RECEIPT else None
        edit = Edit(dict(seen.changes), charset)
        if not edit:
            return Decision(header=header, policy=policy, compression=compression)
        try:
            made = coerced(header, edit, self._now.wanted)
        except FilmroomError as fault:  # a header that only the tap can read
            log.warning("coercion left out", error=type(fault).__name__)
            return Decision(header=header, policy=policy, compression=compression)
        return Decision(header=made, policy=policy, edit=edit, rules=names, compression=compression)

    async def examine(self, decision: Decision, keys: QuickKeys) -> Decision:
        policy = decision.policy.identity
        if policy.other_patient is OtherPatient.ACCEPT and not policy.compare:
            return decision
        async with self._database.connection() as connection:
            patient = await study_patient(connection, keys.study_uid)
        if patient is None:
            return decision
        coming = full_record(decision.header, quick=keys).patient
        judged = examine(patient, (coming.patient_id, coming.issuer), coming.attributes, policy)
        return decision if judged.refusal is None else replace(decision, refusal=judged.refusal, reason=judged.reason)

    def _asked(self, coming: Coming, seen: "_Seen") -> Asked:
        return Asked(
            values=seen,
            calling=coming.calling,
            called=coming.called,
            host=coming.host,
            door=coming.door,
            now=self._clock.now().astimezone(),
        )

    def _coerce(self, asked: Asked, seen: "_Seen") -> tuple[str, ...]:
        names: list[str] = []
        for rule, holds, actions in self._now.coercions:
            if holds(asked):
                before = dict(seen.changes)
                apply(actions, seen.changes, seen.received)
                if seen.changes != before:
                    names.append(rule.name)
                if rule.stop:
                    break
        return tuple(names)

    async def record(self, tx: Connection, at: datetime, filed: Sequence[tuple[str, Decision]]) -> None:
        bodies: dict[bytes, Mapping[str, Any]] = {}
        placed: list[tuple[str, bytes]] = []
        for sop_uid, decision in filed:
            if decision.edit is None:
                continue
            body = {"changes": decision.edit.changes, "charset": decision.edit.charset, "rules": list(decision.rules)}
            digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
            bodies[digest] = body
            placed.append((sop_uid, digest))
        if not placed:
            return
        await _sql.keep_coercions.run(tx, digests=list(bodies), bodies=list(bodies.values()))
        uids, digests = zip(*placed, strict=True)
        await _sql.place_coercions.run(tx, at=at, sop_uids=list(uids), of=list(digests))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(FilmroomError):
                await self.refresh()


class _Seen:
    """An object as rules see it: what it holds, decoded when asked for, with what earlier rules changed."""

    def __init__(self, header: Header, charset: str) -> None:
        self._header = header
        self._charset = character_set(charset or header.value(CHARACTER_SET))
        self._decoded: dict[int, Mapping[str, Any] | None] = {}
        self.changes: dict[str, Mapping[str, Any] | None] = {}

    def received(self, tag: int) -> Mapping[str, Any] | None:
        """As it came, in the character set that it is really in."""
        if tag not in self._decoded:
            raw = self._header.elements.get(tag)
            found = None
            if raw is not None:
                made = elements_to_json([raw], self._header.implicit, self._header.big_endian, self._charset)
                found = made.get(f"{tag:08X}")
            self._decoded[tag] = found
        return self._decoded[tag]

    def texts(self, path: tuple[int, ...]) -> Sequence[str]:
        name = f"{path[0]:08X}"
        found = self.changes[name] if name in self.changes else self.received(path[0])
        return JsonValues({name: found}).texts(path) if found else ()

    def text(self, tag: int) -> str:
        return text_of(next(iter(self.texts((tag,))), ""))


def coerced(header: Header, edit: Edit, wanted: frozenset[int]) -> Header:
    """The header as it would have been read from the changed data set; offsets are still those of the bytes."""
    syntax = EXPLICIT_BE if header.big_endian else IMPLICIT_LE if header.implicit else EXPLICIT_LE
    encoding = Encoding(header.implicit and not header.big_endian, header.big_endian)
    data = b"".join(element(tag, raw.vr, raw.value, encoding) for tag, raw in sorted(header.elements.items()))
    tap = HeaderTap(syntax, wanted)
    tap.feed(edited(data, syntax, edit))
    return replace(header, elements=tap.finish().elements, implicit=encoding.implicit)
