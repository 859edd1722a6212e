"""TLS with foreign software at both ends: DCMTK's tools, pynetdicom, and openssl for what must be refused."""

import asyncio
import dataclasses
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.fixtures.corpus import new_ward
from tests.fixtures.dimse_archive import MemoryArchive, MemoryDevices, MemoryQuery, device
from tests.fixtures.server_tools import ToolFailed, run_tool, storescp
from tests.fixtures.tls_files import Authority, Pair

from filmroom.archive.devices import Device, DevicePolicy
from filmroom.net.dimse.errors import TlsFailed
from filmroom.net.dimse.listener import DimseListener, DimseServices
from filmroom.net.dimse.models import VERIFICATION
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.net.dimse.tls import Certificates, ClientTls
from filmroom.settings import DimseSettings

pytestmark = pytest.mark.capability("1.0.7")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Pair:
    return authority.issue("archive", san="IP:127.0.0.1,DNS:archive.ward")


@pytest.fixture(scope="module")
def theirs(authority: Authority) -> Pair:
    return authority.issue("ct1", san="DNS:ct1.ward")


@asynccontextmanager
async def tls_server(
    authority: Authority, pair: Pair, clients: str = "none", archive: MemoryArchive | None = None
) -> AsyncIterator[tuple[DimseListener, MemoryArchive]]:
    archive = archive or MemoryArchive()
    settings = DimseSettings(
        port=0,
        tls_port=0,
        tls_certificate=str(pair.certificate),
        tls_key=str(pair.key),
        tls_ca=str(authority.certificate),
        tls_client_certificates=clients,
    )
    services = DimseServices(
        ingest=archive,
        query=MemoryQuery(archive),
        retrieve=archive,
        devices=MemoryDevices(archive),
        certificates=Certificates.of(settings),
    )
    listener = DimseListener(settings, services)
    await listener.start()
    try:
        yield listener, archive
    finally:
        await listener.stop(grace_s=2)


async def tool(name: str, *arguments: Any, check: bool = True) -> str:
    return await asyncio.to_thread(run_tool, name, *arguments, check=check)


def policy(**tls: Any) -> DevicePolicy:
    return DevicePolicy(more=MappingProxyType({"tls": tls}))


def at(listener: DimseListener) -> list[Any]:
    return ["127.0.0.1", listener.tls_port]


def trusting(authority: Authority, pair: Pair | None = None) -> list[Any]:
    """DCMTK's options: with a certificate of its own, or without one."""
    who = ["+tla"] if pair is None else ["+tls", pair.key, pair.certificate]
    return [*who, "+cf", authority.certificate, "-aec", "FILMROOM", "-aet", "CT1"]


async def test_dcmtk_stores_over_tls(authority: Authority, ours: Pair, tmp_path: Path) -> None:
    ward = new_ward()
    ward.write(tmp_path)
    async with tls_server(authority, ours) as (listener, archive):
        await tool("echoscu", *trusting(authority), *at(listener))
        await tool("storescu", *trusting(authority), "+sd", *at(listener), tmp_path)
        assert {item.sop_uid for item in ward.every()} == set(archive.objects)


async def test_a_plain_peer_on_the_tls_port_and_the_other_way(authority: Authority, ours: Pair) -> None:
    async with tls_server(authority, ours) as (listener, _):
        with pytest.raises(ToolFailed):
            await tool("echoscu", "-aec", "FILMROOM", *at(listener))
        with pytest.raises(ToolFailed):
            await tool("echoscu", *trusting(authority), "127.0.0.1", listener.port)
        await tool("echoscu", *trusting(authority), *at(listener))


async def test_mutual_with_the_right_the_wrong_and_no_certificate(
    authority: Authority, ours: Pair, theirs: Pair, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "Other CA").issue("ct1")
    old = authority.issue("old", begins="20200101000000Z", ends="20210101000000Z")
    async with tls_server(authority, ours, "required") as (listener, _):
        await tool("echoscu", *trusting(authority, theirs), *at(listener))
        for options in (trusting(authority), trusting(authority, stranger), trusting(authority, old)):
            with pytest.raises(ToolFailed):
                await tool("echoscu", *options, *at(listener))


