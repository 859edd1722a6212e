"""Objects go out: in order, as they are stored, or in another transfer syntax with the same pixels."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from bench.corpus import Object, Study, fresh_run, objects
from pydicom import dcmread
from tests.fixtures.taking_in import Rig

from filmroom.archive.retrieve import Located, Retrieve, targets
from filmroom.base.errors import Forbidden, NotFound, Unsupported
from filmroom.dicom.part10 import read_meta
from filmroom.dicom.pixels_object import StoredObject
from filmroom.security.principals import SYSTEM, person

IMPLICIT, EXPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{tail}" for tail in ("", ".1", ".2", ".1.99"))
J2K, JPEG_LS, JPEG = (f"1.2.840.10008.1.2.4.{tail}" for tail in ("90", "80", "50"))


async def together(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def stored(rig: Rig, kind: str, count: int = 1, number: int = 1) -> list[Object]:
    sent = list(objects(kind, Study(fresh_run(), number), count))
    await rig.store_all(sent)
    return sent


async def only(retrieve: Retrieve, sent: Object) -> Located:
    return await retrieve.one(SYSTEM, sent.study_uid, sent.series_uid, sent.sop_uid)


@pytest.mark.capability("1.3.1")
async def test_each_level_finds_its_objects_by_instance_number(rig: Rig, retrieve: Retrieve) -> None:
    one, other = await stored(rig, "ct", 12), await stored(rig, "tiny", 3, number=2)
    in_order = [each.sop_uid for each in one]

    async def uids(**wanted: object) -> list[str]:
        return [each.sop_uid for each in await retrieve.locate(SYSTEM, **wanted)]  # type: ignore[arg-type]

    assert await uids(studies=[one[0].study_uid]) == in_order
    assert await uids(series=[one[0].series_uid]) == in_order
    assert await uids(studies=[one[0].study_uid], series=[other[0].series_uid]) == []
    assert await uids(instances=[one[3].sop_uid, other[0].sop_uid, "1.2.3"]) == sorted(
        [one[3].sop_uid, other[0].sop_uid],
        key=lambda uid: uid == other[0].sop_uid,
        reverse=one[0].study_uid > other[0].study_uid,
    )
    assert await uids(studies=[other[0].study_uid], instances=[one[3].sop_uid]) == []
    patient = await rig.value(
        "SELECT value FROM patient_identifier i JOIN study s USING (patient_pk) WHERE study_uid = $1", one[0].study_uid
    )
    assert await uids(patient=(patient, None)) == in_order
    assert await uids(patient=(patient, "elsewhere")) == []
    assert await uids(patient=(patient, None), studies=[other[0].study_uid]) == []
    assert await uids() == await uids(patient=("", None)) == []


@pytest.mark.capability("1.1.5", "1.3.1")
@pytest.mark.parametrize("kind", ["tiny", "ct", "j2k", "cine-small"])
async def test_what_was_stored_goes_out_byte_for_byte(rig: Rig, retrieve: Retrieve, kind: str) -> None:
    (sent,) = await stored(rig, kind)
    item = await only(retrieve, sent)
    plain = await retrieve.handout(item, [IMPLICIT, sent.transfer_syntax])
    assert plain.transfer_syntax == sent.transfer_syntax
    assert plain.size_bytes == len(sent.dataset)
    assert await together(plain.chunks) == sent.dataset
    file = await retrieve.file(item)
    data = await together(file.chunks)
    assert len(data) == file.size_bytes
    assert data.endswith(sent.dataset)
    assert dcmread(BytesIO(data), stop_before_pixels=True).SOPInstanceUID == sent.sop_uid


@pytest.mark.capability("1.4.1")
@pytest.mark.parametrize("target", [IMPLICIT, BIG, DEFLATED, JPEG_LS])
@pytest.mark.parametrize("kind", ["ct", "tiny", "j2k", "cine-small"])
async def test_a_peer_gets_what_it_can_take_with_the_same_pixels(
    rig: Rig, retrieve: Retrieve, kind: str, target: str
) -> None:
    (sent,) = await stored(rig, kind)
    item = await only(retrieve, sent)
    if kind == "tiny" and target == JPEG_LS:
        with pytest.raises(Unsupported):
            await retrieve.handout(item, [target])
        return
    made = await retrieve.file(item, [target])
    assert made.transfer_syntax == target
    data = await together(made.chunks)
    assert made.size_bytes in (None, len(data))
    read = dcmread(BytesIO(data))
    assert read.file_meta.TransferSyntaxUID == target
    assert read.SOPInstanceUID == sent.sop_uid
    if kind != "tiny":
        before = StoredObject.of(sent.dataset, sent.transfer_syntax).pixels()
        after = StoredObject.of(data[read_meta(data).dataset_offset :], target).pixels()  # type: ignore[union-attr]
        for frame in {0, before.format.frames - 1}:
            assert (after.decoded(frame).array == before.decoded(frame).array).all()


@pytest.mark.capability("1.4.1")
async def test_a_large_object_is_rewritten_piece_by_piece(rig: Rig, retrieve: Retrieve, tmp_path: Path) -> None:
    (sent,) = await stored(rig, "cine-small")
    item = await only(retrieve, sent)
    made = await retrieve.handout(item, [JPEG_LS])
    whole = [chunk async for chunk in made.chunks]
    assert made.size_bytes == sum(map(len, whole))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.capability("1.4.1")
async def test_nothing_is_lost_on_the_way_even_if_that_is_all_a_peer_takes(rig: Rig, retrieve: Retrieve) -> None:
    (sent,) = await stored(rig, "ct")
    with pytest.raises(Unsupported):
        await retrieve.handout(await only(retrieve, sent), [JPEG])


@pytest.mark.capability("1.2.12")
async def test_what_is_not_visible_or_not_for_the_asker_is_not_located(rig: Rig, retrieve: Retrieve) -> None:
    (sent,) = await stored(rig, "tiny")
    async with rig.database.connection() as connection:
        await connection.execute("UPDATE instance SET state = 'rejected'")
    assert await retrieve.locate(SYSTEM, studies=[sent.study_uid]) == []
    with pytest.raises(NotFound):
        await only(retrieve, sent)
    with pytest.raises(Forbidden):
        await retrieve.locate(person(1, "nobody", frozenset()), studies=[sent.study_uid])


@pytest.mark.parametrize(
    ("source", "acceptable", "expected"),
    [
        (EXPLICIT, [JPEG_LS, IMPLICIT], [IMPLICIT, JPEG_LS]),
        (IMPLICIT, [JPEG_LS, BIG], [BIG, JPEG_LS]),
        (J2K, [JPEG, JPEG_LS, IMPLICIT, EXPLICIT], [EXPLICIT, IMPLICIT, JPEG_LS]),
        (J2K, [JPEG], []),
    ],
)
def test_the_order_in_which_transfer_syntaxes_are_tried(
    source: str, acceptable: list[str], expected: list[str]
) -> None:
    assert targets(source, acceptable) == expected
