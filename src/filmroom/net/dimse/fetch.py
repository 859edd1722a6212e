"""C-GET as SCU: what is there is asked first, so that exactly its SOP classes are proposed (PS3.4 C.5.3)."""

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from filmroom.archive.door import Ingest
from filmroom.base.errors import RemoteFault
from filmroom.base.limits import MAX_PRESENTATION_CONTEXTS
from filmroom.dicom.json import dataset_to_json
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import Level
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.models import QUERY_RETRIEVE_LEVEL, STUDY_ROOT, UNIQUE_KEYS
from filmroom.net.dimse.probe import COMMON_CLASSES
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.scp.store import StoreScp
from filmroom.net.dimse.scu import PLAIN, Association, Peer, Proposal
from filmroom.security.principals import Principal
from filmroom.wire.dimse.messages import CFindRsp, CGetRsp, CStoreRq
from filmroom.wire.dimse.status import C_FIND, PENDING, PENDING_OPTIONAL_KEYS, SUCCESS, status_name

_SOP_CLASS: Final = "00080016"
_LEVELS: Final = (Level.STUDY, Level.SERIES, Level.IMAGE)

# Two contexts for each class, and one for the C-GET itself.
CLASSES_AT_ONCE: Final = (MAX_PRESENTATION_CONTEXTS - 1) // 2

# Compressed syntaxes as archives keep them. A context takes only one, so packed and plain are proposed apart; and
# DCMTK 3.6.7 falls silent at a context with some fifty syntaxes, so the rare ones are left out.
_PACKED: Final = tuple(
    f"1.2.840.10008.1.2.{each}"
    for each in (
        *("4.70", "4.57", "4.80", "4.90", "4.201", "5", "4.50", "4.51", "4.81", "4.91", "4.203"),
        *("4.100", "4.102", "4.103", "4.107"),
    )
)

Keys = Mapping[str, Mapping[str, Any]]


class NothingFound(RemoteFault):
    """The peer has nothing that matches."""


class FindFailed(RemoteFault):
    """The peer failed the query that comes before a C-GET."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who we are to peers, and how we call."""

    calling_ae: str
    limits: ChannelLimits = dataclasses.field(default_factory=ChannelLimits)
    recorder: Recorder | None = None


@dataclass(frozen=True, slots=True)
class _Caller:
    """What StoreScp knows a peer by."""

    ae_title: str
    principal: Principal
    called_ae: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Got:
    """How far one C-GET is; ``status`` is pending until its end."""

    status: int
    completed: int
    failed: int
    warning: int
    remaining: int
    comment: str = ""

    @classmethod
    def of(cls, answer: CGetRsp) -> "Got":
        counts = (answer.completed or 0, answer.failed or 0, answer.warning or 0, answer.remaining or 0)
        return cls(answer.status, *counts, answer.comment)


@dataclass(frozen=True, slots=True)
class Series:
    """A series of the peer, with the classes of its objects."""

    study: str
    uid: str
    classes: frozenset[str]
    objects: int
    sop_uids: frozenset[str] = frozenset()


async def look(peer: Peer, keys: Keys, asker: Asker, *, besides: Collection[str] = ()) -> list[Series]:
    """Every series that matches, with its SOP classes, but for those of the studies ``besides``. Raises FindFailed, and
    what an association raises."""
    reactor = Reactor.for_timeouts(asker.limits.timeouts_s())
    proposals = [Proposal(STUDY_ROOT.find)]
    async with await Association.open(
        peer,
        proposals,
        calling_ae=asker.calling_ae,
        limits=asker.limits,
        reactor=reactor,
        recorder=asker.recorder,
    ) as association:
        found: list[Series] = []
        studies = {_text(each, Level.STUDY) async for each in _find(association, Level.STUDY, keys)}
        for study in sorted(studies - {"", *besides}):
            above = {UNIQUE_KEYS[Level.STUDY]: _uid(study)}
            within = {**_of(keys, Level.SERIES), **above}
            series = [_text(each, Level.SERIES) async for each in _find(association, Level.SERIES, within)]
            for uid in series:
                below = {**_of(keys, Level.IMAGE), **above, UNIQUE_KEYS[Level.SERIES]: _uid(uid)}
                images = [each async for each in _find(association, Level.IMAGE, below)]
                classes = frozenset(_value(each, _SOP_CLASS) for each in images) - {""}
                if images:
                    # dcmqrscp's images do not tell their class: then the common ones are proposed.
                    uids = frozenset(_text(each, Level.IMAGE) for each in images)
                    found.append(Series(study, uid, classes or frozenset(COMMON_CLASSES), len(images), uids - {""}))
        return found


