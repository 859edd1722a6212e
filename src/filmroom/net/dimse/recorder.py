"""The flight recorder: what was said on each association, kept small while it stands and written down at its end.

On the way of a message nothing is looked at or copied but small identifiers: a message is noted by reference, and put
into words (``recorder_words``) when the recording is handed on.
"""

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.db.background import Background
from filmroom.net.dimse.tls import Secured
from filmroom.wire.dimse.messages import CFindRq, CGetRq, CMoveRq, Message, Request, Response
from filmroom.wire.dimse.status import CANCEL
from filmroom.wire.ul.machine import Aborted
from filmroom.wire.ul.pdu import AssociateAc, AssociateRj, AssociateRq

log = structlog.get_logger()

# Messages of an association that are kept, at its beginning and at its end; between, they are counted.
FIRST_MESSAGES = 40
LAST_MESSAGES = 40

# Of the identifier of a query; a longer one is told by its size only.
MAX_KEYS_BYTES = 8192

# Ended recordings that wait to be written; beyond, the newest are dropped and counted.
MAX_WAITING = 1000

BATCH = 100
EVERY_S = 1.0

# A long association is written down this often while it stands.
INTERVAL_S = 300.0

_WARNING = 0xB  # first digit of a service class's warning

# A query's keys are shown; all other data sets are told by size.
_WITH_KEYS = (CFindRq, CMoveRq, CGetRq)


class Note:
    """One message: when (loop time), which way, in which context, how many bytes its data set had, how long to its
    answer (seconds).
    """

    __slots__ = ("at", "context_id", "keys", "message", "out", "seconds", "size")

    def __init__(self, at: float, out: bool, context_id: int, message: Message, size: int) -> None:
        self.at = at
        self.out = out
        self.context_id = context_id
        self.message = message
        self.size = size
        self.seconds: float | None = None
        self.keys: bytes | None = None


class Connection(Protocol):
    """What is read of the channel at the end."""

    @property
    def peer_host(self) -> str: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def pdus_in(self) -> int: ...
    @property
    def end(self) -> Aborted | None: ...
    @property
    def lost(self) -> Exception | None: ...


