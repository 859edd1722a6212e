"""Keys beyond the first: other identifiers and their issuers, sequences in full, private keys that nobody has."""

import pytest
from tests.fixtures.indexed import index_some
from tests.integration.query.test_query_answers import image

from filmroom.archive.query import Query
from filmroom.db.pool import Database
from filmroom.dicom.matching import question_from_dataset
from filmroom.dicom.question import JsonDataset, Level
from filmroom.security.principals import SYSTEM


def lo(value: str = "") -> JsonDataset:
    return {"vr": "LO", "Value": [value]} if value else {"vr": "LO"}


def other(value: str, issuer: str) -> JsonDataset:
    return {"00100020": lo(value), "00100021": lo(issuer), "00100022": {"vr": "CS", "Value": ["TEXT"]}}


OTHERS: JsonDataset = {"vr": "SQ", "Value": [other("OLD-7", "SOUTH"), other("NAT-1", "NATION")]}
CODE: JsonDataset = {
    "00080100": {"vr": "SH", "Value": ["CTHEAD"]},
    "00080102": {"vr": "SH", "Value": ["99LOCAL"]},
    "00080104": {"vr": "LO", "Value": ["CT head"]},
}
UNIVERSAL: JsonDataset = {
    "00400032": {"vr": "UT", "Value": ["1.2.840.99"]},
    "00400033": {"vr": "CS", "Value": ["ISO"]},
}


@pytest.fixture
async def query(database: Database) -> Query:
    more: dict[str, JsonDataset] = {
        "00100021": lo("NORTH"),
        "00100024": {"vr": "SQ", "Value": [UNIVERSAL]},
        "00101002": OTHERS,
        "00081032": {"vr": "SQ", "Value": [CODE]},
    }
    await index_some(database, [image("1.2.1", 1, 1, **more), image("1.2.2", 1, 1, patient="P2")])
    return Query(database, retrieve_ae_title="FILMROOM")


async def find(query: Query, level: Level = Level.STUDY, **keys: JsonDataset) -> list[JsonDataset]:
    asked = {name.removeprefix("t"): one for name, one in keys.items()}
    return [each async for each in query.find(SYSTEM, question_from_dataset(asked, level))]


@pytest.mark.capability("1.2.2")
async def test_a_patient_is_matched_by_identifier_with_its_issuer(query: Query) -> None:
    for issuer, count in (("NORTH", 1), ("SOUTH", 0), ("NOR*", 1), ("", 1)):
        answers = await find(query, t00100020=lo("P1"), t00100021=lo(issuer), t0020000D={"vr": "UI"})
        assert len(answers) == count, issuer
    (answer,) = await find(query, t00100020=lo("P1"), t00100021=lo(), t00100024={"vr": "SQ"})
    assert answer["00100021"] == lo("NORTH")
    assert answer["00100024"] == {"vr": "SQ", "Value": [UNIVERSAL]}
    item: JsonDataset = {"00400032": {"vr": "UT", "Value": ["1.2.840.99"]}}
    assert len(await find(query, t00100024={"vr": "SQ", "Value": [item]}, t0020000D={"vr": "UI"})) == 1


@pytest.mark.capability("1.2.2")
async def test_other_patient_ids_are_matched_and_returned_with_their_issuers(query: Query) -> None:
    """PS3.4 C.2.2.2.6: all keys of the item hold in one item."""
    wanted = {"00100020": lo("OLD-7"), "00100021": lo("SOUTH")}
    (answer,) = await find(query, Level.PATIENT, t00101002={"vr": "SQ", "Value": [wanted]}, t00100020=lo())
    assert answer["00100020"] == lo("P1")
    # Exactly what was asked of each item (C.2.2.1.3), of every item.
    assert [item["00100020"]["Value"] for item in answer["00101002"]["Value"]] == [["OLD-7"], ["NAT-1"]]
    crossed = {"00100020": lo("OLD-7"), "00100021": lo("NATION")}
    assert await find(query, Level.PATIENT, t00101002={"vr": "SQ", "Value": [crossed]}) == []


@pytest.mark.capability("1.2.2")
async def test_an_identifier_that_came_by_a_merge_finds_the_patient(query: Query, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO patient_identifier (patient_pk, value, issuer, is_primary) "
            "SELECT patient_pk, 'MERGED-3', 'EAST', false FROM patient_identifier WHERE value = 'P1'"
        )
    (answer,) = await find(query, Level.PATIENT, t00100020=lo("MERGED-3"), t00100021=lo("EAST"), t00101002={"vr": "SQ"})
    assert answer["00100020"] == lo("P1")


@pytest.mark.capability("1.2.11")
async def test_sequences_are_returned_in_full_and_studies_without_them_too(query: Query) -> None:
    answers = await find(query, t0020000D={"vr": "UI"}, t00081032={"vr": "SQ"})
    found = {answer["0020000D"]["Value"][0]: answer["00081032"] for answer in answers}
    assert found == {"1.2.1": {"vr": "SQ", "Value": [CODE]}, "1.2.2": {"vr": "SQ"}}


@pytest.mark.capability("1.2.11")
async def test_of_an_item_what_was_asked_is_returned(query: Query) -> None:
    item: JsonDataset = {"00080100": {"vr": "SH"}, "00080104": {"vr": "LO"}}
    answers = await find(query, t0020000D={"vr": "UI", "Value": ["1.2.1"]}, t00081032={"vr": "SQ", "Value": [item]})
    assert answers[0]["00081032"]["Value"][0]["00080104"] == {"vr": "LO", "Value": ["CT head"]}


@pytest.mark.capability("1.2.11")
@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
async def test_private_and_unknown_keys_come_back_empty_and_hide_nobody(query: Query, level: Level) -> None:
    keys: dict[str, JsonDataset] = {
        "t0020000D": {"vr": "UI"},
        "t00290010": lo("SIEMENS CSA HEADER"),
        "t00291008": {"vr": "CS"},
        "t00181030": lo(),
    }
    answers = await find(query, level, **keys)
    assert len(answers) == 2
    for answer in answers:
        assert "Value" not in answer["00291008"]
        assert "Value" not in answer["00181030"]
