"""Answers one after another: the same bytes as each alone, in the asker's character set where that holds them."""

import pytest

from filmroom.dicom.charset import reads_gb
from filmroom.dicom.json import dataset_to_json
from filmroom.dicom.json_encode import AnswersEncoder, json_to_dataset
from filmroom.dicom.question import JsonDataset

pytestmark = pytest.mark.capability("1.2.9")

EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
SHARED = {"vr": "LO", "Value": ["Schädel"]}


def _answer(number: int, name: dict[str, str] | None = None) -> JsonDataset:
    person = {"vr": "PN", "Value": [name]} if name else {"vr": "PN"}
    return {
        "00080018": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00081030": SHARED,
        "00100010": person,
        "00200013": {"vr": "IS", "Value": [number]},
    }


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("charset", ["", "ISO_IR 100", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 87"])
def test_each_answer_is_encoded_as_if_alone(syntax: str, charset: str) -> None:
    names = (None, {"Alphabetic": "Doe"}, {"Alphabetic": "Müller"}, {"Ideographic": "山田^太郎"}, {"Ideographic": "김"})
    encoder = AnswersEncoder(syntax, charset)
    for number, name in enumerate([*names, *names]):
        answer = _answer(number, name)
        assert encoder.encode(answer) == json_to_dataset(answer, syntax, charset)


@pytest.mark.parametrize(
    ("asker", "expected"),
    [
        ("", "ISO_IR 192"),
        ("ISO_IR 100", "ISO_IR 192"),
        ("GBK", "GB18030"),
        ("\\ISO 2022 IR 58", "GB18030"),
        ("GB18030", "GB18030"),
        ("ISO_IR 192", "ISO_IR 192"),
    ],
)
def test_what_the_asker_cannot_read_comes_in_a_set_of_its_country_or_utf_8(asker: str, expected: str) -> None:
    """PS3.4 C.4.1.1.3.2, PS3.3 C.12.1.1.2."""
    encoder = AnswersEncoder(EXPLICIT_LE, asker, "GB18030" if reads_gb(asker) else "ISO_IR 192")
    answer = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "김희중", "Ideographic": "Ω佢"}]}}
    written = encoder.encode(answer)
    assert expected.encode("ascii") in written
    assert dataset_to_json(written, EXPLICIT_LE)["00100010"] == answer["00100010"]


def test_ascii_answers_name_no_character_set() -> None:
    assert b"ISO" not in AnswersEncoder(EXPLICIT_LE, "ISO_IR 100").encode({"00100020": {"vr": "LO", "Value": ["P1"]}})