class Recording:
    """One association. Every method is called from the event loop and does next to nothing."""

    def __init__(
        self, *, outgoing: bool, opened_at: datetime, now: Callable[[], float], connection: Connection
    ) -> None:
        self.key = uuid.uuid4().hex
        self.outgoing = outgoing
        self.opened_at = opened_at
        self.began = now()
        self.ended: float | None = None
        self.connection = connection
        self.request: AssociateRq | None = None
        self.answer: AssociateAc | AssociateRj | None = None
        self.answered: float | None = None
        self.secured: Secured | None = None
        self.released = False
        self.fault = ""
        self.unreachable = False
        self.peer = ""
        self.first: list[Note] = []
        self.last: deque[Note] = deque(maxlen=LAST_MESSAGES)
        self.counts: Counter[tuple[bool, type[Message], int | None]] = Counter()
        self.messages = 0
        self.failures = 0
        self._now = now
        self._open: dict[tuple[bool, int], Note] = {}
        self._incoming: Note | None = None

    def asked(self, request: AssociateRq) -> None:
        self.request = request

    def answered_with(self, answer: AssociateAc | AssociateRj) -> None:
        self.answer = answer
        self.answered = self._now()

    def came(self, context_id: int, message: Message) -> None:
        """A command came; its data set, if any, is still to come."""
        note = self._note(False, context_id, message, 0)
        self._incoming = note if message.has_data else None
        if isinstance(message, _WITH_KEYS):
            note.keys = b""

    def came_data(self, data: memoryview, last: bool) -> None:
        """A piece of the data set of the last command that came."""
        note = self._incoming
        if note is None:
            return
        note.size += len(data)
        if note.keys is not None:
            note.keys = note.keys + bytes(data) if note.size <= MAX_KEYS_BYTES else None
        if last:
            self._incoming = None

    def went(self, context_id: int, message: Message, data: bytes) -> Note:
        """A message left, with its whole data set or with what is at hand of it."""
        note = self._note(True, context_id, message, len(data))
        if isinstance(message, _WITH_KEYS) and len(data) <= MAX_KEYS_BYTES:
            note.keys = data
        return note

    def _note(self, out: bool, context_id: int, message: Message, size: int) -> Note:
        now = self._now()
        note = Note(now, out, context_id, message, size)
        self.messages += 1
        status: int | None = None
        if isinstance(message, Response):
            status = message.status
            asked = self._open.get((not out, message.responding_to))
            if asked is not None:
                note.seconds = now - asked.at
                if status < 0xFF00:
                    del self._open[not out, message.responding_to]
            if 1 < status < CANCEL and status >> 12 != _WARNING:
                self.failures += 1
        elif isinstance(message, Request):
            self._open[out, message.message_id] = note
        self.counts[out, type(message), status] += 1
        if len(self.first) < FIRST_MESSAGES:
            self.first.append(note)
        else:
            self.last.append(note)
        return note


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A recording in words, ready to be kept. ``outcome`` is one of recorder_words.OUTCOMES."""

    key: str
    opened_at: datetime
    outgoing: bool
    standing: bool
    peer: str
    calling_ae: str
    called_ae: str
    tls: bool
    outcome: str
    reason: str
    messages: int
    failures: int
    bytes_in: int
    bytes_out: int
    seconds: float
    body: Mapping[str, Any]


class Shelf(Protocol):
    """Where recordings are kept."""

    async def put(self, written: Sequence[Written]) -> None: ...
    async def values_wanted(self) -> Iterable[str]:
        """AE titles for whose associations the values of query keys are recorded too, now."""
        ...

    async def sweep(self) -> int:
        """Delete what is over the limits; how many."""
        ...


class Recorder(Background):
    """Opens recordings, and writes the ended ones in batches away from the associations."""

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self.dropped = 0
        self._shelf = shelf
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._live: dict[Recording, float] = {}
        self._ended: deque[Recording] = deque()
        self._values_for: frozenset[str] = frozenset()

    def open(self, connection: Connection, *, outgoing: bool) -> Recording:
        now = self._loop.time
        recording = Recording(outgoing=outgoing, opened_at=self._clock.now(), now=now, connection=connection)
        self._live[recording] = recording.began
        return recording

    def close(self, recording: Recording) -> None:
        """Its connection is gone."""
        if self._live.pop(recording, None) is None:
            return
        recording.ended = self._loop.time()
        if recording.request is None and not recording.fault and not recording.connection.bytes_in:
            return  # a port check: nothing was said
        if len(self._ended) >= MAX_WAITING:
            self.dropped += 1
            return
        self._ended.append(recording)

    def not_secured(self, peer: str, why: str) -> None:
        """A connection came to nothing in its TLS handshake."""
        recording = self.open(_Nothing(), outgoing=False)
        recording.peer, recording.fault = peer, why
        self.close(recording)

    async def stop(self) -> None:
        """Write what is left."""
        await super().stop()
        for recording in tuple(self._live):
            self.close(recording)
        await self._turn(0)

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(EVERY_S)
            await self._turn(turn := turn + 1)

    async def _turn(self, turn: int) -> None:
        try:
            await self.flush()
            if turn % 300 == 1:
                await self._shelf.sweep()
        except FilmroomError as error:
            log.warning("association recordings not written", reason=str(error), waiting=len(self._ended))
        except Exception:
            log.exception("association recordings not written")

    async def flush(self) -> None:
        """Write every ended recording, and each that has stood long since it was last written."""
        from filmroom.net.dimse.recorder_words import written

        self._values_for = frozenset(await self._shelf.values_wanted())
        now = self._loop.time()
        late = [each for each, since in self._live.items() if now - since >= INTERVAL_S and each.request]
        for each in late:
            self._live[each] = now
        batch = late
        while batch or self._ended:
            while self._ended and len(batch) < BATCH:
                batch.append(self._ended.popleft())
            try:
                await self._shelf.put([written(each, now, self._values_for) for each in batch])
            except FilmroomError:
                self._ended.extendleft(each for each in reversed(batch) if each.ended is not None)
                raise
            batch = []
        if self.dropped:
            log.warning("association recordings dropped: too many at a time", count=self.dropped)
            self.dropped = 0


class _Nothing:
    """No association came to be."""

    peer_host = ""
    bytes_in = bytes_out = pdus_in = 0
    end: Aborted | None = None
    lost: Exception | None = None
