"""Who is let in and to what (PS3.8 9.3.4 and table 9-21, PS3.7 annex D.3.3), over real sockets and a real database."""

import asyncio
import dataclasses
import struct
from collections.abc import AsyncIterator

import pytest

from filmroom.archive.devices import DevicePolicy
from filmroom.archive.devices_callers import CallerRow, Reason
from filmroom.base.errors import Unavailable
from filmroom.base.ids import AeTitle
from filmroom.db.pool import Database
from filmroom.net.dimse.models import GET_MODELS, VERIFICATION
from filmroom.net.dimse.outgoing import wishes
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.security.principals import SYSTEM
from filmroom.wire.dimse.messages import CEchoRq
from filmroom.wire.ul.items import AsyncWindow, Extended, Role
from filmroom.wire.ul.negotiation import Context
from filmroom.wire.ul.pdu import Abort, AssociateAc, AssociateRj, AssociateRq
from fixtures.admitted import Hospital, eventually, open_hospital
from fixtures.dimse_wire import CT, EXPLICIT, FIND, IMPLICIT, MR, associated, call, connected, request

CT1, LATE = AeTitle("CT1"), AeTitle("LATE")
ECHO = CEchoRq(message_id=1, sop_class=VERIFICATION)
JPEG_LS = "1.2.840.10008.1.2.4.80"
PERMANENT_CALLING, PERMANENT_CALLED = AssociateRj(1, 1, 3), AssociateRj(1, 1, 7)


@pytest.fixture
async def hospital(database: Database) -> AsyncIterator[Hospital]:
    async with open_hospital(database) as made:
        await made.devices.put(CT1, "127.0.0.1", 104)
        yield made


async def answer(hospital: Hospital, asked: AssociateRq | None = None) -> AssociateAc | AssociateRj:
    async with connected(hospital.port) as peer:
        found = await call(peer, asked or request(calling="CT1"))
        assert isinstance(found, AssociateAc | AssociateRj)
        return found


async def listed(hospital: Hospital) -> CallerRow:
    async def one() -> CallerRow | None:
        rows = await hospital.callers.list(SYSTEM)
        return rows[0] if rows else None

    row: CallerRow = await eventually(one)
    return row


def results(found: AssociateAc | AssociateRj) -> list[int]:
    assert isinstance(found, AssociateAc)
    return [context.result for context in found.contexts]


@pytest.mark.parametrize(
    ("asked", "answered", "reason"),
    [
        (request(calling="NOBODY"), PERMANENT_CALLING, Reason.CALLING_UNKNOWN),
        (request(calling="A\\B"), PERMANENT_CALLING, Reason.CALLING_MALFORMED),
        (request(calling="CT1", called="PACS"), PERMANENT_CALLED, Reason.CALLED_UNKNOWN),
        (request(calling="CT1", called="OFF"), PERMANENT_CALLED, Reason.CALLED_OFF),
        (request(calling="OFF"), PERMANENT_CALLING, Reason.DEVICE_OFF),
        (request(calling="AWAY"), PERMANENT_CALLING, Reason.WRONG_ADDRESS),
        (request(calling="NARROW"), AssociateRj(2, 3, 2), Reason.TOO_MANY),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
@pytest.mark.capability("1.0.1", "1.0.3", "1.0.9", "7.1.3")
async def test_ps38_9_3_4_each_refusal_has_its_result_source_and_reason_and_is_remembered(
    hospital: Hospital, asked: AssociateRq, answered: AssociateRj, reason: Reason
) -> None:
    devices = hospital.devices
    await devices.put(AeTitle("OFF"), "127.0.0.1", 104, enabled=False)
    away = DevicePolicy(addresses=("10.0.0.0/8", "192.0.2.1", "fe80::/10"))
    await devices.put(AeTitle("AWAY"), "127.0.0.1", 104, policy=away)
    await devices.put(AeTitle("NARROW"), "127.0.0.1", 104, policy=DevicePolicy(max_associations=1))
    await hospital.local_aes.replace(AeTitle("OFF"), {"enabled": False}, who=SYSTEM)
    async with associated(hospital.port, request(calling="NARROW")):
        assert await answer(hospital, asked) == answered
    row = await listed(hospital)
    assert (row.reason, row.calling_ae, row.called_ae) == (reason, asked.calling_ae, asked.called_ae)
    assert (row.address, row.implementation_class) == ("127.0.0.1", "1.2.3")
    assert set(row.services) == {"echo", "store", "find", "move", "get"}


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "localhost", "::ffff:127.0.0.1"])
@pytest.mark.capability("1.0.1")
async def test_a_device_may_call_from_any_of_its_addresses(hospital: Hospital, allowed: str) -> None:
    policy = {"addresses": ["192.0.2.1", allowed]}
    await hospital.devices.patch(CT1, {"policy": policy}, who=SYSTEM)
    assert isinstance(await answer(hospital), AssociateAc)


