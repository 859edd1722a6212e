"""What implementers get wrong in PS3.8 annex D and PS3.4 annexes A and C, each by its clause, over a real socket."""

import struct

import pytest
from tests.fixtures.dimse_archive import MemoryArchive, MemoryObject, dimse_server
from tests.fixtures.dimse_wire import CT, FIND, GET, IMPLICIT, VERIFICATION, associated, request

from filmroom.base.errors import Unavailable
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset
from filmroom.wire.dimse.messages import CEchoRq, CFindRq, CGetRq, CStoreRq

ECHO = CEchoRq(message_id=1, sop_class=VERIFICATION)
SUCCESS = bytes.fromhex("00000009020000000000")  # (0000,0900) Status of 0000
DO_FIND = CFindRq(message_id=5, sop_class=FIND, has_data=True)


def keys(**given: tuple[str, str]) -> bytes:
    """An identifier of ``t<tag>=(vr, value)``, in implicit VR."""
    made: JsonDataset = {"00080052": {"vr": "CS", "Value": ["STUDY"]}}
    for name, (vr, value) in given.items():
        made[name[1:]] = {"vr": vr, "Value": [value]} if value else {"vr": vr}
    return json_to_dataset(made, IMPLICIT)


@pytest.mark.capability("1.5.1")
async def test_ps34_a4_an_echo_is_answered_though_the_archive_is_not_ready() -> None:
    archive = MemoryArchive(refuse=Unavailable("no database"))
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        assert (await peer.ask(VERIFICATION, ECHO))[0].status == 0


@pytest.mark.capability("1.0.4")
async def test_ps38_d1_1_a_maximum_length_of_zero_is_no_limit() -> None:
    matches = [{"0020000D": {"vr": "UI", "Value": [f"1.2.{n}"]}} for n in range(2000)]
    archive, asked = MemoryArchive(matches=matches), request(max_length=0)
    async with dimse_server(archive) as (listener, _), associated(listener.port, asked) as peer:
        answers = await peer.answers(FIND, DO_FIND, keys(t0020000D=("UI", "")))
    assert len(answers) == 2001
    assert answers[-1][0].status == 0


@pytest.mark.capability("1.0.4")
async def test_ps38_9_3_5_1_several_presentation_data_values_may_share_a_pdu() -> None:
    """Command and data set, and the data set in two, all in one P-DATA-TF."""
    archive, data = MemoryArchive(), bytes(2000)
    asked = CStoreRq(message_id=9, sop_class=CT, sop_uid="1.2.3.4", has_data=True)
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        number = peer.contexts[CT]
        values = [(3, asked.encode()), (0, data[:900]), (2, data[900:])]
        body = b"".join(struct.pack(">IBB", len(part) + 2, number, flags) + part for flags, part in values)
        await peer.write(struct.pack(">BxI", 4, len(body)) + body)
        assert (await peer.message())[0].status == 0
    assert archive.objects["1.2.3.4"].data == data


@pytest.mark.capability("1.0.4")
async def test_ps38_d1_1_no_pdu_of_ours_is_longer_than_the_peer_takes() -> None:
    """The length counts the presentation data value's own six bytes too."""
    matches = [
        {"00081030": {"vr": "LO", "Value": ["x" * 60]}, "0020000D": {"vr": "UI", "Value": [f"1.{n}"]}}
        for n in range(300)
    ]
    archive, asked = MemoryArchive(matches=matches), request(max_length=4096)
    lengths: list[int] = []
    async with dimse_server(archive) as (listener, _), associated(listener.port, asked) as peer:
        await peer.send(FIND, DO_FIND, keys(t0020000D=("UI", ""), t00081030=("LO", "")))
        while True:
            got = await peer.pdu()
            assert isinstance(got, tuple)
            lengths.append(len(got[1]))
            if SUCCESS in got[1]:
                break
    assert max(lengths) <= 4096


@pytest.mark.capability("1.2.1")
async def test_c_2_2_1_3_a_key_that_is_absent_is_not_asked_and_one_that_is_empty_is() -> None:
    archive = MemoryArchive()
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        await peer.answers(FIND, DO_FIND, keys(t0020000D=("UI", ""), t00081030=("LO", "")))
    (question,) = archive.questions
    assert question.key(0x00081030) is not None
    assert question.key(0x00100010) is None


@pytest.mark.capability("1.2.1")
async def test_c_4_1_2_1_a_key_below_the_level_is_no_reason_to_refuse() -> None:
    archive = MemoryArchive(matches=[{"0020000D": {"vr": "UI", "Value": ["1.2"]}}])
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        answers = await peer.answers(FIND, DO_FIND, keys(t0020000D=("UI", ""), t00080060=("CS", "CT")))
    assert [answer.status for answer, _ in answers][-1] == 0


@pytest.mark.capability("1.3.2")
async def test_c_4_3_1_4_the_final_answer_has_no_remaining_count_and_its_counts_add_up() -> None:
    objects = {f"1.2.3.{n}": MemoryObject(CT, f"1.2.3.{n}", IMPLICIT, b"") for n in range(5)}
    archive = MemoryArchive(objects=objects)
    asked = CGetRq(message_id=3, sop_class=GET, has_data=True)
    async with dimse_server(archive) as (listener, _), associated(listener.port) as peer:
        answers = await peer.answers(GET, asked, keys(t0020000D=("UI", "1.2.3")))
    final = answers[-1][0]
    assert final.remaining is None
    assert (final.completed or 0) + (final.failed or 0) + (final.warning or 0) == 5
    assert final.status == 0xA702  # nothing can be sent without the SCP role
