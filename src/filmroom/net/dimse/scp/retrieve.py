"""What C-MOVE and C-GET share (PS3.4 C.4.2, C.4.3): the identifier, the counts, the responses."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from filmroom.base.errors import RemoteFault
from filmroom.net.dimse.fallback import Brought, Fallback
from filmroom.net.dimse.line import Exchange
from filmroom.net.dimse.models import GET_MODELS, MOVE_MODELS, Model
from filmroom.net.dimse.outgoing import Sent, Tally
from filmroom.net.dimse.ports import Located, Retrieve
from filmroom.net.dimse.scp.identifiers import BadIdentifier, Wanted, decode, failed_list, wanted
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import RESPONSES, RetrieveRsp
from filmroom.wire.dimse.status import StatusClass

# Pending responses are for a person watching progress: not more often than this, and at least one.
PROGRESS_S = 0.1
# While nothing can be sent yet, the asker hears so often that it is not forgotten.
SIGN_OF_LIFE_S = 5.0
LOOK_S = 0.5

# The longest a retrieve may take in all: a peer that takes one object a minute for ever holds a place for ever.
RETRIEVE_S = 8 * 3600.0

_MODELS: Mapping[str, Model] = {**MOVE_MODELS, **GET_MODELS}


class _Named(Protocol):
    @property
    def sop_uid(self) -> str: ...


class Progress:
    """Counts the sub-operations of one retrieve and reports them to its asker."""

    def __init__(self, exchange: Exchange, items: Sequence[_Named]) -> None:
        self.tally = Tally(len(items))
        self._items = items
        self._exchange = exchange
        self._reported = float("-inf")
        self._deadline = exchange.line.loop.time() + RETRIEVE_S
        self._comment = ""

    def add(self, sent: Sent) -> None:
        """Count one object; say so when it is time."""
        self.tally.add(sent)
        if sent.outcome is StatusClass.FAILURE:
            self._comment = sent.comment or self._comment
        if self._exchange.line.loop.time() - self._reported >= PROGRESS_S:
            self.say()

    def missing(self, sop_uids: Iterable[str], why: str) -> None:
        """Objects that belong to the retrieve and cannot be had: they have failed."""
        for uid in sop_uids:
            self.tally.total += 1
            self.tally.fail(uid)
            self._comment = why

    def say(self) -> None:
        """A pending response with the counts, while anything remains."""
        if not self.tally.remaining:
            return
        self._reported = self._exchange.line.loop.time()
        self._exchange.respond(response(self._exchange, status.PENDING, self.tally, remaining=True))

    @property
    def overdue(self) -> bool:
        """Whether the retrieve has taken its whole time; what remains has failed then."""
        return self._exchange.line.loop.time() > self._deadline

    def finish(self, *, cancelled: bool = False) -> int:
        """Send the final response; its status."""
        if not cancelled and self.tally.remaining:
            self._comment = "the retrieve has taken too long"
            for item in self._items[len(self._items) - self.tally.remaining :]:
                self.tally.fail(item.sop_uid)
        code = status.CANCEL if cancelled else self.tally.final_status()
        failed = self.tally.failed_uids
        comment = self._comment if failed else ""
        final = response(self._exchange, code, self.tally, remaining=cancelled, has_data=bool(failed), comment=comment)
        data = failed_list(failed, self._exchange.context.transfer_syntax) if failed else b""
        self._exchange.respond(final, data)
        return code


def response(
    exchange: Exchange,
    code: int,
    tally: Tally | None = None,
    *,
    remaining: bool = False,
    has_data: bool = False,
    comment: str = "",
    offending: tuple[int, ...] = (),
) -> RetrieveRsp:
    """A C-MOVE or C-GET response; the remaining count belongs in pending and cancelled ones only."""
    kind = RESPONSES[type(exchange.request)]
    assert issubclass(kind, RetrieveRsp)
    return kind(
        responding_to=exchange.request.message_id,
        status=code,
        sop_class=exchange.context.abstract_syntax,
        comment=status.comment(comment),
        offending=offending,
        has_data=has_data,
        remaining=tally.remaining if tally is not None and remaining else None,
        completed=tally.completed if tally is not None else None,
        failed=tally.failed if tally is not None else None,
        warning=tally.warning if tally is not None else None,
    )


def read_identifier(exchange: Exchange, identifier: bytes) -> Wanted | None:
    """What is wanted; None after A900 was answered."""
    sop_class = exchange.context.abstract_syntax
    agreed = exchange.line.agreement.extended.get(sop_class, b"")
    relational = agreed[:1] == b"\x01" or exchange.line.caller.policy.lenient_relational
    try:
        dataset = decode(identifier, exchange.context.transfer_syntax)
        return wanted(dataset, _MODELS[sop_class], relational=relational)
    except RemoteFault as fault:
        offending = fault.offending if isinstance(fault, BadIdentifier) else ()
        exchange.respond(response(exchange, status.DATA_SET_MISMATCH, comment=str(fault), offending=offending))
        return None


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is to be sent, and what should be here and is not."""

    items: list[Located]
    missing: tuple[str, ...] = ()
    why: str = ""


async def gather(exchange: Exchange, retrieve: Retrieve, what: Wanted, fallback: Fallback | None) -> Gathering:
    """The stored objects that are wanted; studies that are not here are fetched where they are. Raises Unavailable,
    Forbidden."""
    items = await find_objects(exchange, retrieve, what)
    here = {item.study_uid for item in items}
    absent = [uid for uid in what.studies if uid not in here]
    asks_for_more = absent if what.studies else what.patient is not None and not (what.series or what.instances)
    if fallback is None or not asks_for_more:
        return Gathering(items)
    caller = exchange.line.caller.ae_title
    if what.studies or what.patient is None:
        bringing = fallback.bring(what, absent, caller)
    else:
        bringing = fallback.bring_rest(what.patient, here, caller)
    brought = await _brought(exchange, bringing)
    if brought is None or not brought.sop_uids:
        return Gathering(items)
    items = await find_objects(exchange, retrieve, what)
    wanted_uids = brought.sop_uids & set(what.instances) if what.instances else brought.sop_uids
    missing = tuple(sorted(wanted_uids - {item.sop_uid for item in items}))
    return Gathering(items, missing, f"{brought.source} has it, and it did not come from there")


async def _brought(exchange: Exchange, work: Coroutine[None, None, Brought]) -> Brought | None:
    """Wait for a fetch with signs of life to who asked; None when it was cancelled."""
    task = asyncio.ensure_future(work)
    waited_s = 0.0
    try:
        while not (await asyncio.wait([task], timeout=LOOK_S))[0]:
            waited_s += LOOK_S
            if exchange.cancelled:
                return None
            if waited_s >= SIGN_OF_LIFE_S:
                waited_s = 0.0
                exchange.respond(response(exchange, status.PENDING))
        return task.result()
    finally:
        task.cancel()


async def find_objects(exchange: Exchange, retrieve: Retrieve, what: Wanted) -> list[Located]:
    """The stored objects that are wanted. Raises Unavailable, Forbidden."""
    found = await retrieve.locate(
        exchange.line.caller.principal,
        patient=what.patient,
        studies=what.studies,
        series=what.series,
        instances=what.instances,
    )
    return list(found)
