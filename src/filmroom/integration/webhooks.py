"""Webhooks: programs that are told what happened. Subscribing, and looking after it; see ``webhooks_work`` for how
events leave."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from filmroom.archive.sight_lists import demand_whole
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, NotFound
from filmroom.db import jobs
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.integration.webhooks_model import (
    NotDelivered,
    Receipt,
    RefusedByReceiver,
    Webhook,
    WebhookDelivery,
    check_url,
    event,
    event_id,
    new_secret,
    secret_text,
    signed_headers,
)
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.settings import FeedSettings

_sql = load("filmroom.integration", "webhooks.sql")
log = structlog.get_logger()

DELIVER = "webhook"
QUEUE = "webhooks"
TEST_KIND = "Test"
# Attempts are bounded by time (feed.webhook_retry_hours), not by their count.
ATTEMPTS = 1_000_000


class WebhookSender(Protocol):
    """The way out. Raises AddressRefused, NotDelivered."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Receipt: ...


class Webhooks:
    """Subscriptions. Each act needs the permission to administer: events of every kind can be subscribed to."""

    def __init__(
        self, database: Database, sender: WebhookSender, settings: FeedSettings, clock: Clock, *, source: str
    ) -> None:
        self._database = database
        self._sender = sender
        self._settings = settings
        self._clock = clock
        self._source = source

    async def add(
        self,
        who: Principal,
        url: str,
        *,
        kinds: Sequence[str] = (),
        condition: Mapping[str, Sequence[str]] | None = None,
        description: str = "",
    ) -> tuple[Webhook, str]:
        """Tell ``url`` of what happens from now on; the subscription, and the key of its signatures (shown once).

        Raises Forbidden, BadWebhook.
        """
        demand(who, Action.ADMINISTER)
        demand_whole(who, Action.ADMINISTER, "a webhook tells of every patient")
        check_url(url)
        key = new_secret()
        async with self._database.connection() as connection:
            pk = await _sql.add.value(
                connection,
                url=url,
                description=description,
                kinds=list(kinds),
                condition=dict(condition or {}),
                secret=key,
                owner=who.id,
                now=self._clock.now(),
            )
        log.info("webhook added", webhook=pk, by=who.id)
        return await self.get(who, pk), secret_text(key)

    async def all(self, who: Principal) -> list[Webhook]:
        """All subscriptions."""
        demand(who, Action.ADMINISTER)
        return await self._find(None)

    async def get(self, who: Principal, pk: int) -> Webhook:
        """One subscription. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        found = await self._find(pk)
        if not found:
            raise NotFound(f"no webhook has the number {pk}")
        return found[0]

    async def change(
        self,
        who: Principal,
        pk: int,
        *,
        url: str,
        kinds: Sequence[str],
        condition: Mapping[str, Sequence[str]],
        description: str,
        enabled: bool,
    ) -> Webhook:
        """Replace what a subscription says. Turned on again, it goes on where it was turned off."""
        demand(who, Action.ADMINISTER)
        demand_whole(who, Action.ADMINISTER, "a webhook tells of every patient")
        check_url(url)
        async with self._database.connection() as connection:
            changed = await _sql.change.value(
                connection,
                pk=pk,
                url=url,
                kinds=list(kinds),
                condition=dict(condition),
                description=description,
                enabled=enabled,
            )
        if changed is None:
            raise NotFound(f"no webhook has the number {pk}")
        log.info("webhook changed", webhook=pk, by=who.id)
        return await self.get(who, pk)

    async def remove(self, who: Principal, pk: int) -> None:
        """End a subscription; what still waits is not sent. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            if await _sql.remove.value(connection, pk=pk, now=self._clock.now()) is None:
                raise NotFound(f"no webhook has the number {pk}")
        log.info("webhook removed", webhook=pk, by=who.id)

    async def rotate(self, who: Principal, pk: int, *, overlap: timedelta) -> str:
        """A new key (shown once). The former one signs as well for ``overlap``. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        key = new_secret()
        async with self._database.connection() as connection:
            turned = await _sql.rotate.value(connection, pk=pk, secret=key, former_until=self._clock.now() + overlap)
        if turned is None:
            raise NotFound(f"no webhook has the number {pk}")
        log.info("webhook secret rotated", webhook=pk, by=who.id)
        return secret_text(key)

    async def test(self, who: Principal, pk: int) -> WebhookDelivery:
        """Send an event of kind ``Test`` at once, without retries; what became of it. Raises NotFound."""
        await self.get(who, pk)
        now = self._clock.now()
        async with self._database.connection() as connection:
            delivery = await _sql.add_delivery.value(
                connection, webhook_pk=pk, seq=0, kind=TEST_KIND, at=now, body={"webhook_id": pk}, now=now
            )
        try:
            await self.deliver(delivery, last=True)
        except FilmroomError as error:
            log.info("webhook test failed", webhook=pk, error=type(error).__name__)
        return await self.delivery(who, pk, delivery)

    async def deliveries(
        self, who: Principal, pk: int, *, state: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[WebhookDelivery]:
        """The log of a subscription, newest first. Raises NotFound."""
        await self.get(who, pk)
        async with self._database.connection() as connection:
            rows = await _sql.log.all(connection, webhook_pk=pk, pk=None, before=before, state=state, limit=limit)
        return [WebhookDelivery(**row) for row in rows]

    async def delivery(self, who: Principal, pk: int, delivery: int) -> WebhookDelivery:
        """One line of the log. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            row = await _sql.log.one(connection, webhook_pk=pk, pk=delivery, before=None, state=None, limit=1)
        if row is None:
            raise NotFound(f"the webhook has no delivery {delivery}")
        return WebhookDelivery(**row)

    async def redeliver(self, who: Principal, pk: int, delivery: int) -> WebhookDelivery:
        """Send an event again, with the time it had at first. Raises NotFound."""
        await self.get(who, pk)
        await self.delivery(who, pk, delivery)
        async with self._database.transaction() as tx:
            await self.enqueue(tx, pk, delivery, principal=who.id)
        return await self.delivery(who, pk, delivery)

    async def enqueue(self, tx: Connection, pk: int, delivery: int, *, principal: str = "system") -> None:
        """Make the delivery's job. A subscription's events go one after another, in their order."""
        now = self._clock.now()
        job = await jobs.add(
            tx,
            DELIVER,
            {"delivery": delivery, "webhook": pk},
            at=now,
            queue=QUEUE,
            serial_key=f"{DELIVER}:{pk}",
            principal=principal,
            max_attempts=ATTEMPTS,
            retry_until=now + timedelta(hours=self._settings.webhook_retry_hours),
        )
        await _sql.set_job.run(tx, pk=delivery, job_pk=job)

    async def deliver(self, delivery_pk: int, *, last: bool) -> None:
        """One attempt; its outcome is in the log. ``last``: there will be no other by itself.

        Raises NotDelivered (again), RefusedByReceiver and AddressRefused (never again).
        """
        async with self._database.connection() as connection:
            row = await _sql.to_send.one(connection, pk=delivery_pk)
        if row is None or row["state"] == "delivered":
            return
        values = dict(row)
        url, key, former, until = (values.pop(name) for name in ("url", "secret", "former", "former_until"))
        delivery_on = values.pop("enabled"), values.pop("removed_at")
        delivery = WebhookDelivery(**values)
        if delivery.kind != TEST_KIND and delivery_on != (True, None):
            await self._record(delivery, "failed", None, "the subscription was turned off")
            return
        now = self._clock.now()
        keys = [key, former] if former is not None and until is not None and now < until else [key]
        body = event(delivery, self._source)
        try:
            receipt = await self._sender.post(url, signed_headers(keys, event_id(delivery), now, body), body)
        except FilmroomError as error:
            final = last or error.retry.name != "SAFE"
            await self._record(delivery, "failed" if final else "waiting", None, str(error))
            raise
        await self._judge(delivery, receipt, last)

    async def _judge(self, delivery: WebhookDelivery, receipt: Receipt, last: bool) -> None:
        if 200 <= receipt.status < 300:
            await self._record(delivery, "delivered", receipt, "")
            return
        trouble = f"the receiver answered {receipt.status}"
        if receipt.status in {408, 425, 429} or receipt.status >= 500:
            await self._record(delivery, "failed" if last else "waiting", receipt, trouble)
            raise NotDelivered(trouble)
        await self._record(delivery, "failed", receipt, trouble)
        if receipt.status == 410:
            async with self._database.connection() as connection:
                await _sql.turn_off.run(connection, pk=delivery.webhook_pk)
            log.warning("webhook turned off, its receiver is gone for good", webhook=delivery.webhook_pk)
        raise RefusedByReceiver(trouble)

    async def _record(self, delivery: WebhookDelivery, state: str, receipt: Receipt | None, trouble: str) -> None:
        async with self._database.connection() as connection:
            await _sql.outcome.run(
                connection,
                pk=delivery.pk,
                state=state,
                status=None if receipt is None else receipt.status,
                trouble=trouble[:500],
                took_ms=None if receipt is None else receipt.took_ms,
                finished_at=None if state == "waiting" else self._clock.now(),
            )

    async def _find(self, pk: int | None) -> list[Webhook]:
        async with self._database.connection() as connection:
            return [Webhook(**row) for row in await _sql.list.all(connection, pk=pk)]