@pytest.mark.capability("1.0.1", "1.0.4", "7.1.3")
async def test_ps38_table_9_18_a_service_that_is_not_allowed_is_a_user_rejection_and_is_remembered(
    hospital: Hospital,
) -> None:
    await hospital.devices.patch(CT1, {"policy": {"services": ["echo", "find"]}}, who=SYSTEM)
    asked = [(uid, (IMPLICIT,)) for uid in (VERIFICATION, CT, FIND, "1.2.840.10008.5.1.1.9")]
    assert results(await answer(hospital, request(asked, calling="CT1"))) == [0, 1, 0, 3]
    row = await listed(hospital)
    assert (row.reason, row.detail, list(row.services)) == (Reason.SERVICE_REFUSED, "store", ["store"])
    await hospital.callers.approve(SYSTEM, row.pk)
    assert results(await answer(hospital, request(asked, calling="CT1"))) == [0, 0, 0, 3]


@pytest.mark.capability("1.0.4")
async def test_ps38_9_3_3_2_the_devices_own_syntaxes_are_chosen_in_their_order(hospital: Hospital) -> None:
    syntaxes = (IMPLICIT, EXPLICIT, JPEG_LS)
    await hospital.devices.patch(CT1, {"policy": {"accepted_syntaxes": [JPEG_LS, IMPLICIT]}}, who=SYSTEM)
    asked = request([(CT, syntaxes), (MR, (IMPLICIT, EXPLICIT)), (CT, (EXPLICIT,))], calling="CT1")
    found = await answer(hospital, asked)
    assert isinstance(found, AssociateAc)
    assert [(c.result, c.transfer_syntax) for c in found.contexts] == [(0, JPEG_LS), (0, IMPLICIT), (4, EXPLICIT)]


@pytest.mark.parametrize(
    ("services", "role"), [(["store", "get"], Role(CT, True, True)), (["store"], Role(CT, True, False))]
)
@pytest.mark.capability("1.0.5")
async def test_ps37_d_3_3_4_the_scp_role_is_granted_to_who_may_get(
    hospital: Hospital, services: list[str], role: Role
) -> None:
    await hospital.devices.patch(CT1, {"policy": {"services": services}}, who=SYSTEM)
    found = await answer(hospital, request([(CT, (IMPLICIT,))], calling="CT1", roles=(Role(CT, True, True),)))
    assert isinstance(found, AssociateAc)
    assert found.user.roles == (role,)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(AsyncWindow(0, 0), AsyncWindow(8, 1)), (AsyncWindow(3, 5), AsyncWindow(3, 1)), (None, None)],
)
@pytest.mark.capability("1.0.5")
async def test_ps37_d_3_3_3_the_window_is_bounded_and_answered_only_when_asked(
    hospital: Hospital, asked: AsyncWindow | None, granted: AsyncWindow | None
) -> None:
    found = await answer(hospital, request(calling="CT1", async_window=asked))
    assert isinstance(found, AssociateAc)
    assert found.user.async_window == granted


