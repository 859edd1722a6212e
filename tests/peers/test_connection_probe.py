"""The connection test against peers that are right, and against peers misconfigured on purpose."""

import asyncio
import dataclasses
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench.servers import free_port
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification
from tests.fixtures.dimse_archive import dimse_server
from tests.fixtures.server_tools import dcmqrscp, storescp
from tests.fixtures.tls_files import Authority, Pair

from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.probe import LIMITS, Step, probe
from filmroom.net.dimse.probe_words import FINDINGS, sentence
from filmroom.net.dimse.scu import Peer
from filmroom.net.dimse.tls import Certificates, DeviceTls
from filmroom.settings import DimseSettings

pytestmark = pytest.mark.capability("1.5.1")


def waiting(seconds: float) -> ChannelLimits:
    return dataclasses.replace(
        LIMITS,
        connect_timeout_s=seconds,
        response_timeout_s=seconds,
        artim_timeout_s=seconds,
        pdu_timeout_s=seconds,
    )


PATIENT = waiting(60)  # a crowded machine makes no other finding
QUICK = waiting(4)  # where the peer never answers


async def steps(
    port: int, ae: str = "PEER", host: str = "127.0.0.1", limits: ChannelLimits = PATIENT, **tls: Any
) -> list[Step]:
    return [step async for step in probe(Peer(host, port, ae, **tls), calling_ae="US", limits=limits)]


async def codes(
    port: int, ae: str = "PEER", host: str = "127.0.0.1", limits: ChannelLimits = PATIENT, **tls: Any
) -> list[str]:
    found = await steps(port, ae, host, limits, **tls)
    for step in found:
        assert step.told("en")
        assert step.told("zh")
    return [step.code for step in found]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Pair:
    return authority.issue("ct1", san="IP:127.0.0.1")


async def test_all_is_well_with_dcmqrscp(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path) as peer:
        found = await steps(peer.port, peer.ae)
    assert [step.code for step in found] == ["connected", "associated", "echo_ok", "find_ok", "store_ok"]
    assert "OFFIS_DCMTK" in found[1].told()
    assert found[0].ms >= 0


async def test_all_is_well_with_ourselves() -> None:
    async with dimse_server(settings=DimseSettings()) as (listener, _):
        assert await codes(listener.port, "FILMROOM") == ["connected", "associated", "echo_ok", "find_ok", "store_ok"]
        assert await codes(listener.port, "OTHER") == ["connected", "called_ae"]


async def test_a_device_that_only_receives(tmp_path: Path) -> None:
    with storescp(tmp_path) as peer:
        assert await codes(peer.port, peer.ae) == ["connected", "associated", "echo_ok", "find_not_taken", "store_ok"]


async def test_nothing_listens_and_no_such_name() -> None:
    assert await codes(free_port()) == ["refused"]
    assert await codes(104, host="no-such-host.invalid") == ["name_unknown"]


@contextmanager
def pynetdicom(ae: AE, handlers: list[Any] | None = None) -> Iterator[int]:
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers or [])
    try:
        yield port
    finally:
        server.shutdown()


async def test_rejected_by_pynetdicom_for_either_title() -> None:
    ae = AE("PEER")
    ae.add_supported_context(Verification)
    ae.require_called_aet = True
    ae.require_calling_aet = ["SOMEBODY"]
    with pynetdicom(ae) as port:
        assert await codes(port) == ["connected", "calling_ae"]
        ae.require_calling_aet = []
        assert await codes(port, "ANOTHER") == ["connected", "called_ae"]
        ae.maximum_associations = 1
        other = AE("OTHER")
        other.add_requested_context(Verification)
        async with asyncio.timeout(20):  # it counts those that it has just rejected for a moment
            while not (
                holding := await asyncio.to_thread(other.associate, "127.0.0.1", port, ae_title="PEER")
            ).is_established:
                await asyncio.sleep(0.05)
        assert (await codes(port))[-1] in ("busy", "rejected")
        await asyncio.to_thread(holding.release)


async def test_no_transfer_syntax_in_common() -> None:
    ae = AE("PEER")
    ae.add_supported_context(Verification)
    ae.add_supported_context(CTImageStorage, "1.2.840.10008.1.2.2")  # big endian only
    with pynetdicom(ae) as port:
        assert await codes(port) == ["connected", "associated", "echo_ok", "find_not_taken", "store_syntax"]


