"""One object on its way in: its header is read while it passes, and what it is decides where it goes."""

import asyncio
from dataclasses import dataclass

from filmroom.archive.arrival import Arrival
from filmroom.archive.body import Body, Budget
from filmroom.archive.filing import Desk
from filmroom.archive.identity import REFUSAL_STATUS
from filmroom.archive.model import MAX_COMMENT_CHARACTERS, Outcome, Stored
from filmroom.archive.ports import AtReceipt, Quarantining
from filmroom.archive.rules import Admission, Coming, Decision
from filmroom.base.errors import FilmroomError, NoSpace, NotReadable, RemoteFault
from filmroom.dicom.attributes import QuickKeys, quick_keys
from filmroom.dicom.headertap import Header, HeaderTap
from filmroom.dicom.part10 import PREAMBLE_BYTES, PREFIX, FileMeta, plain_preamble, read_meta, write_meta
from filmroom.storage.online import OnlineStore


@dataclass(frozen=True, slots=True)
class House:
    """What all objects on their way in have in common."""

    online: OnlineStore
    desk: Desk
    quarantine: Quarantining
    budget: Budget
    rules: Admission | None = None
    compressor: AtReceipt | None = None


class Incoming:
    """One object on its way in. End it with ``finish`` or ``discard``, once."""

    __slots__ = (
        "_body",
        "_called",
        "_decision",
        "_door",
        "_fault",
        "_head",
        "_host",
        "_house",
        "_meta",
        "_odd_head",
        "_prefix",
        "_reading",
        "_sop_class",
        "_sop_uid",
        "_source",
        "_syntax",
        "_tap",
    )

    def __init__(
        self,
        house: House,
        door: str,
        source: str,
        transfer_syntax: str | None,
        sop_class: str,
        sop_uid: str,
        *,
        called: str = "",
        host: str = "",
    ) -> None:
        self._house = house
        self._door = door
        self._source = source
        self._called = called
        self._host = host
        self._decision: Decision | None = None
        self._sop_class = sop_class
        self._sop_uid = sop_uid
        self._prefix: bytearray | None = bytearray() if transfer_syntax is None else None
        self._meta: FileMeta | None = None
        self._head = b""
        self._odd_head = b""  # what came before the data set and will not do as file header
        self._syntax = transfer_syntax or ""
        self._tap: HeaderTap | None = self._new_tap(transfer_syntax) if transfer_syntax is not None else None
        self._reading = transfer_syntax is not None
        self._fault: RemoteFault | None = None
        self._body = Body(house.online, house.budget, self._known_head)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. Never waits; ``full`` says when the caller must."""
        data = chunk if type(chunk) is bytes else bytes(chunk)
        if self._prefix is None:
            self._take(data)
        else:
            self._prefix += data
            self._open_file(complete=False)

    @property
    def full(self) -> bool:
        """Whether the caller must ``drain`` before it writes more."""
        return self._body.full

    async def drain(self) -> None:
        """Wait until there is room for more."""
        await self._body.drain()

    async def finish(self) -> Outcome:
        """The object is whole: what became of it. NEW and ALREADY are durable; never raises for foreseeable faults."""
        try:
            return await self._finish()
        except NoSpace as fault:
            return self._outcome(Stored.NO_SPACE, str(fault))
        except FilmroomError as fault:
            return self._outcome(Stored.UNAVAILABLE, str(fault))
        finally:
            self._body.release()

    async def discard(self) -> None:
        """The sender is gone before the end: nothing of the object stays."""
        await self._body.discard()

    # -- taking bytes ------------------------------------------------------------------------------------------------

    def _open_file(self, *, complete: bool) -> None:
        """Read the file header once it is all there; what follows it is the data set."""
        prefix = bytes(self._prefix or b"")
        try:
            meta = read_meta(prefix, complete=complete)
        except RemoteFault as fault:
            self._fault, self._prefix = fault, None
            self._take(prefix)
            return
        if meta is None:
            return
        self._prefix = None
        self._meta = meta
        self._syntax = meta.transfer_syntax
        self._tap, self._reading = self._new_tap(meta.transfer_syntax), True
        if meta.had_meta and not meta.guessed:
            self._head = _kept_head(meta, prefix)
        else:
            self._odd_head = prefix[: meta.dataset_offset]
        if len(prefix) > meta.dataset_offset:
            self._take(prefix[meta.dataset_offset :])

    def _new_tap(self, transfer_syntax: str) -> HeaderTap:
        rules = self._house.rules
        return HeaderTap(transfer_syntax, rules.wanted if rules is not None and rules.active else None)

    def _take(self, data: bytes) -> None:
        if self._reading:
            assert self._tap is not None
            try:
                self._reading = self._tap.feed(data)
            except RemoteFault as fault:
                self._fault, self._reading = fault, False
        self._body.take(data)

    def _known_head(self) -> bytes:
        """The file header, as far as it can be known before the data set is read."""
        if self._meta is None and self._fault is None and self._sop_uid:
            self._head = write_meta(self._sop_class, self._sop_uid, self._syntax, self._source_ae())
        return self._head

    # -- the end -----------------------------------------------------------------------------------------------------

    async def _finish(self) -> Outcome:
        if self._prefix is not None:
            self._open_file(complete=True)
        body = self._body
        await body.end()
        try:
            header, keys = self._read_header()
        except _Unfit as unfit:
            return await self._set_aside(unfit.reason, str(unfit))
        except RemoteFault as fault:
            return await self._set_aside("not-readable", str(fault))
        if self._decision is not None and (refused := await self._judge(self._decision, keys)):
            return refused
        if not self._head:
            self._head = write_meta(self._sop_class, self._sop_uid, self._syntax, self._source_ae())
            await body.put_in_front(self._head)
        arrival = Arrival(
            door=self._door,
            source=self._source,
            sop_class=self._sop_class,
            sop_uid=self._sop_uid,
            transfer_syntax=self._syntax,
            header=header,
            keys=keys,
            head=self._head,
            parts=body.parts,
            size_bytes=len(self._head) + body.size_bytes,
            answer=asyncio.get_running_loop().create_future(),
            spool=body.spool,
            warnings=("the pixel data ends early",) if header.truncated else (),
            decision=self._decision,
        )
        outcome = await self._house.desk.file(arrival)
        chosen = self._decision.compression if self._decision is not None else None
        if chosen is not None and outcome.result is Stored.NEW and self._house.compressor is not None:
            await self._house.compressor.at_receipt(keys.study_uid, keys.series_uid, self._sop_uid, chosen)
        return outcome

    def _read_header(self) -> tuple[Header, QuickKeys]:
        if self._fault is not None:
            raise self._fault
        assert self._tap is not None
        header = self._decided(self._tap.finish(self._body.size_bytes))
        keys = quick_keys(header)
        if self._meta is None and self._sop_uid not in ("", keys.sop_uid):
            raise _Unfit("uid-differs", "the data set is of another object than the message says")
        self._sop_uid, self._sop_class = keys.sop_uid, keys.sop_class
        return header, keys

    def _decided(self, header: Header) -> Header:
        """The header as the index is to see it: as it came, or as the rules make it."""
        rules = self._house.rules
        if rules is None or not rules.active:
            return header
        coming = Coming(header=header, calling=self._source, called=self._called, host=self._host, door=self._door)
        self._decision = rules.decide(coming)
        return self._decision.header

    async def _judge(self, decision: Decision, keys: QuickKeys) -> Outcome | None:
        """The answer to an object that is not wanted; nothing of it stays. None: it may be filed."""
        if decision.refusal is None:
            assert self._house.rules is not None
            decision = await self._house.rules.examine(decision, keys)
        if decision.refusal is None:
            return None
        await self._body.discard()
        uids = (self._sop_class, self._sop_uid, keys.study_uid, keys.series_uid)
        comment = decision.reason[:MAX_COMMENT_CHARACTERS]
        return Outcome(Stored.REFUSED, *uids, comment, status=REFUSAL_STATUS[decision.refusal])

    async def _set_aside(self, reason: str, detail: str) -> Outcome:
        """To quarantine."""
        head = self._head or self._odd_head
        if self._meta is None and self._syntax and not head:
            head = write_meta(self._sop_class, self._sop_uid, self._syntax, self._source_ae())
        await self._house.quarantine.take(
            door=self._door,
            source=self._source,
            reason=reason,
            detail=detail,
            sop_class=self._sop_class,
            sop_uid=self._sop_uid,
            transfer_syntax=self._syntax,
            parts=[head, *self._body.parts],
            spool=self._body.spool,
        )
        return self._outcome(Stored.QUARANTINED, detail)

    def _source_ae(self) -> str:
        return self._source if self._door == "dimse" else ""

    def _outcome(self, result: Stored, comment: str) -> Outcome:
        return Outcome(result, self._sop_class, self._sop_uid, comment=comment[:MAX_COMMENT_CHARACTERS])


class _Unfit(NotReadable):
    """The object lacks what filing needs."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _kept_head(meta: FileMeta, prefix: bytes) -> bytes:
    """The file header as it came, with a preamble that cannot be run (PS3.10 7.5)."""
    start = PREAMBLE_BYTES if meta.had_preamble else 0
    group_2 = prefix[start : meta.dataset_offset]
    if not group_2.startswith(PREFIX):
        group_2 = PREFIX + group_2
    return plain_preamble(meta.preamble) + group_2
