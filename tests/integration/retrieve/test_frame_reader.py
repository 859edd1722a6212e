"""Frames and bulk values: the right bytes, few reads, and what does not exist is not found."""

import pytest
from bench.corpus import Study, fresh_run, objects
from pydicom.encaps import generate_frames
from tests.fixtures.taking_in import Rig

from filmroom.archive import retrieve_frames
from filmroom.archive.retrieve import Retrieve
from filmroom.archive.retrieve_frames import FrameReader, format_path, parse_path
from filmroom.base.errors import NotFound
from filmroom.dicom.json import json_to_dataset
from filmroom.dicom.pixels_object import StoredObject
from filmroom.security.principals import SYSTEM

EXPLICIT, JPEG_LS, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.2"


async def located(rig: Rig, retrieve: Retrieve, kind: str):  # type: ignore[no-untyped-def]
    (sent,) = objects(kind, Study(fresh_run(), 1), 1)
    await rig.store(sent)
    return sent, await retrieve.one(SYSTEM, sent.study_uid, sent.series_uid, sent.sop_uid)


@pytest.mark.capability("6.1.2", "6.2.1")
async def test_native_frames_are_given_as_stored_in_the_order_asked(
    rig: Rig, retrieve: Retrieve, frames: FrameReader
) -> None:
    sent, item = await located(rig, retrieve, "cine-small")
    count = item.frames
    size = len(sent.pixels) // count
    found = await frames.frames(item, [3, 1, 3, count])
    assert found.transfer_syntax == EXPLICIT
    got = [chunk async for chunk in found.chunks]
    assert [len(chunk) for chunk in got] == [len(got[0])] * 4
    assert got[0] == got[2] != got[1]
    assert got[1] in sent.dataset
    assert size >= len(got[0])
    every = [chunk async for chunk in (await frames.frames(item, [])).chunks]
    assert len(every) == count
    assert b"".join(every) in sent.dataset


@pytest.mark.capability("6.2.1")
async def test_compressed_frames_are_given_stored_or_decoded(rig: Rig, retrieve: Retrieve, frames: FrameReader) -> None:
    sent, item = await located(rig, retrieve, "j2k")
    stored = await frames.frames(item, [1])
    assert stored.transfer_syntax == sent.transfer_syntax
    (as_stored,) = [chunk async for chunk in stored.chunks]
    element = StoredObject.of(sent.dataset, sent.transfer_syntax).pixel_element
    assert element is not None
    assert as_stored == next(generate_frames(sent.dataset[element.value :], number_of_frames=1))
    decoded = await frames.frames(item, [1], [EXPLICIT])
    assert decoded.transfer_syntax == EXPLICIT
    (plain,) = [chunk async for chunk in decoded.chunks]
    native = StoredObject.of(sent.dataset, sent.transfer_syntax).pixels().decoded(0).to_native()
    assert plain == native
    again = await frames.frames(item, [1], [JPEG_LS])
    assert again.transfer_syntax == JPEG_LS


@pytest.mark.parametrize("number", [0, -1, 2, 10**9])
async def test_a_frame_that_is_not_there_is_not_found(
    rig: Rig, retrieve: Retrieve, frames: FrameReader, number: int
) -> None:
    _, item = await located(rig, retrieve, "ct")
    with pytest.raises(NotFound):
        await frames.frames(item, [number])


@pytest.mark.capability("6.1.2")
async def test_the_second_frame_costs_one_read(
    rig: Rig, retrieve: Retrieve, frames: FrameReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, item = await located(rig, retrieve, "cine-small")
    (_,) = [chunk async for chunk in (await frames.frames(item, [1])).chunks]
    reads = []
    read = rig.blobs.read_sync
    monkeypatch.setattr(rig.blobs, "read_sync", lambda *arguments: reads.append(arguments) or read(*arguments))
    (_,) = [chunk async for chunk in (await frames.frames(item, [2])).chunks]
    assert len(reads) == 1


async def test_frame_indexes_are_forgotten_when_they_take_too_much_room(
    rig: Rig, retrieve: Retrieve, frames: FrameReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieve_frames, "INDEX_CACHE_BYTES", 600)
    for _ in range(3):
        _, item = await located(rig, retrieve, "ct")
        await frames.frames(item, [1])
    assert len(frames._plans) == 1


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize("syntax", [EXPLICIT, "1.2.840.10008.1.2", BIG, "1.2.840.10008.1.2.1.99"])
async def test_a_bulk_value_is_found_by_its_path_private_and_nested_ones_too(
    rig: Rig, retrieve: Retrieve, frames: FrameReader, syntax: str
) -> None:
    document, private, nested = b"%PDF" * 5000, bytes(range(256)) * 40, b"\1\2" * 4000
    values = {"a": document, "b": private, "c": nested}
    dataset = json_to_dataset(
        {
            "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.104.1"]},
            "00080018": {"vr": "UI", "Value": ["1.2.3.1"]},
            "0020000D": {"vr": "UI", "Value": ["1.2.1"]},
            "0020000E": {"vr": "UI", "Value": ["1.2.2"]},
            "00290010": {"vr": "LO", "Value": ["MAKER"]},
            "00291010": {"vr": "OB", "BulkDataURI": "b"},
            "00420011": {"vr": "OB", "BulkDataURI": "a"},
            "54000100": {"vr": "SQ", "Value": [{}, {"54001010": {"vr": "OW", "BulkDataURI": "c"}}]},
        },
        syntax,
        bulk=values.__getitem__,
    )
    incoming = rig.ingest.begin(
        SYSTEM,
        door="dimse",
        source="T",
        transfer_syntax=syntax,
        sop_class="1.2.840.10008.5.1.4.1.1.104.1",
        sop_uid="1.2.3.1",
        part10=False,
    )
    incoming.write(dataset)
    await incoming.finish()
    item = await retrieve.one(SYSTEM, "1.2.1", "1.2.2", "1.2.3.1")
    for path, expected in (("00420011", document), ("00291010", private), ("54000100/1/54001010", nested)):
        bulk = await frames.bulk(item, parse_path(path))
        got = bulk.data if bulk.where is None else rig.blobs.read_sync(bulk.where)
        assert got == expected, path
        assert format_path(parse_path(path)) == path
    for path in ("00420012", "54000100/0/54001010", "54000100/2/54001010", "7FE00010"):
        with pytest.raises(NotFound):
            await frames.bulk(item, parse_path(path))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0042001",
        "00420011/",
        "00420011/x/00420011",
        "../../etc/passwd",
        "00420011/-1/00420011",
        "0042001G",
        "00420011/1",
    ],
)
def test_what_is_no_address_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        parse_path(text)
