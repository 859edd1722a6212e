"""The one door for objects: C-STORE, STOW-RS and import all come in here.

Bytes are taken in whatever pieces they arrive. A small object is held in memory until it is whole, a large one goes to
a file of its own meanwhile; its header is read while it passes. The answer comes when the object is durable.
"""

import asyncio
import contextlib

from filmroom.archive.body import Budget
from filmroom.archive.filing import Desk
from filmroom.archive.incoming import House, Incoming
from filmroom.archive.ports import AtReceipt
from filmroom.archive.quarantine import Quarantine
from filmroom.archive.rules import Admission
from filmroom.base.clock import Clock
from filmroom.base.errors import Unavailable
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.index import store as index
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.settings import StorageSettings
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import LOCAL
from filmroom.storage.online import OnlineStore


class Ingest:
    """Takes objects in. One per process; ``start`` before the first, ``stop`` after the last."""

    def __init__(
        self,
        database: Database,
        online: OnlineStore,
        blobs: Blobs,
        quarantine: Quarantine,
        feed: FeedWatch,
        settings: StorageSettings,
        clock: Clock,
        rules: Admission | None = None,
        compressor: AtReceipt | None = None,
    ) -> None:
        self._database = database
        self._online = online
        self.desk = Desk(database, online, blobs, quarantine, feed, clock, rules)
        self._house = House(online, self.desk, quarantine, Budget(settings), rules, compressor)

    @property
    def held_bytes(self) -> int:
        """Memory that objects on their way in occupy."""
        return self._house.budget.held_bytes

    async def start(self) -> None:
        """Take the store into use. Raises storage.online.StoreNotThere when it is not the one the database knows."""
        async with self._database.connection() as connection:
            expected = await index.has_objects(connection, LOCAL)
        await asyncio.to_thread(self._online.open, expected=expected)

    async def warm(self) -> None:
        """Have the first objects find everything ready, as far as that can be done ahead."""
        with contextlib.suppress(Unavailable):
            await self.desk.warm()

    async def stop(self) -> None:
        """Finish what has arrived; nothing may begin any more."""
        await self.desk.stop()
        await asyncio.to_thread(self._online.close)

    def begin(
        self,
        who: Principal,
        *,
        door: str,
        source: str,
        transfer_syntax: str | None,
        sop_class: str = "",
        sop_uid: str = "",
        part10: bool,
        called: str = "",
        host: str = "",
    ) -> Incoming:
        """An object begins to arrive by ``door`` (dimse, stow, import): a file when ``part10``, or else a bare data
        set in ``transfer_syntax`` whose UIDs the message has named. ``called`` is the AE title that was called,
        ``host`` the sender's address: rules of storing may ask for them.

        Raises Forbidden, NoSpace or Unavailable.
        """
        demand(who, Action.STORE)
        self._online.space.check()
        syntax = None if part10 else transfer_syntax or ""
        return Incoming(self._house, door, source, syntax, sop_class, sop_uid, called=called, host=host)