async def test_c_echo_refused_with_a_status() -> None:
    ae = AE("PEER")
    ae.add_supported_context(Verification)
    with pynetdicom(ae, [(evt.EVT_C_ECHO, lambda event: 0x0122)]) as port:
        found = await steps(port)
    assert [step.code for step in found][:3] == ["connected", "associated", "echo_status"]
    assert "0122H" in found[2].told()


async def test_verification_not_supported() -> None:
    ae = AE("PEER")
    ae.add_supported_context(CTImageStorage)
    with pynetdicom(ae) as port:
        assert await codes(port) == ["connected", "associated", "echo_not_taken", "find_not_taken", "store_ok"]


@asynccontextmanager
async def socket_server(say: bytes | None) -> AsyncIterator[int]:
    """Says something after what it hears and closes; None stays silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(10)
            if say is None:
                await reader.read()
            else:
                writer.write(say)
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass
        finally:
            served.release()

    served = asyncio.Semaphore(0)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await served.acquire()
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("say", "code"),
    [
        (None, "no_answer"),
        (b"", "closed"),
        (bytes.fromhex("07000000000400000202"), "aborted"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not_dicom"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "http"),
    ],
)
async def test_what_is_no_dicom(say: bytes | None, code: str) -> None:
    async with socket_server(say) as port:
        assert await codes(port, limits=QUICK if say is None else PATIENT) == ["connected", code]


async def test_a_web_server() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = await codes(server.server_port, limits=QUICK)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert found[-1] in ("http", "no_answer", "closed")


def secure(authority: Authority, ours: Pair | None = None, **terms: Any) -> Any:
    """How to call over TLS."""
    pair = (str(ours.certificate), str(ours.key)) if ours is not None else ("", "")
    return Certificates(*pair, str(authority.certificate)).client("127.0.0.1", DeviceTls(use=True, **terms))


async def test_tls_wanted_and_not_wanted(authority: Authority, theirs: Pair, tmp_path: Path) -> None:
    options = ["+tls", str(theirs.key), str(theirs.certificate), "+cf", str(authority.certificate), "-ic"]
    with storescp(tmp_path / "tls", options=options) as peer:
        assert await codes(peer.port, peer.ae) == ["connected", "wants_tls"]
        found = await codes(peer.port, peer.ae, tls=secure(authority))
        assert found[:3] == ["connected", "secured", "associated"]
    with storescp(tmp_path / "plain") as peer:
        found = await codes(peer.port, peer.ae, tls=secure(authority))
        assert found in (["connected", "tls_not_spoken"], ["connected", "tls_closed"])


async def test_certificates_that_are_wrong(authority: Authority, theirs: Pair, tmp_path: Path) -> None:
    old = authority.issue("old", begins="20200101000000Z", ends="20210101000000Z", san="IP:127.0.0.1")
    other = Authority(tmp_path / "other", "Other CA")
    for pair, how, code in (
        (old, secure(authority), "tls_expired"),
        (theirs, secure(other), "tls_untrusted"),
        (theirs, secure(authority, name="mr9"), "tls_name"),
    ):
        options = ["+tls", str(pair.key), str(pair.certificate), "+cf", str(authority.certificate), "-ic"]
        with storescp(tmp_path / code, options=options) as peer:
            assert await codes(peer.port, peer.ae, tls=how) == ["connected", code]


async def test_the_peer_does_not_accept_our_certificate(authority: Authority, theirs: Pair, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other", "Other CA").issue("us")
    options = ["+tls", str(theirs.key), str(theirs.certificate), "+cf", str(authority.certificate)]
    with storescp(tmp_path / "peer", options=options) as peer:
        for ours in (None, stranger):
            found = await codes(peer.port, peer.ae, tls=secure(authority, ours))
            assert found[-1] in ("tls_refuses_us", "closed")


def test_every_finding_is_written_in_both_languages() -> None:
    class Named(dict[str, object]):
        def __missing__(self, key: str) -> str:
            return key

    for code, (english, chinese) in FINDINGS.items():
        assert english != chinese
        assert sentence(code, Named()).endswith(".")
        assert sentence(code, Named(), "zh").endswith("。")