async def test_a_device_may_be_held_to_tls_and_to_its_certificates_name(
    authority: Authority, ours: Pair, theirs: Pair
) -> None:
    other = authority.issue("mr7")
    async with tls_server(authority, ours, "wanted") as (listener, archive):
        held = dataclasses.replace(device("CT1", 104), policy=policy(required=True, name="ct1.ward"))
        archive.devices["CT1"] = held
        await tool("echoscu", *trusting(authority, theirs), *at(listener))
        for options in (trusting(authority, other), trusting(authority)):
            with pytest.raises(ToolFailed, match=r"(?i)calling AE title not recogni"):
                await tool("echoscu", *options, *at(listener))
        with pytest.raises(ToolFailed, match=r"(?i)calling AE title not recogni"):
            await tool("echoscu", "-aec", "FILMROOM", "-aet", "CT1", "127.0.0.1", listener.port)


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"], False),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
    ],
)
async def test_versions_and_ciphers_of_bcp_195(
    authority: Authority, ours: Pair, options: list[str], taken: bool
) -> None:
    async with tls_server(authority, ours) as (listener, _):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{listener.tls_port}", *options]
        done = await asyncio.to_thread(subprocess.run, command, input=b"", capture_output=True, timeout=20)
        assert (done.returncode == 0) is taken, done.stderr.decode()


async def test_changed_files_are_used_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    files = Pair(tmp_path / "our.pem", tmp_path / "our.key")
    first = authority.issue("before", san="IP:127.0.0.1")
    second = authority.issue("after", san="IP:127.0.0.1")
    _put(first, files)
    async with tls_server(authority, files) as (listener, _):
        trust = ssl.create_default_context(cafile=str(authority.certificate))
        standing = await _called(trust, listener)
        assert standing.channel.secured is not None
        assert "before" in standing.channel.secured.names
        files.key.write_bytes(second.key.read_bytes())  # half of the pair: the old one stays
        between = await _called(trust, listener)
        _put(second, files)
        after = await _called(trust, listener)
        for association, name in ((between, "before"), (after, "after")):
            assert association.channel.secured is not None
            assert name in association.channel.secured.names
        assert await standing.echo() == 0
        for association in (standing, between, after):
            await association.release()


async def test_we_send_to_dcmtk_over_tls(authority: Authority, ours: Pair, theirs: Pair, tmp_path: Path) -> None:
    certificates = Certificates(str(ours.certificate), str(ours.key), str(authority.certificate))
    ct1 = ["+tls", str(theirs.key), str(theirs.certificate), "+cf", str(authority.certificate)]
    with storescp(tmp_path / "peer", options=ct1) as peer:
        right = dataclasses.replace(device(peer.ae, peer.port), policy=policy(call=True, name="ct1.ward"))
        async with await _echo(right, certificates) as association:
            assert await association.echo() == 0
        wrong = dataclasses.replace(right, policy=policy(call=True))
        with pytest.raises(TlsFailed, match="IP address mismatch"):
            await _echo(wrong, certificates)
        unchecked = dataclasses.replace(right, policy=policy(call=True, check_name=False))
        async with await _echo(unchecked, certificates) as association:
            assert await association.echo() == 0
        elsewhere = Authority(tmp_path / "other", "Other CA")
        distrust = Certificates(str(ours.certificate), str(ours.key), str(elsewhere.certificate))
        with pytest.raises(TlsFailed, match="self-signed certificate in certificate chain"):
            await _echo(right, distrust)


async def _echo(to: Device, certificates: Certificates) -> Association:
    return await Association.open(Peer.of(to, certificates), [Proposal(VERIFICATION)], calling_ae="FILMROOM")


async def _called(trust: ssl.SSLContext, listener: DimseListener) -> Association:
    peer = Peer("127.0.0.1", listener.tls_port, "FILMROOM", ClientTls(trust, "127.0.0.1"))
    return await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="CT1")


def _put(pair: Pair, into: Pair) -> None:
    into.certificate.write_bytes(pair.certificate.read_bytes())
    into.key.write_bytes(pair.key.read_bytes())
