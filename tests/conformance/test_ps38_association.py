"""PS3.8 and PS3.7 annex D at the real port: how associations open, are refused, and end."""

import asyncio
import dataclasses
import struct
import time

import pytest
from tests.fixtures.dimse_archive import MemoryArchive, device, dimse_server
from tests.fixtures.dimse_wire import CT, EXPLICIT, IMPLICIT, JPEG, Closed, associated, call, connected, request, until

from filmroom.archive.devices import DevicePolicy
from filmroom.net.dimse.models import VERIFICATION
from filmroom.settings import DimseSettings
from filmroom.wire.dimse.fragments import command_parts, data_parts
from filmroom.wire.dimse.messages import CEchoRq, CEchoRsp, CStoreRq
from filmroom.wire.ul.items import AbortReason, AsyncWindow, Role
from filmroom.wire.ul.pdu import Abort, AbortSource, AssociateAc, AssociateRj, ReleaseRq

ECHO = CEchoRq(message_id=1, sop_class=VERIFICATION)
STORE = CStoreRq(message_id=2, sop_class=CT, sop_uid="1.2.3", has_data=True)
INVALID = Abort(AbortSource.PROVIDER, AbortReason.INVALID_PARAMETER)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request(called="OTHER"), AssociateRj(1, 1, 7)),
        (request(called="FILM\nROOM"), AssociateRj(1, 1, 7)),
        (request(calling="BAD\\ONE"), AssociateRj(1, 1, 3)),
        (request(calling=""), AssociateRj(1, 1, 3)),
        (dataclasses.replace(request(), protocol_version=2), AssociateRj(1, 2, 2)),
        (dataclasses.replace(request(), application_context="1.2.3"), AssociateRj(1, 1, 2)),
    ],
)
@pytest.mark.capability("1.0.1", "1.0.3", "1.0.4")
async def test_a_refusal_has_its_source_and_reason(asked: object, answer: AssociateRj) -> None:  # PS3.8 table 9-21
    async with dimse_server() as (listener, _), connected(listener.port) as peer:
        assert await call(peer, asked) == answer  # type: ignore[arg-type]


@pytest.mark.capability("1.0.3")
async def test_spaces_around_ae_titles_do_not_count() -> None:
    async with dimse_server() as (listener, _), associated(listener.port, request(called=" FILMROOM", calling=" CT1")):
        assert [a.calling_ae for a in listener.associations.reports()] == ["CT1"]


@pytest.mark.capability("1.0.1")
async def test_any_called_title_when_it_is_not_checked() -> None:
    settings = dataclasses.replace(DimseSettings(), check_called_ae=False)
    async with dimse_server(settings=settings) as (listener, _), associated(listener.port, request(called="ANY")):
        pass


@pytest.mark.capability("1.0.1")
async def test_an_unknown_caller_is_refused_when_loopback_is_not_trusted() -> None:
    settings = dataclasses.replace(DimseSettings(), trust_loopback=False)
    archive = MemoryArchive(devices={"KNOWN": device("KNOWN", 1)})
    archive.devices["OFF"] = dataclasses.replace(device("OFF", 1), enabled=False)
    strict = DevicePolicy(check_host=True)
    archive.devices["HERE"] = dataclasses.replace(device("HERE", 1), policy=strict)
    archive.devices["THERE"] = dataclasses.replace(device("THERE", 1, host="192.0.2.1"), policy=strict)
    archive.devices["NAMED"] = dataclasses.replace(device("NAMED", 1, host="localhost"), policy=strict)
    async with dimse_server(archive, settings) as (listener, _):
        answers = {}
        for calling in ("KNOWN", "NOBODY", "OFF", "HERE", "THERE", "NAMED"):
            async with connected(listener.port) as peer:
                answers[calling] = await call(peer, request(calling=calling))
        refused = {calling for calling, answer in answers.items() if answer == AssociateRj(1, 1, 3)}
        assert refused == {"NOBODY", "OFF", "THERE"}


