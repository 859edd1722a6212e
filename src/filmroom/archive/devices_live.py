"""The associations open now over all processes of the archive, in an unlogged table; and ending one of them.

Each process writes what has changed of its own every two seconds, so that any process can list all of them and a
command can too; the wish to end one goes the other way as a notice.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from filmroom.base.errors import NotFound, Unavailable
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal

log = structlog.get_logger()

CHANNEL: Final = "filmroom_associations"
REFRESH_S: Final = 2.0
# A process that has written nothing for so long is gone, and its associations with it.
SILENT_S: Final = 15.0
# How long whoever ends an association waits to hear that it is gone.
ABORT_S: Final = 5.0
LOOK_S: Final = 0.1


class NoSuchAssociation(NotFound):
    """No such association is open; it may have ended meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """One open association. Sizes in bytes; messages and PDUs both ways; objects whose storing was asked for.

    ``inbound``: the peer opened it. ``operation`` is '' while nothing is asked.
    """

    id: int
    inbound: bool
    peer: str
    calling_ae: str
    called_ae: str
    opened_at: datetime
    active_at: datetime
    operation: str
    messages_in: int
    messages_out: int
    pdus_in: int
    pdus_out: int
    bytes_in: int
    bytes_out: int
    objects_in: int
    objects_out: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An open association and the process that has it. ``name`` is what it is called everywhere."""

    node: str
    live: Live

    @property
    def name(self) -> str:
        return f"{self.live.id}@{self.node}"


class Handle(Protocol):
    """An association of this process."""

    def live(self) -> Live: ...
    def abort(self) -> None: ...


class LiveList:
    """What is open anywhere."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._sql = load("filmroom.archive", "live.sql")

    async def list(self, who: Principal) -> Sequence[Listed]:
        """Every open association, the oldest first, as it was two seconds ago at most. Raises Forbidden."""
        demand(who, Action.ADMINISTER)
        async with self._db.connection() as connection:
            rows = [dict(row) for row in await self._sql.list_live.all(connection, silent_s=SILENT_S)]
        return [Listed(row.pop("node"), Live(**row)) for row in rows]

    async def abort(self, who: Principal, name: str) -> bool:
        """End an association; whether it was seen to end within ABORT_S. Raises NoSuchAssociation, Forbidden."""
        demand(who, Action.ADMINISTER)
        number, _, node = name.partition("@")
        if not number.isascii() or not number.isdecimal() or len(number) > 18:
            raise NoSuchAssociation(f"no association is called {name[:80]}")
        if not await self._is_live(node, int(number)):
            raise NoSuchAssociation(f"no association {name[:80]} is open")
        async with self._db.connection() as connection:
            await self._sql.ask_abort.value(connection, channel=CHANNEL, what=name)
        log.info("an association is to be aborted", association=name, who=who.id)
        deadline = asyncio.get_running_loop().time() + ABORT_S
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(LOOK_S)
            if not await self._is_live(node, int(number)):
                return True
        return False

    async def _is_live(self, node: str, number: int) -> bool:
        async with self._db.connection() as connection:
            return bool(await self._sql.is_live.value(connection, node=node, id=number))


class LiveBoard:
    """Shows this process's associations to all, and ends those that somebody wants ended."""

    def __init__(self, db: Database, node: str, handles: Callable[[], Iterable[tuple[int, Handle]]]) -> None:
        self._db = db
        self._node = node
        self._handles = handles
        self._sql = load("filmroom.archive", "live.sql")
        self._shown: dict[int, Live] = {}
        self._task: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._again = asyncio.Event()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._show())
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        tasks = [task for task in (self._task, self._listening) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            async with self._db.connection() as connection:
                await self._sql.drop_node.run(connection, node=self._node)

    async def _show(self) -> None:
        while True:
            try:
                await self._show_once()
            except Unavailable:
                self._shown = {}  # what the table has then is not known: after a crash, nothing
            except Exception:
                log.exception("open associations cannot be shown")
                self._shown = {}
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await self._again.wait()
            self._again.clear()

    async def _show_once(self) -> None:
        """Only what changed is written; nothing while nothing is open."""
        now = {number: handle.live() for number, handle in self._handles()}
        if not now and not self._shown:
            return
        changed = [asdict(live) for number, live in now.items() if not _same(self._shown.get(number), live)]
        gone = [number for number in self._shown if number not in now]
        async with self._db.transaction() as tx:
            await self._sql.seen_node.run(tx, node=self._node)
            await self._sql.drop_silent.run(tx, silent_s=4 * SILENT_S)
            if gone:
                await self._sql.drop_live.run(tx, node=self._node, ids=gone)
            if changed:
                await self._sql.put_live.run(tx, node=self._node, live=changed)
        self._shown = now

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                async with self._db.listen(CHANNEL, self._heard) as closed:
                    await closed
            await asyncio.sleep(REFRESH_S)

    def _heard(self, *notice: Any) -> None:
        number, _, node = str(notice[-1]).partition("@")
        if node != self._node:
            return
        for known, handle in self._handles():
            if str(known) == number:
                handle.abort()
        self._again.set()


def _same(before: Live | None, now: Live) -> bool:
    """Nothing has happened on it: the time of the last activity is measured, and so never quite the same."""
    if before is None:
        return False
    return (before.bytes_in, before.bytes_out, before.operation) == (now.bytes_in, now.bytes_out, now.operation)
