"""Storage commitment asked over the web (PS3.18 chapter 13): the same checks as DIMSE's, the result fetched."""

from dataclasses import dataclass
from datetime import timedelta

from filmroom.archive import lanes
from filmroom.archive.commitment import CHECK, QUEUE, Taken, keep_out, open_transaction, result_of
from filmroom.archive.commitment_model import Result, Transaction
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound
from filmroom.db import jobs
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.settings import DeliverySettings

_sql = load("filmroom.archive", "commitment.sql")

SIDE = "web"


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """How a request stands; no ``result`` while it is worked on."""

    result: Result | None


class WebCommitments:
    """Requests of web clients, each known to its client only."""

    def __init__(self, database: Database, settings: DeliverySettings, clock: Clock, *, ae_title: str) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._ae_title = ae_title

    async def ask(self, who: Principal, transaction: Transaction) -> Taken:
        """Keep a request durably (13.4). Raises Forbidden, Unavailable."""
        demand(who, Action.STORE)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            pk = await open_transaction(tx, SIDE, who.id, self._ae_title, transaction, "checking", now)
            if pk is None:
                return Taken.DUPLICATE
            await keep_out(tx, who, pk)
            until = now + timedelta(hours=self._settings.commitment_retry_hours)
            body = {"commitment": pk}
            await jobs.add(tx, CHECK, body, at=now, queue=QUEUE, max_attempts=lanes.ATTEMPTS, retry_until=until)
        return Taken.ACCEPTED

    async def result(self, who: Principal, transaction_uid: str) -> WebAnswer:
        """What became of it (13.5). Raises NotFound, Forbidden, Unavailable."""
        demand(who, Action.STORE)
        async with self._database.connection() as connection:
            row = await _sql.of_web_transaction.one(connection, peer=who.id, uid=transaction_uid)
        if row is None:
            raise NotFound("there is no such commitment request")
        if row["state"] != "reported":
            return WebAnswer(None)
        return WebAnswer(await result_of(self._database, row["pk"], transaction_uid, self._ae_title))
