"""Whatever the bytes are, readers of data sets raise nothing but RemoteFault, and always agree with themselves."""

import contextlib
import random
from collections.abc import Callable

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fixtures.dicom_bytes import BIG, DEFLATED, EXPLICIT, IMPLICIT, sample_files

from filmroom.base.errors import RemoteFault
from filmroom.dicom.asking import question_from_dataset, question_from_query
from filmroom.dicom.attributes import full_record
from filmroom.dicom.charset import character_set
from filmroom.dicom.headertap import Header, HeaderTap
from filmroom.dicom.json import JsonMaker, dataset_to_json, json_to_dataset
from filmroom.dicom.matching import Level, matches_all
from filmroom.dicom.names import name_query_terms, name_terms, normalise_name
from filmroom.dicom.part10 import read_meta

pytestmark = pytest.mark.capability("1.0.11", "1.1.12")

SMALL = [path for path in sample_files() if path.stat().st_size < 40_000]
SYNTAXES = (IMPLICIT, EXPLICIT, BIG, DEFLATED)
TERMS = (
    "",
    "ISO_IR 100",
    "ISO_IR 192",
    "GB18030",
    "\\ISO 2022 IR 87",
    "ISO 2022 IR 13\\ISO 2022 IR 159",
    "\\ISO 2022 IR 149",
)
TERMS += ("\\ISO 2022 IR 58", "ISO_IR 13", "ISO_IR 166", "rubbish", "\\ISO 2022 IR 100\\ISO 2022 IR 144")
# Lengths and tags that break readers more often than chance does.
NASTY = (
    b"\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\xfe\xff\x0d\xe0",
    b"SQ\0\0",
    b"UN\0\0",
    b"\0\0\0\0",
)

quickly = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mutated(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(out))
        match rng.randrange(5):
            case 0:
                out[at] = rng.randrange(256)
            case 1:
                nasty = rng.choice(NASTY)
                out[at : at + len(nasty)] = nasty
            case 2:
                del out[at : at + rng.randrange(1, 40)]
            case 3:
                out[at:at] = out[at : at + rng.randrange(1, 60)]
            case 4:
                del out[at:]
        if not out:
            return b""
    return bytes(out)


def tap(data: bytes, syntax: str, step: int) -> Header | None:
    reader = HeaderTap(syntax)
    try:
        for at in range(0, len(data), step):
            if not reader.feed(data[at : at + step]):
                break
        return reader.finish(len(data))
    except RemoteFault:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_mutated_files_are_read_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(8):
        data = mutated(rng.choice(SMALL).read_bytes(), rng)
        try:
            meta = read_meta(data, complete=True)
        except RemoteFault:
            continue
        assert meta is not None
        body = data[meta.dataset_offset :]
        header = tap(body, meta.transfer_syntax, len(body) or 1)
        if meta.transfer_syntax != DEFLATED:  # there, damage behind the header shows or not as the inflater reads ahead
            assert header == tap(body, meta.transfer_syntax, 5)
        if header is not None:
            _index(header)
            _json(body, meta.transfer_syntax)


def _index(header: Header) -> None:
    try:
        record = full_record(header)
    except RemoteFault:
        return
    orjson.dumps([record.patient.attributes, record.study.attributes, record.series.attributes])


def _json(body: bytes, syntax: str) -> None:
    maker = JsonMaker(syntax)
    try:
        first = maker.make(body)
    except RemoteFault:  # of deflated ones, what follows the pixels is read for the first time
        return
    assert maker.make(body) == first
    found = orjson.loads(first)
    assert dataset_to_json(body, syntax) == found
    json_to_dataset(found, EXPLICIT, "ISO_IR 100")


@quickly
@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
def test_noise_is_read_or_refused_the_same_in_pieces(data: bytes, syntax: str) -> None:
    assert tap(data, syntax, 400) == tap(data, syntax, 1)
    call(lambda: dataset_to_json(data, syntax))
    call(lambda: read_meta(data, complete=True))


def call(what: Callable[[], object]) -> None:
    with contextlib.suppress(RemoteFault):
        what()


@quickly
@given(st.binary(max_size=80), st.sampled_from(TERMS), st.sampled_from(["PN", "LO", "LT"]))
def test_any_bytes_are_some_text(raw: bytes, declared: str, vr: str) -> None:
    assert isinstance(character_set(declared).decode(raw, vr), str)


@quickly
@given(st.text(max_size=40), st.sampled_from(TERMS))
def test_what_is_written_is_read_back(text: str, declared: str) -> None:
    charset = character_set(declared)
    text = text.replace("\x1b", "")
    raw = charset.encode(text, "PN")
    if raw is not None:
        assert charset.decode(raw, "PN") == text


json_values = st.recursive(
    st.none() | st.text(max_size=8) | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
elements = st.fixed_dictionaries(
    {"vr": st.sampled_from(["PN", "SQ", "DS", "US", "DA", "UI", "OB", "AT", "LO", "FD", "xx"])},
    optional={"Value": json_values | st.lists(json_values, max_size=3), "InlineBinary": json_values},
)
keys = st.sampled_from(["00100010", "00080020", "0020000D", "00400275", "00280010", "00080005", "7FE00010", "zz"])


@quickly
@given(st.dictionaries(keys, elements | json_values, max_size=4), st.sampled_from(TERMS))
def test_any_json_is_written_or_refused(dataset: dict, declared: str) -> None:  # type: ignore[type-arg]
    call(lambda: json_to_dataset(dataset, EXPLICIT, declared))


@quickly
@given(st.binary(max_size=200), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_any_identifier_is_a_question_or_refused(data: bytes, syntax: str) -> None:
    call(lambda: matches_all(question_from_dataset(dataset_to_json(data, syntax), Level.STUDY), {}))


names = st.sampled_from(
    ["PatientName", "StudyDate", "StudyTime", "StudyInstanceUID", "limit", "includefield", "orderby"]
)
names |= st.sampled_from(
    ["SeriesNumber", "RequestAttributesSequence.00400009", "AcquisitionDateTime", "ModalitiesInStudy"]
)


@quickly
@given(st.lists(st.tuples(names | st.text(max_size=12), st.text(max_size=20)), max_size=4))
def test_any_query_string_is_a_question_or_refused(params: list[tuple[str, str]]) -> None:
    entity = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]},
        "00080020": {"vr": "DA", "Value": ["20240101"]},
    }
    call(lambda: matches_all(question_from_query(params, Level.STUDY), entity))


@quickly
@given(st.text(max_size=40))
def test_any_name_can_be_indexed_and_found_again(name: str) -> None:
    normal = normalise_name(name)
    assert normalise_name(normal) == normal
    assert len(name_terms(normal, normal, "")) <= 200
    name_query_terms(name)
