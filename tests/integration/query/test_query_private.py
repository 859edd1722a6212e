"""Private attributes in answers: read from an object, found by the creator of their block."""

from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from bench.corpus import Object, Study, element, fresh_run, objects
from pydicom import dcmread
from pydicom.dataset import Dataset
from tests.fixtures.taking_in import Rig, taking_in

from filmroom.archive.query import Query
from filmroom.archive.query_private import PrivateAttributes
from filmroom.db.pool import Database
from filmroom.dicom.matching import question_from_dataset
from filmroom.dicom.question import JsonDataset, Level
from filmroom.security.principals import SYSTEM

pytestmark = pytest.mark.capability("1.2.11")
CREATOR = "ACME 1.0"


def with_private(each: Object, block: int, value: str) -> Object:
    """The same with two private elements, of a text and of a sequence, in a block of our choice."""
    dataset = dcmread(BytesIO(each.part10()))
    dataset.add_new(0x00290000 | block, "LO", CREATOR)
    dataset.add_new(0x00290000 | block << 8 | 0x08, "LO", value)
    item = Dataset()
    item.CodeValue = value
    dataset.add_new(0x00290000 | block << 8 | 0x09, "SQ", [item])
    out = BytesIO()
    dataset.save_as(out)
    whole = out.getvalue()
    start = whole.index(element(0x00080016, "UI", each.sop_class)[:8])
    earlier = whole.find(element(0x00080005, "CS", "ISO_IR 192")[:6])
    return replace(each, header=whole[earlier if 0 < earlier < start else start :], pixels=b"")


@pytest.fixture
async def filled(database: Database, tmp_path: Path) -> AsyncIterator[tuple[Rig, Query, list[Object]]]:
    run = fresh_run()
    one, two, bare = (next(objects("tiny", Study(run, number), 1)) for number in (1, 2, 3))
    sent = [with_private(one, 0x10, "first"), with_private(two, 0x42, "second"), bare]
    async with taking_in(database, tmp_path / "store") as rig:
        await rig.store_all(sent)
        yield rig, Query(database, retrieve_ae_title="FILMROOM", private=PrivateAttributes(rig.blobs)), sent


async def find(query: Query, level: Level, **keys: JsonDataset) -> dict[str, JsonDataset]:
    asked = {name.removeprefix("t"): one for name, one in keys.items()} | {"0020000D": {"vr": "UI"}}
    answers = [each async for each in query.find(SYSTEM, question_from_dataset(asked, level))]
    return {answer["0020000D"]["Value"][0]: answer for answer in answers}


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
async def test_they_are_found_by_their_creator_in_whatever_block(
    filled: tuple[Rig, Query, list[Object]], level: Level
) -> None:
    _, query, (one, two, bare) = filled
    creator: JsonDataset = {"vr": "LO", "Value": [CREATOR]}
    answers = await find(query, level, t00290010=creator, t00291008={"vr": "LO"}, t00291009={"vr": "SQ"})
    assert answers[one.study_uid]["00291008"] == {"vr": "LO", "Value": ["first"]}
    assert answers[two.study_uid]["00291008"] == {"vr": "LO", "Value": ["second"]}
    assert answers[two.study_uid]["00291009"]["Value"][0]["00080100"] == {"vr": "SH", "Value": ["second"]}
    assert "Value" not in answers[bare.study_uid]["00291008"]  # who has none is returned with it empty


async def test_without_a_creator_the_number_counts(filled: tuple[Rig, Query, list[Object]]) -> None:
    _, query, (one, two, _) = filled
    answers = await find(query, Level.STUDY, t00291008={"vr": "LO"})
    assert answers[one.study_uid]["00291008"]["Value"] == ["first"]
    assert "Value" not in answers[two.study_uid]["00291008"]