@pytest.mark.capability("1.0.1")
async def test_a_device_gets_the_services_it_may_use() -> None:
    archive = MemoryArchive()
    policy = DevicePolicy(services=frozenset({"echo", "find"}))
    archive.devices["RIS"] = dataclasses.replace(device("RIS", 1), policy=policy)
    async with dimse_server(archive) as (listener, _), connected(listener.port) as peer:
        answer = await call(peer, request(calling="RIS"))
        assert isinstance(answer, AssociateAc)
        assert [c.result for c in answer.contexts] == [0, 1, 1, 0, 1, 1, 0, 1, 1]


@pytest.mark.capability("1.0.1")
async def test_limits_are_transient() -> None:  # (2,3,2): local limit exceeded
    settings = dataclasses.replace(DimseSettings(), max_associations=3, max_associations_per_ae=2)
    async with (
        dimse_server(settings=settings) as (listener, _),
        associated(listener.port),
        associated(listener.port),
    ):
        async with connected(listener.port) as third:
            assert await call(third, request()) == AssociateRj(2, 3, 2)
        async with associated(listener.port, request(calling="OTHER")), connected(listener.port) as fourth:
            assert await call(fourth, request(calling="THIRD")) == AssociateRj(2, 3, 2)
        await until(lambda: len(listener.associations) == 2)
        async with associated(listener.port, request(calling="OTHER")) as again:
            assert (await again.ask(VERIFICATION, ECHO))[0].status == 0


@pytest.mark.capability("1.0.4")
async def test_128_contexts_in_any_syntax() -> None:
    asked = request(
        [(CT, (JPEG, IMPLICIT, EXPLICIT)), *[(CT, (EXPLICIT,))] * 126, ("1.2.840.10008.5.1.1.9", (IMPLICIT,))]
    )
    async with dimse_server() as (listener, _), connected(listener.port) as peer:
        answer = await call(peer, asked)
        assert isinstance(answer, AssociateAc)
        assert [c.id for c in answer.contexts] == list(range(1, 256, 2))
        assert answer.contexts[0].transfer_syntax == EXPLICIT
        assert [c.result for c in answer.contexts[-2:]] == [0, 3]


@pytest.mark.parametrize(("allowed", "result"), [(True, 0), (False, 3)])
@pytest.mark.capability("1.0.4", "1.1.1")
async def test_unknown_storage_classes_are_taken_when_allowed(allowed: bool, result: int) -> None:
    settings = dataclasses.replace(DimseSettings(), accept_unknown_sop_classes=allowed)
    async with dimse_server(settings=settings) as (listener, _), connected(listener.port) as peer:
        answer = await call(peer, request([("1.3.12.2.1107.5.9.77", (IMPLICIT,))]))
        assert isinstance(answer, AssociateAc)
        assert [c.result for c in answer.contexts] == [result]


@pytest.mark.capability("1.0.5")
async def test_roles_window_and_limits_are_answered() -> None:
    asked = request(roles=(Role(CT, False, True),), async_window=AsyncWindow(0, 0))
    async with dimse_server() as (listener, _), connected(listener.port) as peer:
        answer = await call(peer, asked)
        assert isinstance(answer, AssociateAc)
        assert answer.user.roles == (Role(CT, False, True),)
        assert answer.user.async_window == AsyncWindow(8, 1)
        assert answer.user.max_length == 131_072


async def test_release_is_answered() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        await peer.release()
        await peer.close()
        await until(lambda: not listener.associations)


async def test_a_request_before_a_release_is_still_answered() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        pdus = b"".join(command_parts(peer.contexts[VERIFICATION], ECHO.encode(), 1000))
        await peer.write(pdus + ReleaseRq().encode())
        assert (await peer.message())[0] == CEchoRsp(responding_to=1, status=0, sop_class=VERIFICATION)
        assert type(await peer.pdu()).__name__ == "ReleaseRp"


async def test_a_release_that_is_followed_by_nonsense_is_aborted() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        await peer.write(ReleaseRq().encode() + struct.pack(">BxI", 77, 4))
        assert await peer.pdu() == Abort(AbortSource.PROVIDER, AbortReason.UNRECOGNIZED_PDU)
        await peer.close()
        await until(lambda: not listener.associations)


