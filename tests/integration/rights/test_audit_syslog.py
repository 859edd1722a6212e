"""Audit messages arrive at a syslog receiver over TLS, every one, in order, over its absence too."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trustme

from filmroom.base.clock import SystemClock
from filmroom.db.pool import Database
from filmroom.net.notify.syslog import SyslogSender, tls_context
from filmroom.security.audit import AuditKind, AuditPatient, about
from filmroom.security.audit_outbox import AuditOutbox
from filmroom.security.audit_trail import AuditTrail
from filmroom.security.principals import person

pytestmark = pytest.mark.capability("7.3.1")

CLOCK = SystemClock()
RITA = person(7, "rita", frozenset({"radiologist"}))


class Receiver:
    """A syslog collector as RFC 5425 has it: reads octet-counted messages over TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.messages: list[bytes] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._read, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = int(await reader.readuntil(b" "))
                self.messages.append(await reader.readexactly(length))


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    made = Receiver(context)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def trail(database: Database, tmp_path: Path) -> AsyncIterator[AuditTrail]:
    made = AuditTrail(database, CLOCK, tmp_path / "audit", follows=False)
    await made.start()
    yield made
    await made.stop()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def _look(trail: AuditTrail, *numbers: int) -> None:
    for number in numbers:
        patients = (AuditPatient(f"P{number}", "", "王^小明"),)
        await trail.record(about(RITA, AuditKind.ACCESSED, CLOCK.now(), studies=(f"1.2.{number}",), patients=patients))
    await trail.flush()


def _sender(database: Database, receiver: Receiver, folder: Path, host: str = "localhost") -> SyslogSender:
    return SyslogSender(
        AuditOutbox(database, source="FILMROOM"),
        host,
        receiver.port,
        tls=lambda: tls_context(str(folder / "ca.pem"), "", ""),
        name="archive",
        wait=lambda _: asyncio.sleep(0.01),
    )


async def test_every_record_arrives_as_a_dicom_message(
    database: Database, tmp_path: Path, receiver: Receiver, trail: AuditTrail
):
    await _look(trail, *range(450))
    sender = _sender(database, receiver, tmp_path)
    await sender.start()
    await _until(lambda: len(receiver.messages) >= 450)
    await sender.stop()
    first = receiver.messages[0]
    assert first.startswith(b"<85>1 ")
    head, _, body = first.partition(b"\xef\xbb\xbf")
    assert head.split(b" ")[2:6] == [b"archive", b"filmroom", b"-", b"accessed"]
    root = ElementTree.fromstring(body)
    assert root.find("EventIdentification/EventID").get("csd-code") == "110103"  # type: ignore[union-attr]
    assert root.find("ActiveParticipant").get("UserName") == "rita"  # type: ignore[union-attr]
    ids = [each.get("ParticipantObjectID") for each in root.findall("ParticipantObjectIdentification")]
    assert ids == ["P0", "1.2.0"]
    sent = [ElementTree.fromstring(each.partition(b"\xef\xbb\xbf")[2]) for each in receiver.messages]
    studies = [each.findall("ParticipantObjectIdentification")[1].get("ParticipantObjectID") for each in sent]
    assert studies == [f"1.2.{number}" for number in range(450)]


async def test_what_happens_while_the_repository_is_away_arrives_later(
    database: Database, tmp_path: Path, receiver: Receiver, trail: AuditTrail
):
    sender = _sender(database, receiver, tmp_path)
    await sender.start()
    await _look(trail, 1)
    await _until(lambda: len(receiver.messages) == 1)
    await receiver.stop()
    await _look(trail, 2, 3)
    await _until(lambda: not sender.connected)
    await receiver.start()
    await _until(lambda: any(b'"1.2.3"' in each for each in receiver.messages))
    await sender.stop()
    assert {number for number in (1, 2, 3) if any(f'"1.2.{number}"'.encode() in m for m in receiver.messages)} == {
        1,
        2,
        3,
    }
    before = len(receiver.messages)
    await _look(trail, 4)
    again = _sender(database, receiver, tmp_path)  # another process goes on where the first one ended
    await again.start()
    await _until(lambda: any(b'"1.2.4"' in each for each in receiver.messages))
    await again.stop()
    assert len(receiver.messages) == before + 1


async def test_a_repository_that_is_not_the_one_meant_gets_nothing(
    database: Database, tmp_path: Path, receiver: Receiver, trail: AuditTrail
):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))  # another authority
    tried = asyncio.Event()

    async def wait(_: float) -> None:
        tried.set()
        await asyncio.sleep(0.01)

    await _look(trail, 1)
    sender = _sender(database, receiver, tmp_path)
    sender._wait = wait
    await sender.start()
    async with asyncio.timeout(20):
        await tried.wait()
    await sender.stop()
    assert receiver.messages == []