@pytest.mark.capability("1.0.5")
async def test_ps37_d_3_3_5_extended_negotiation_is_answered_for_classes_that_have_it(hospital: Hospital) -> None:
    asked = (Extended(FIND, b"\x01\x01\x01"), Extended(VERIFICATION, b"\x01"), Extended("1.2.3", b"\x01"))
    found = await answer(hospital, request(calling="CT1", extended=asked))
    assert isinstance(found, AssociateAc)
    assert found.user.extended == (Extended(FIND, b"\x01\x01\x01"),)


@pytest.mark.capability("1.0.5", "7.1.3")
async def test_a_storage_class_for_a_c_get_alone_suggests_no_storing(hospital: Hospital) -> None:
    get = next(iter(GET_MODELS))
    asked = request([(get, (IMPLICIT,)), (CT, (IMPLICIT,))], calling="NEW", roles=(Role(CT, False, True),))
    await answer(hospital, asked)
    assert list((await listed(hospital)).services) == ["get"]


@pytest.mark.capability("1.0.2")
async def test_several_titles_on_one_port_each_offer_their_own(hospital: Hospital) -> None:
    local = hospital.local_aes
    await local.replace(AeTitle("READING"), {"policy": {"read_only": True}}, who=SYSTEM)
    await local.replace(AeTitle("OPEN"), {"policy": {"strangers": ["echo"]}}, who=SYSTEM)
    asked = [(uid, (IMPLICIT,)) for uid in (VERIFICATION, CT, FIND)]
    assert results(await answer(hospital, request(asked, calling="CT1"))) == [0, 0, 0]
    reading = request(
        [(VERIFICATION, (IMPLICIT,)), ("1.2.840.10008.1.20.1", (IMPLICIT,))], calling="CT1", called="READING"
    )
    assert results(await answer(hospital, reading)) == [0, 1]
    assert (await listed(hospital)).reason is Reason.SERVICE_NOT_OFFERED
    assert results(await answer(hospital, request(asked, calling="NOBODY", called="OPEN"))) == [0, 1, 1]
    assert await answer(hospital, request(calling="NOBODY", called="READING")) == PERMANENT_CALLING


@pytest.mark.capability("1.0.2")
async def test_the_retrieve_ae_title_is_the_one_that_was_called(hospital: Hospital) -> None:
    await hospital.local_aes.replace(AeTitle("READING"), {}, who=SYSTEM)
    async with associated(hospital.port, request(calling="CT1", called="READING")):
        (session,) = tuple(hospital.listener.associations)
        caller = session._caller  # type: ignore[attr-defined]
        assert (caller.called_ae, caller.device.ae_title) == ("READING", "CT1")


@pytest.mark.capability("1.0.1")
async def test_a_change_holds_for_the_next_association_and_leaves_the_open_one(hospital: Hospital) -> None:
    async with associated(hospital.port, request(calling="CT1")) as peer:
        await hospital.devices.set_enabled(CT1, False)
        assert await answer(hospital) == PERMANENT_CALLING
        assert (await peer.ask(VERIFICATION, ECHO))[0].status == 0
        await hospital.devices.remove(CT1)
        assert (await peer.ask(VERIFICATION, dataclasses.replace(ECHO, message_id=2)))[0].status == 0


@pytest.mark.capability("1.0.1")
async def test_devices_that_change_while_many_call_never_fail_a_caller(hospital: Hospital) -> None:
    async def change() -> None:
        for number in range(20):
            await hospital.devices.patch(CT1, {"description": str(number)}, who=SYSTEM)

    changing = asyncio.create_task(change())
    found = await asyncio.gather(*(answer(hospital) for _ in range(40)))
    await changing
    assert all(isinstance(each, AssociateAc) for each in found)