@pytest.mark.parametrize(
    ("wire", "abort"),
    [
        (struct.pack(">BxI", 4, 131_073) + bytes(1000), INVALID),
        (struct.pack(">BxI", 4, 6) + struct.pack(">IBB", 0, 1, 0), INVALID),
        (struct.pack(">BxI", 4, 6) + struct.pack(">IBB", 1, 1, 0), INVALID),
        (struct.pack(">BxI", 4, 100) + struct.pack(">IBB", 5000, 1, 0), INVALID),
        (struct.pack(">BxI", 4, 8) + struct.pack(">IBB", 4, 99, 3) + b"ab", INVALID),
        (struct.pack(">BxI", 4, 8) + struct.pack(">IBB", 4, 1, 2) + b"ab", INVALID),
        (struct.pack(">BxI", 4, 8) + struct.pack(">IBB", 4, 1, 3) + b"ab", INVALID),
        (struct.pack(">BxI", 77, 4) + bytes(4), Abort(AbortSource.PROVIDER, AbortReason.UNRECOGNIZED_PDU)),
        (request().encode(), Abort(AbortSource.PROVIDER, AbortReason.UNEXPECTED_PDU)),
    ],
    ids=["longer than ours", "empty PDV", "PDV of 1", "PDV past its PDU", "unknown context", "data without command",
         "no command set", "unknown PDU", "second request"],
)  # fmt: skip
@pytest.mark.capability("1.0.8", "1.0.11")
async def test_what_breaks_the_protocol_is_aborted_with_its_reason(wire: bytes, abort: Abort) -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        await peer.write(wire)
        assert await peer.pdu() == abort
        await peer.close()
        await until(lambda: not listener.associations)


async def test_a_zero_length_fragment_is_no_fault() -> None:
    async with dimse_server() as (listener, archive), associated(listener.port) as peer:
        id = peer.contexts[CT]
        parts = command_parts(id, STORE.encode(), 1000) + data_parts(id, b"abcd", 1000, last=False)
        empty = struct.pack(">BxIIBB", 4, 6, 2, id, 0)
        last = struct.pack(">BxIIBB", 4, 6, 2, id, 2)
        await peer.write(b"".join(parts) + empty + last)
        assert (await peer.message())[0].status == 0
        assert archive.objects["1.2.3"].data == b"abcd"


@pytest.mark.parametrize("how", ["abort", "cut"])
@pytest.mark.capability("1.0.8", "1.1.4")
async def test_an_object_whose_sender_goes_away_is_discarded(how: str) -> None:
    async with dimse_server() as (listener, archive):
        async with associated(listener.port) as peer:
            id = peer.contexts[CT]
            await peer.write(
                b"".join(command_parts(id, STORE.encode(), 1000) + data_parts(id, bytes(5000), 1000, last=False))
            )
            await until(lambda: archive.chunks > 0)
            if how == "abort":
                await peer.write(Abort(AbortSource.USER, 0).encode())
                assert isinstance(await peer.pdu(), Closed)
            else:
                peer.writer.transport.abort()
        await until(lambda: archive.discarded == 1 and not listener.associations)
        assert archive.objects == {}


@pytest.mark.capability("1.1.4")
async def test_an_object_that_was_complete_is_filed_though_its_sender_went_away() -> None:
    archive = MemoryArchive(gate=asyncio.Event())
    async with dimse_server(archive) as (listener, _):
        async with associated(listener.port) as peer:
            await peer.send(CT, STORE, b"data")
            await until(lambda: archive.chunks > 0)
            peer.writer.transport.abort()
        await until(lambda: not listener.associations)
        assert archive.gate is not None
        archive.gate.set()
        await until(lambda: "1.2.3" in archive.objects)
        assert archive.discarded == 0


FAST = dataclasses.replace(
    DimseSettings(), artim_timeout_s=0.4, pdu_timeout_s=0.4, idle_timeout_s=0.4, response_timeout_s=0.4
)