async def fetch(
    peer: Peer, series: Sequence[Series], ingest: Ingest, who: Principal, asker: Asker
) -> AsyncGenerator[tuple[Series, Got], None]:
    """C-GET of each series on as few associations as its classes allow; every answer as it comes."""
    reactor = Reactor.for_timeouts(asker.limits.timeouts_s())
    store = StoreScp(ingest)
    for batch, classes in _batches(series):
        async with await Association.open(
            peer,
            proposals(classes),
            calling_ae=asker.calling_ae,
            limits=asker.limits,
            reactor=reactor,
            recorder=asker.recorder,
            providers=lambda request, context: store if isinstance(request, CStoreRq) else None,
            caller=_Caller(peer.ae_title, who),
        ) as association:
            syntax = association.line.context_for(STUDY_ROOT.get).transfer_syntax
            for each in batch:
                keys = _question(Level.SERIES, {"0020000D": _uid(each.study), "0020000E": _uid(each.uid)})
                async for answer in association.get(STUDY_ROOT.get, json_to_dataset(keys, syntax, "ISO_IR 192")):
                    assert isinstance(answer.response, CGetRsp)
                    yield each, Got.of(answer.response)


def proposals(classes: Sequence[str]) -> list[Proposal]:
    """One C-GET context, and for each class what is stored plain and what is stored packed.

    Plain first: DCMTK's dcmqrscp sends in the first accepted context of a class, whatever it stores.
    """
    made = [Proposal(STUDY_ROOT.get)]
    for sop_class in classes:
        made += [Proposal(sop_class, PLAIN, scp=True), Proposal(sop_class, _PACKED, scp=True)]
    return made


def _batches(series: Sequence[Series]) -> list[tuple[list[Series], list[str]]]:
    """Series in order, cut where their classes would not fit into one association."""
    made: list[tuple[list[Series], list[str]]] = []
    for each in series:
        wanted = list(dict.fromkeys([*(made[-1][1] if made else []), *sorted(each.classes)]))
        if made and len(wanted) <= CLASSES_AT_ONCE:
            made[-1] = ([*made[-1][0], each], wanted)
        else:
            made.append(([each], sorted(each.classes)[:CLASSES_AT_ONCE]))
    return made


async def _find(association: Association, level: Level, keys: Keys) -> AsyncIterator[Mapping[str, Any]]:
    wanted = _question(level, keys)
    wanted.setdefault(UNIQUE_KEYS[level], {"vr": "UI"})
    if level is Level.IMAGE:
        wanted.setdefault(_SOP_CLASS, {"vr": "UI"})
    syntax = association.line.context_for(STUDY_ROOT.find).transfer_syntax
    async for answer in association.find(STUDY_ROOT.find, json_to_dataset(wanted, syntax, "ISO_IR 192")):
        response = answer.response
        assert isinstance(response, CFindRsp)
        if response.status in (PENDING, PENDING_OPTIONAL_KEYS):
            yield dataset_to_json(answer.data, syntax)
        elif response.status != SUCCESS:
            words = response.comment or status_name(response.status, C_FIND)
            raise FindFailed(f"the peer answered the query with {response.status:04X}H: {words}")


def _question(level: Level, keys: Keys) -> dict[str, Any]:
    return {**keys, QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [level.value]}}


def _of(keys: Keys, level: Level) -> dict[str, Any]:
    """The unique keys at or below a level: others narrow the study, and belong to its own question."""
    own = {UNIQUE_KEYS[each] for each in _LEVELS[_LEVELS.index(level) :]}
    return {tag: value for tag, value in keys.items() if tag == UNIQUE_KEYS[level] and tag in own}


def _uid(value: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]}


def _text(match: Mapping[str, Any], level: Level) -> str:
    return _value(match, UNIQUE_KEYS[level])


def _value(match: Mapping[str, Any], tag: str) -> str:
    values = match.get(tag, {}).get("Value") or [""]
    return str(values[0])