@pytest.mark.capability("1.0.8")
async def test_a_devices_own_timeouts_hold(hospital: Hospital) -> None:
    await hospital.devices.patch(CT1, {"policy": {"idle_timeout_s": 0.2}}, who=SYSTEM)
    async with associated(hospital.port, request(calling="CT1")) as peer:
        assert isinstance(await peer.pdu(), Abort)


@pytest.mark.capability("1.0.1")
async def test_ps38_9_3_4_without_the_database_known_devices_are_let_in_and_strangers_asked_to_come_again(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hospital.devices.put(LATE, "127.0.0.1", 104)
    assert isinstance(await answer(hospital), AssociateAc)

    def away(*_: object) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(hospital.devices._db, "connection", away)
    monkeypatch.setattr("filmroom.archive.devices.CACHE_S", 0.0)
    hospital.devices._cache.clear()
    hospital.local_aes._until = float("-inf")
    async with associated(hospital.port, request(calling="CT1")) as peer:
        assert (await peer.ask(VERIFICATION, ECHO))[0].status == 0
    assert isinstance(await answer(hospital, request(calling="LATE")), AssociateAc)
    assert await answer(hospital, request(calling="NOBODY")) == AssociateRj(2, 3, 1)
    monkeypatch.undo()
    hospital.devices._away_until = 0.0
    assert await answer(hospital, request(calling="NOBODY")) == PERMANENT_CALLING


@pytest.mark.capability("1.0.9")
async def test_open_associations_of_both_directions_are_listed_and_aborted(hospital: Hospital) -> None:
    await hospital.devices.put(AeTitle("FILMROOM"), "127.0.0.1", hospital.port)
    reactor = hospital.listener.reactor
    assert reactor is not None
    peer = Peer("127.0.0.1", hospital.port, "FILMROOM")
    ours = await Association.open(peer, [Proposal(VERIFICATION)], calling_ae="FILMROOM", reactor=reactor)
    assert await ours.echo() == 0

    async def three() -> object:
        found = await hospital.live.list(SYSTEM)
        return found if len(found) == 3 else None

    async with associated(hospital.port, request(calling="CT1")) as theirs:
        found = await eventually(three)
        directions = {(each.live.calling_ae, each.live.inbound) for each in found}
        assert directions == {("CT1", True), ("FILMROOM", True), ("FILMROOM", False)}
        sent = next(each.live for each in found if not each.live.inbound)
        assert (sent.messages_out, sent.messages_in, sent.pdus_out > 1, sent.bytes_in > 0) == (1, 1, True, True)
        (name,) = [each.name for each in found if each.live.calling_ae == "CT1"]
        assert await hospital.live.abort(SYSTEM, name)
        assert isinstance(await theirs.pdu(), Abort)
    await ours.release()

    async def none() -> bool:
        return not await hospital.live.list(SYSTEM)

    await eventually(none)


def test_the_pdu_counter_counts_whole_pdus() -> None:
    from filmroom.net.dimse.channel import pdus_of

    pdu = struct.pack(">BxI", 4, 10) + bytes(10)
    assert [pdus_of(data) for data in (b"", pdu, pdu * 3)] == [0, 1, 3]


@pytest.mark.capability("1.0.4", "1.1.17")
def test_what_we_send_goes_in_the_devices_preferred_syntax_when_it_takes_it() -> None:
    contexts = [Context(n, CT, uid, False, True) for n, uid in enumerate((IMPLICIT, EXPLICIT, JPEG_LS))]
    assert wishes(contexts, EXPLICIT, ()) == [(EXPLICIT,)]
    assert wishes(contexts, EXPLICIT, (JPEG_LS,)) == [(JPEG_LS,), (EXPLICIT,)]
    assert wishes(contexts, EXPLICIT, (EXPLICIT, JPEG_LS)) == [(EXPLICIT,)]
    assert wishes(contexts[:2], EXPLICIT, (JPEG_LS,)) == [(EXPLICIT,)]
