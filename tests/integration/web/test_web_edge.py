"""The edge of HTTP/1.1, spoken by hand over plain sockets: what is wrong with one request costs that request only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fixtures.served import Served, multipart_of, serve

from filmroom.db.pool import Database
from filmroom.settings import WebSettings

pytestmark = pytest.mark.capability("6.2.4", "6.2.1")

MOST_BYTES = 2**20
DEADLINE_S = 20.0


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path, web=WebSettings(max_store_bytes=MOST_BYTES)) as running:
        yield running


@contextlib.asynccontextmanager
async def _talk(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _post(served: Served, *more: str) -> bytes:
    lines = [
        "POST /dicom-web/studies HTTP/1.1",
        "Host: here",
        f"Authorization: Bearer {served.token}",
        'Content-Type: multipart/related; type="application/dicom"; boundary=edge',
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def _status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


async def _still_serves(served: Served) -> None:
    assert (await served.client.get("/healthz")).status_code == 200
    await served.stored()


@pytest.mark.parametrize("framing", ["Content-Length: 67108864", "Transfer-Encoding: chunked"])
async def test_a_413_reaches_a_client_that_writes_everything_before_it_reads(served: Served, framing: str) -> None:
    """As curl and most libraries do it: the answer must not be lost with the connection (RFC 9112 9.6)."""
    piece = b"x" * 65_536
    if "chunked" in framing:
        piece = b"10000\r\n" + piece + b"\r\n"
    async with _talk(served) as (reader, writer):
        writer.write(_post(served, framing))
        if "chunked" in framing:
            head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
            writer.write(b"%x\r\n%b\r\n" % (len(head), head))
        for _ in range(1024):
            writer.write(piece)
            await writer.drain()
        if "chunked" in framing:
            writer.write(b"0\r\n\r\n")
        assert await _status(reader) == 413
        rest = await reader.readuntil(b"\r\n\r\n")
        assert b"application/problem+json" in rest.lower()
    await _still_serves(served)


async def test_a_body_that_ends_before_its_content_length_stores_nothing(served: Served) -> None:
    body, _ = multipart_of([b"\0" * 128 + b"DICM" + b"\0" * 40])
    async with _talk(served) as (reader, writer):
        writer.write(_post(served, f"Content-Length: {len(body) + 1000}") + body)
        writer.write_eof()
        answer = await reader.read(65_536)
        assert not answer.startswith(b"HTTP/1.1 200")
    found = await served.client.get("/dicom-web/studies")
    assert found.status_code == 204
    await _still_serves(served)


async def test_a_body_that_goes_on_after_its_content_length_is_no_second_request(served: Served) -> None:
    """What follows is no request; the first one is answered by what it is."""
    async with _talk(served) as (reader, writer):
        writer.write(_post(served, "Content-Length: 4") + b"junk" + b"more junk that is no request\r\n\r\n")
        assert await _status(reader) == 400
    await _still_serves(served)


@pytest.mark.parametrize(
    "wrong",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: 18446744073709551616",),
    ],
)
async def test_lengths_that_are_none_are_400(served: Served, wrong: tuple[str, ...]) -> None:
    async with _talk(served) as (reader, writer):
        writer.write(_post(served, *wrong) + b"hello")
        assert await _status(reader) == 400
    await _still_serves(served)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--edge",
        b"--edge\r\n",
        b"--edge\r\nContent-Type: application/dicom\r\n\r\n",
        b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + b"\0" * 128 + b"DICM",
        b"--edge--\r\n",
        b"--edge\r\n" + b"X: y\r\n" * 5000 + b"\r\n\r\n--edge--\r\n",
        b"--edge\r\n\xff\xfe: \0\r\n\r\nx\r\n--edge--\r\n",
    ],
)
async def test_broken_multipart_is_told_and_costs_only_its_request(served: Served, body: bytes) -> None:
    async with _talk(served) as (reader, writer):
        writer.write(_post(served, f"Content-Length: {len(body)}") + body)
        assert await _status(reader) in {400, 409, 413}
    await _still_serves(served)


async def test_a_client_that_never_reads_holds_up_nobody(served: Served) -> None:
    study, _ = await served.stored("ct", 1)
    ask = f"GET /dicom-web/studies/{study.uid} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {served.token}\r\n\r\n"
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(40):
            _, writer = await stack.enter_async_context(_talk(served))
            writer.write(ask.encode() * 8)
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(5):
                got = await served.client.get(f"/dicom-web/studies/{study.uid}/metadata")
                assert got.status_code == 200
            await _still_serves(served)