@pytest.mark.capability("1.0.8")
async def test_artim_closes_a_silent_connection() -> None:  # PS3.8 9.1.5
    async with dimse_server(settings=FAST) as (listener, _), connected(listener.port) as peer:
        began = time.monotonic()
        assert isinstance(await peer.pdu(), Closed)
        assert time.monotonic() - began > 0.3


@pytest.mark.capability("1.0.8")
async def test_a_request_a_byte_a_time_does_not_put_artim_off() -> None:
    async with dimse_server(settings=FAST) as (listener, _), connected(listener.port) as peer:

        async def trickle() -> None:
            for byte in request().encode():
                await peer.write(bytes((byte,)))
                await asyncio.sleep(0.02)

        slow = asyncio.ensure_future(trickle())
        assert isinstance(await peer.pdu(), Closed)
        slow.cancel()


@pytest.mark.parametrize(
    ("begun", "comment"),
    [
        (b"", "idle"),
        (struct.pack(">BxI", 4, 100), "slow PDU"),
        (b"".join(command_parts(3, STORE.encode(), 1000)), "slow message"),
    ],
    ids=["idle", "PDU", "message"],
)
@pytest.mark.capability("1.0.8")
async def test_a_peer_that_goes_quiet_is_aborted(begun: bytes, comment: str) -> None:
    async with dimse_server(settings=FAST) as (listener, archive), associated(listener.port) as peer:
        await peer.write(begun)
        assert await peer.pdu() == Abort(AbortSource.USER, 0)
        await peer.close()
        await until(lambda: not listener.associations)
        assert archive.discarded == (comment == "slow message")


@pytest.mark.capability("1.0.8")
async def test_an_association_at_work_is_not_idle() -> None:
    archive = MemoryArchive(gate=asyncio.Event())
    async with dimse_server(archive, FAST) as (listener, _), associated(listener.port) as peer:
        await peer.send(CT, STORE, b"data")
        await asyncio.sleep(0.8)  # more than the idle time: the thing under test
        assert archive.gate is not None
        archive.gate.set()
        assert (await peer.message())[0].status == 0


@pytest.mark.capability("1.0.8")
async def test_a_hundred_silent_connections_do_not_keep_an_echo_waiting() -> None:
    async with dimse_server() as (listener, _):
        silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(100)]
        async with associated(listener.port) as peer:  # long before ARTIM ends the silent ones
            assert (await peer.ask(VERIFICATION, ECHO))[0].status == 0
        assert not any(reader.at_eof() for reader, _ in silent)
        for _, writer in silent:
            writer.close()


@pytest.mark.capability("1.0.9")
async def test_open_associations_are_listed_and_can_be_ended() -> None:
    async with dimse_server() as (listener, _), associated(listener.port) as peer:
        await peer.ask(VERIFICATION, ECHO)
        (report,) = listener.associations.reports()
        assert (report.calling_ae, report.called_ae, report.peer) == ("TEST", "FILMROOM", "127.0.0.1")
        assert report.messages == 1
        assert report.bytes_in > 100
        assert report.operation == ""
        assert listener.associations.abort(report.id)
        assert await peer.pdu() == Abort(AbortSource.USER, 0)
        await peer.close()
        await until(lambda: not listener.associations)
        assert not listener.associations.abort(report.id)


async def test_stopping_waits_for_what_is_in_progress() -> None:
    archive = MemoryArchive(gate=asyncio.Event())
    async with dimse_server(archive) as (listener, _):
        async with associated(listener.port) as busy, associated(listener.port) as idle:
            await busy.send(CT, STORE, b"data")
            await until(lambda: archive.chunks > 0)
            stopping = asyncio.ensure_future(listener.stop(grace_s=5))
            assert await idle.pdu() == Abort(AbortSource.USER, 0)
            assert not stopping.done()
            assert archive.gate is not None
            archive.gate.set()
            assert (await busy.message())[0].status == 0
            assert await busy.pdu() == Abort(AbortSource.USER, 0)
            await stopping
        with pytest.raises(OSError):  # noqa: PT011
            await asyncio.open_connection("127.0.0.1", listener.port)
