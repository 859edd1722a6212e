"""PS3.4 C.2.2.2 in the database: the compiled SQL finds what the reference matcher finds, sentence by sentence."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures.indexed import ACCESSIONS, IDS, NAMES, STATIONS, TEXTS, Population, own_schema, populate

from filmroom.archive.query import Query
from filmroom.dicom.matching import matches, matches_all, question_from_dataset
from filmroom.dicom.question import JsonDataset, Level, Question, hex_key
from filmroom.index import query_narrow
from filmroom.index.query_fields import FIELDS, is_above_or_at
from filmroom.security.principals import SYSTEM

pytestmark = [pytest.mark.capability("1.2.5"), pytest.mark.asyncio(loop_scope="module")]

STUDIES = 160
STUDY_UID = "0020000D"
EMPTY = '""'


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def archive(database_url: str) -> AsyncIterator[tuple[Query, Population]]:
    """One population for all questions: nothing here changes it."""
    async with own_schema(database_url) as database:
        yield Query(database, retrieve_ae_title="FILMROOM"), await populate(database, STUDIES)


Archive = tuple[Query, Population]


def oracle(question: Question, population: Population) -> set[str]:
    """The studies that the reference matcher finds; keys of series mean one series that satisfies all of them."""
    above = [key for key in question.keys if is_above_or_at(FIELDS[key.path[0]].level, Level.STUDY)]
    below = [key for key in question.keys if key not in above]
    found = set()
    for uid, study in population.studies.items():
        own = matches_all(Question(
            level=Level.STUDY, keys=tuple(above), fuzzy=question.fuzzy, combined_datetime=question.combined_datetime
        ), study)  # fmt: skip
        some = any(all(matches(key, each, fuzzy=question.fuzzy) for key in below) for each in population.series[uid])
        if own and some:
            found.add(uid)
    return found


async def asked(query: Query, question: Question) -> list[str]:
    return [answer[STUDY_UID]["Value"][0] async for answer in query.find(SYSTEM, question)]


async def agree(archive: Archive, identifier: JsonDataset, **negotiated: Any) -> set[str]:
    """Both find the same, each once; what they found."""
    query, population = archive
    question = question_from_dataset(identifier, Level.STUDY, **negotiated)
    found = await asked(query, question)
    expected = oracle(question, population)
    assert len(found) == len(set(found)), "an answer came twice"
    assert set(found) == expected, identifier
    assert await query.count(SYSTEM, question) == len(expected)
    return expected


def key(tag: int, vr: str, *values: Any) -> JsonDataset:
    return {hex_key(tag): {"vr": vr, "Value": [v for v in values if v is not None]}}


PLAIN = [
    (0x00080050, "SH", ACCESSIONS),
    (0x00100020, "LO", IDS),
    (0x00081030, "LO", TEXTS),
    (0x00080080, "LO", TEXTS),
    (0x00081040, "LO", TEXTS),
    (0x0008103E, "LO", TEXTS),
    (0x00081010, "SH", STATIONS),
    (0x00380010, "LO", STATIONS),
]
HOSTILE = ("'", '"', "\\", "%", "_", "\0", "\ud800", "$1", ":name", "1.2.3", "A' OR '1'='1", "*'*", "%%", "é")


@pytest.mark.parametrize(("tag", "vr", "values"), PLAIN)
async def test_single_value_means_equal_and_sql_wildcards_are_letters(
    archive: Archive, tag: int, vr: str, values: tuple[str, ...]
) -> None:
    """C.2.2.2.1"""
    found = [await agree(archive, key(tag, vr, value)) for value in values if value and "*" not in value]
    assert all(found)
    for value in HOSTILE:
        await agree(archive, key(tag, vr, value))


@pytest.mark.parametrize(("tag", "vr", "values"), PLAIN)
async def test_wildcards_stand_for_characters_and_nothing_else_does(
    archive: Archive, tag: int, vr: str, values: tuple[str, ...]
) -> None:
    """C.2.2.2.4"""
    hits = 0
    for value in (*values, *HOSTILE):
        for pattern in (
            f"{value}*",
            f"*{value}",
            f"*{value}*",
            f"{value[:1]}?{value[2:]}",
            f"{value[:2]}*{value[-1:]}",
        ):
            hits += len(await agree(archive, key(tag, vr, pattern)))
    assert hits > STUDIES


async def test_an_empty_key_and_a_lone_asterisk_match_every_study(archive: Archive) -> None:
    """C.2.2.2.3"""
    assert len(await agree(archive, {"00100010": {"vr": "PN"}, "00080020": {"vr": "DA"}})) == STUDIES
    assert len(await agree(archive, key(0x00080050, "SH", "*"))) == STUDIES
    assert len(await agree(archive, {})) == STUDIES


@pytest.mark.parametrize(
    "uids", [["1.2.3.1"], ["1.2.3.1", "1.2.3.77", "1.2.3.99999"], [f"1.2.3.{n}" for n in range(150)]]
)
async def test_a_list_of_uids_finds_each(archive: Archive, uids: list[str]) -> None:
    """C.2.2.2.2"""
    assert await agree(archive, key(0x0020000D, "UI", *uids)) == {uid for uid in uids if uid != "1.2.3.99999"}
    await agree(archive, key(0x0020000E, "UI", *[f"{uid}.1" for uid in uids]))


@pytest.mark.parametrize("tag", [0x00080020, 0x00100030, 0x00400244, 0x00080021])
@pytest.mark.parametrize(
    "value", ["20240101-20240229", "-20240215", "20240215-", "20240215", "20250101-", "20240229-20240101"]
)
async def test_date_ranges_are_closed_and_may_be_open_at_one_end(archive: Archive, tag: int, value: str) -> None:
    """C.2.2.2.5.1"""
    if tag == 0x00080021:  # SeriesDate has no column and is below the level: not a key for studies
        question = question_from_dataset(key(tag, "DA", value), Level.STUDY)
        assert archive[0].unsupported(question) == ((tag,),)
        return
    await agree(archive, key(tag, "DA", value))


@pytest.mark.parametrize("value", ["1015-1016", "10-10", "-10", "101530-", "101530.5", "10", "235959.999999", "00-23"])
async def test_time_ranges_fill_what_is_not_given(archive: Archive, value: str) -> None:
    """C.2.2.2.5.2"""
    await agree(archive, key(0x00080030, "TM", value))
    await agree(archive, key(0x00400245, "TM", value))


@pytest.mark.parametrize("date", ["20240101-20240215", "20240215", "-20240215", "20231231-"])
@pytest.mark.parametrize("time", ["10-1015", "101530-", "-11"])
async def test_a_date_and_a_time_range_are_two_or_one_as_negotiated(archive: Archive, date: str, time: str) -> None:
    """C.2.2.2.5.3"""
    both = key(0x00080020, "DA", date) | key(0x00080030, "TM", time)
    await agree(archive, both)
    await agree(archive, both, combined_datetime=True)


NAME_KEYS = [
    "wang^xiaoming", "WANG*", "wang", "Müller^*", "muller^anna", "MUELLER*", "王^小明", "王*", "*小明*", "*明", "小明",
    "欧阳*", "*wang*=王*", "=王*", "==やまだ*", "Yamada^Tarou=山田^太郎=やまだ^たろう", "o'brien^se%n", "o'brien^se_n",
    "a_b^c", "a?b^c", "doe", "doe^*", "Doe^John", "Doe^John^^^Jr", "doe^^", "*[x]*", "*{1,2}.*",
    "'; DROP TABLE study; --", "*", "**",
    "?*", "^", "*\\*", "%", "\0", "\ud800*", "= =", "wang^xiao*^*",
]  # fmt: skip


@pytest.mark.parametrize("tag", [0x00100010, 0x00080090, 0x00081048])
async def test_names_match_without_case_and_accents_in_any_component_group(archive: Archive, tag: int) -> None:
    """C.2.2.2.1.1"""
    hits = sum([len(await agree(archive, key(tag, "PN", _person(name)))) for name in NAME_KEYS])
    assert hits > STUDIES
    for each in NAMES:
        if each is not None:
            assert await agree(archive, key(tag, "PN", each))


@pytest.mark.capability("1.2.7")
@pytest.mark.parametrize("tag", [0x00100010, 0x00080090])
async def test_fuzzy_names_match_by_their_words_and_pinyin(archive: Archive, tag: int) -> None:
    hits = {}
    for name in (
        *NAME_KEYS,
        "xiaoming wang",
        "wangxiaoming",
        "wxm",
        "wang xia*",
        "ouyang",
        "oyxm",
        "小明",
        "anna mull*",
    ):
        hits[name] = await agree(archive, key(tag, "PN", _person(name)), fuzzy=True)
    assert hits["wangxiaoming"]
    assert hits["xiaoming wang"]
    assert hits["oyxm"]


def _person(text: str) -> dict[str, str]:
    return dict(zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False))


@pytest.mark.parametrize("inner", [
    {"00400009": {"vr": "SH", "Value": ["R_1"]}},
    {"00400009": {"vr": "SH", "Value": ["R-1"]}, "00401001": {"vr": "SH", "Value": ["RX1"]}},
    {"00400009": {"vr": "SH", "Value": ["R*"]}, "00401001": {"vr": "SH"}},
    {"00400009": {"vr": "SH"}, "00401001": {"vr": "SH"}},
    {"00400009": {"vr": "SH", "Value": [EMPTY]}},
    {},
])  # fmt: skip
async def test_one_item_of_a_sequence_satisfies_all_keys_in_it(archive: Archive, inner: JsonDataset) -> None:
    """C.2.2.2.6"""
    await agree(archive, {"00400275": {"vr": "SQ", "Value": [inner]}})
    code = {"00080100": inner.get("00400009", {"vr": "SH"})}
    await agree(archive, {"00081032": {"vr": "SQ", "Value": [code]}})


@pytest.mark.parametrize(("tag", "vr"), [
    (0x00080050, "SH"), (0x00081030, "LO"), (0x00100040, "CS"), (0x00380010, "LO"), (0x00080020, "DA"),
    (0x00100010, "PN"), (0x00081048, "PN"), (0x00101030, "DS"), (0x00180015, "CS"), (0x00200011, "IS"),
    (0x00081040, "LO"), (0x00100020, "LO"),
])  # fmt: skip
async def test_two_quotes_match_what_has_no_value(archive: Archive, tag: int, vr: str) -> None:
    """C.2.2.2.7"""
    value = {"Alphabetic": EMPTY} if vr == "PN" else EMPTY
    found = await agree(archive, key(tag, vr, value))
    assert 0 < len(found) < STUDIES


@pytest.mark.parametrize("every", [False, True])
async def test_several_values_mean_any_or_all_as_negotiated(archive: Archive, every: bool) -> None:
    """C.2.2.2.8"""
    any_ct = await agree(archive, key(0x00080061, "CS", "CT", "MR"), multiple_values=every)
    assert any_ct
    await agree(archive, key(0x00080061, "CS", "CT"), multiple_values=every)
    await agree(archive, key(0x00080061, "CS", "C*", "SR"), multiple_values=every)
    await agree(archive, key(0x00080050, "SH", "A1", "A_1"), multiple_values=every)
    await agree(archive, key(0x00380010, "LO", "CT_1", "站1"), multiple_values=every)
    await agree(archive, key(0x00200011, "IS", 1, 7), multiple_values=every)


@pytest.mark.parametrize("values", [(70,), (70.5,), ("70.0",), (0,), (1, 70)])
async def test_numbers_match_by_value_not_by_how_they_are_written(archive: Archive, values: tuple[Any, ...]) -> None:
    await agree(archive, key(0x00101030, "DS", *values))
    await agree(archive, key(0x00200011, "IS", *values))


@pytest.mark.capability("1.2.2")
async def test_keys_of_a_series_mean_one_series_that_satisfies_them_all(archive: Archive) -> None:
    for keys in (
        key(0x00080060, "CS", "CT"),
        key(0x00080060, "CS", "CT", "PT"),
        key(0x00080060, "CS", "C*"),
        key(0x00080060, "CS", "CT") | key(0x00180015, "CS", "HEAD"),
        key(0x00080060, "CS", "CT") | key(0x00081010, "SH", "CT_1") | key(0x00100040, "CS", "F"),
        key(0x00081040, "LO", "100%") | key(0x00080061, "CS", "MR"),
        key(0x00400244, "DA", "20240101-") | key(0x00400245, "TM", "10-11"),
    ):
        assert await agree(archive, keys)


async def test_the_order_is_total_and_pages_cover_everything_once(archive: Archive) -> None:
    query, _ = archive
    everything = Question(level=Level.STUDY, returns=((0x00080020,),))
    whole = await asked(query, everything)
    assert len(set(whole)) == len(whole) == STUDIES
    after, seen = None, []
    while True:
        page, after = await query.page(SYSTEM, Question(level=Level.STUDY, limit=7, after=after))
        seen += [answer[STUDY_UID]["Value"][0] for answer in page]
        if after is None:
            break
    assert seen == whole
    by_offset = []
    for offset in range(0, STUDIES + 9, 9):
        page, _ = await query.page(SYSTEM, Question(level=Level.STUDY, limit=9, offset=offset))
        by_offset += [answer[STUDY_UID]["Value"][0] for answer in page]
    assert by_offset == whole


async def test_whether_few_or_many_match_the_same_is_found(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns are looked up where they match few and walked where they match many: one answer either way."""
    for few in (0, 3, 10_000):
        monkeypatch.setattr(query_narrow, "FEW", few)
        for name in ("wang*", "*小明*", "wang^xiaoming", "nobody*"):
            await agree(archive, key(0x00100010, "PN", _person(name)))
            await agree(archive, key(0x00100010, "PN", _person(name)) | key(0x00081030, "LO", "*ct*"))
        await agree(archive, key(0x00081030, "LO", "*ct*"))
        query, _ = archive
        question = question_from_dataset(key(0x00100010, "PN", _person("*wang*")), Level.STUDY)
        whole, after, seen = await asked(query, question), None, []
        while True:
            page, after = await query.page(SYSTEM, replace(question, limit=7, after=after))
            seen += [answer[STUDY_UID]["Value"][0] for answer in page]
            if after is None:
                break
        assert seen == whole
