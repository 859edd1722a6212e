"""Webhooks, from the fact to a real receiver."""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from tests.fixtures.served import Served, serve

from filmroom.base.clock import FixedClock, SystemClock
from filmroom.base.facts import InstancesStored, StudyQuiet
from filmroom.base.ids import SeriesUid, SopUid, StudyUid
from filmroom.db import feed, jobs
from filmroom.db.feed import FeedWatch
from filmroom.db.pool import Database
from filmroom.integration import webhooks_work
from filmroom.integration.webhooks import Webhooks
from filmroom.integration.webhooks_model import AddressRefused, NotDelivered
from filmroom.integration.webhooks_work import WebhookWork
from filmroom.net.notify.webhook import WebhookClient, networks
from filmroom.security.principals import SYSTEM
from filmroom.settings import FeedSettings, Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOOPBACK = networks("127.0.0.0/8")


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A program that is told things, on a loopback port. ``answers`` are given in turn, the last for ever."""

    answers: list[str] = field(default_factory=lambda: ["204 No Content"])
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(Request(line, headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer:
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async def got(self, count: int) -> list[Request]:
        async with asyncio.timeout(20):
            while len(self.requests) < count:
                await asyncio.sleep(0.01)
        return self.requests


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


def trusting(settings: Settings) -> Settings:
    return dataclasses.replace(settings, feed=FeedSettings(webhook_networks="127.0.0.0/8"))


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path, change=trusting) as running:
        yield running


@asynccontextmanager
async def working(database: Database, webhooks: Webhooks) -> AsyncIterator[WebhookWork]:
    watch = FeedWatch(database)
    await watch.start()
    work = WebhookWork(database, watch, webhooks, SystemClock(), name="test")
    await work.start()
    try:
        yield work
    finally:
        await work.stop()
        await watch.stop()


async def happen(database: Database, *uids: str) -> None:
    async with database.transaction() as tx:
        await feed.append(tx, [StudyQuiet(study_uid=StudyUid(uid), version=1) for uid in uids], NOW)


def verified(request: Request, secret: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in request.headers["webhook-signature"].split()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def settled(api: Served, address: str, count: int) -> list[dict[str, object]]:
    """The log, once ``count`` events have come to an end."""
    async with asyncio.timeout(20):
        while True:
            lines = (await api.client.get(f"{address}/deliveries")).json()["deliveries"]
            if sum(each["state"] != "waiting" for each in lines) >= count:
                found: list[dict[str, object]] = lines
                return found
            await asyncio.sleep(0.02)


@pytest.mark.capability("5.2.1", "3.3.3")
async def test_events_arrive_signed_and_in_order(api: Served, database: Database, receiver: Receiver) -> None:
    await happen(database, "1.0")
    made = (await api.client.post("/api/v1/webhooks", json={"url": receiver.url, "kinds": ["StudyQuiet"]})).json()
    address = f"/api/v1/webhooks/{made['webhook']['id']}"
    webhooks = api.services.webhooks
    assert webhooks is not None
    async with working(database, webhooks):
        await happen(database, "1.1", "1.2")
        await happen(database, "1.3")
        requests = await receiver.got(3)
        lines = await settled(api, address, 3)
    told = [orjson.loads(each.body) for each in requests]
    assert [each["data"]["study_uid"] for each in told] == ["1.1", "1.2", "1.3"]
    assert told[0]["type"] == "filmroom.StudyQuiet"
    assert all(verified(each, made["secret"]) for each in requests)
    assert requests[0].line == "POST /hook?x=1 HTTP/1.1"
    assert requests[0].headers["content-type"] == "application/cloudevents+json"
    assert [(each["seq"], each["state"], each["status"], each["attempts"]) for each in lines] == [
        (4, "delivered", 204, 1), (3, "delivered", 204, 1), (2, "delivered", 204, 1),
    ]  # fmt: skip
    assert "secret" not in (await api.client.get(address)).text


@pytest.mark.capability("5.2.1")
async def test_the_secret_is_rotated_with_an_overlap(api: Served, receiver: Receiver) -> None:
    made = (await api.client.post("/api/v1/webhooks", json={"url": receiver.url})).json()
    address = f"/api/v1/webhooks/{made['webhook']['id']}"
    new = (await api.client.post(f"{address}/rotate-secret", json={"overlap_hours": 1})).json()["secret"]
    assert (await api.client.post(f"{address}/test")).json()["state"] == "delivered"
    assert verified(receiver.requests[0], new)
    assert verified(receiver.requests[0], made["secret"])
    newer = (await api.client.post(f"{address}/rotate-secret", json={"overlap_hours": 0})).json()["secret"]
    await api.client.post(f"{address}/test")
    assert verified(receiver.requests[1], newer)
    assert not verified(receiver.requests[1], new)
    assert orjson.loads(receiver.requests[1].body)["type"] == "filmroom.Test"


@pytest.mark.capability("5.2.1")
async def test_a_receiver_that_is_away_is_tried_again_and_nothing_overtakes(
    api: Served, database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_RETRY_S", 0.01)
    receiver.answers = ["503 Away", "", "429 Slowly", "200 OK"]
    made = (await api.client.post("/api/v1/webhooks", json={"url": receiver.url})).json()
    webhooks = api.services.webhooks
    assert webhooks is not None
    async with working(database, webhooks):
        await happen(database, "1.1", "1.2")
        requests = await receiver.got(5)
        lines = await settled(api, f"/api/v1/webhooks/{made['webhook']['id']}", 2)
    ids = [each.headers["webhook-id"] for each in requests]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]
    assert [(each["state"], each["attempts"]) for each in lines] == [("delivered", 1), ("delivered", 4)]


@pytest.mark.capability("5.2.1")
async def test_a_refusal_is_a_dead_letter_that_can_be_sent_again(
    api: Served, database: Database, receiver: Receiver
) -> None:
    receiver.answers = ["400 Bad", "302 Elsewhere", "200 OK"]
    made = (await api.client.post("/api/v1/webhooks", json={"url": receiver.url})).json()
    address = f"/api/v1/webhooks/{made['webhook']['id']}"
    webhooks = api.services.webhooks
    assert webhooks is not None
    async with working(database, webhooks):
        await happen(database, "1.1", "1.2")
        lines = await settled(api, address, 2)
        assert [(each["state"], each["status"]) for each in lines] == [("failed", 302), ("failed", 400)]
        dead = (await api.client.get("/api/v1/jobs?state=dead&kind=webhook")).json()["jobs"]
        assert len(dead) == 2
        assert "does not take this event" in dead[0]["last_error"]
        again = await api.client.post(f"{address}/deliveries/{lines[1]['id']}/retry")
        assert again.status_code == 200
        await receiver.got(3)
        await until_delivered(api, address, lines[1]["id"])
        await api.client.post(f"/api/v1/jobs/{lines[0]['job_id']}/retry")
        await until_delivered(api, address, lines[0]["id"])
    assert len(receiver.requests) == 4


async def until_delivered(api: Served, address: str, number: object) -> None:
    async with asyncio.timeout(20):
        while True:
            lines = (await api.client.get(f"{address}/deliveries?state=delivered")).json()["deliveries"]
            if number in {each["id"] for each in lines}:
                return
            await asyncio.sleep(0.02)


async def test_a_receiver_that_is_gone_turns_its_subscription_off(api: Served, receiver: Receiver) -> None:
    receiver.answers = ["410 Gone"]
    made = (await api.client.post("/api/v1/webhooks", json={"url": receiver.url})).json()
    address = f"/api/v1/webhooks/{made['webhook']['id']}"
    assert (await api.client.post(f"{address}/test")).json()["trouble"] == "the receiver answered 410"
    assert not (await api.client.get(address)).json()["enabled"]


@pytest.mark.capability("5.2.1")
async def test_a_subscription_is_changed_on_its_present_state_and_removed(api: Served, receiver: Receiver) -> None:
    made = (await api.client.post("/api/v1/webhooks", json={"url": receiver.url})).json()
    address = f"/api/v1/webhooks/{made['webhook']['id']}"
    seen = await api.client.get(address)
    body = {"url": receiver.url, "kinds": ["StudyQuiet"], "enabled": False}
    changed = await api.client.put(address, json=body, headers={"if-match": seen.headers["etag"]})
    assert (changed.status_code, changed.json()["enabled"]) == (200, False)
    stale = await api.client.put(address, json=body, headers={"if-match": seen.headers["etag"]})
    assert stale.status_code == 412
    assert (await api.client.put(address, json={"url": "ftp://x/"})).status_code == 422
    assert (await api.client.delete(address)).status_code == 204
    assert (await api.client.get(address)).status_code == 404


@pytest.mark.capability("5.2.1")
async def test_private_addresses_are_refused_unless_the_settings_name_them(served: Served, receiver: Receiver) -> None:
    made = (await served.client.post("/api/v1/webhooks", json={"url": receiver.url})).json()
    tested = (await served.client.post(f"/api/v1/webhooks/{made['webhook']['id']}/test")).json()
    assert tested["state"] == "failed"
    assert "feed.webhook_networks" in tested["trouble"]
    for url in (
        f"http://localhost:{receiver.port}/",
        f"http://[::ffff:127.0.0.1]:{receiver.port}/",
        "http://2130706433/",
    ):
        with pytest.raises(AddressRefused):
            await WebhookClient().post(url, {}, b"")
    assert receiver.requests == []


async def test_a_condition_chooses(database: Database, receiver: Receiver) -> None:
    webhooks = Webhooks(database, WebhookClient(LOOPBACK), FeedSettings(), FixedClock(NOW), source="urn:x")
    hook, _ = await webhooks.add(SYSTEM, receiver.url, condition={"source": ["CT1"]})
    work = WebhookWork(database, FeedWatch(database), webhooks, FixedClock(NOW), name="test")
    async with database.transaction() as tx:
        facts = [
            InstancesStored(study_uid=StudyUid("1"), series_uid=SeriesUid("2"), sop_uids=(SopUid("3"),), source=source)
            for source in ("MR1", "CT1")
        ]
        await feed.append(tx, facts, NOW)
    assert await work.spread() == 1
    [line] = await webhooks.deliveries(SYSTEM, hook.pk)
    assert line.body["source"] == "CT1"
    assert await work.spread() == 0


async def test_the_feed_itself_is_the_queue_of_a_receiver_that_stays_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks_work, "MAX_WAITING", 4)
    monkeypatch.setattr(webhooks_work, "AT_ONCE", 2)
    webhooks = Webhooks(database, WebhookClient(), FeedSettings(), FixedClock(NOW), source="urn:x")
    hook, _ = await webhooks.add(SYSTEM, "https://example.com/")
    work = WebhookWork(database, FeedWatch(database), webhooks, FixedClock(NOW), name="test")
    await happen(database, *(f"1.{n}" for n in range(20)))
    assert await work.spread() == 4
    assert (await webhooks.get(SYSTEM, hook.pk)).seq == 4
    async with database.connection() as connection:
        await connection.execute("UPDATE webhook_delivery SET state = 'delivered'")
    assert await work.spread() == 4
    assert [each.seq for each in await webhooks.deliveries(SYSTEM, hook.pk)] == [8, 7, 6, 5, 4, 3, 2, 1]
    await work.prune(before_days=-1)
    assert len(await webhooks.deliveries(SYSTEM, hook.pk)) == 4


@pytest.mark.parametrize("answer", ["", "200 OK\r\nX: " + "y" * 70_000, "nonsense"])
async def test_a_receiver_that_talks_nonsense_is_away(receiver: Receiver, answer: str) -> None:
    receiver.answers = [answer]
    with pytest.raises(NotDelivered):
        await WebhookClient(LOOPBACK, timeout_s=5).post(receiver.url, {}, b"{}")


async def test_a_receiver_that_hangs_is_left(database: Database) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotDelivered, match="did not answer within"):
            await WebhookClient(LOOPBACK, timeout_s=0.2).post(f"http://127.0.0.1:{port}/", {}, b"{}")
    assert timedelta(seconds=webhooks_work.LEASE_S) > timedelta(seconds=15)
