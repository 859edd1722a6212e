"""Answers put together from pieces are those that are written whole."""

import pytest

from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from filmroom.net.dimse.scp.fragments import AnswerWriter


def answer(n: int, name: dict[str, str], **more: object) -> JsonDataset:
    step = {
        "00400001": {"vr": "AE", "Value": ["CT1", f"CT{n}"]},
        "00400002": {"vr": "DA", "Value": ["20260706"]},
        "00400008": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["A"]}}, {}]},
        "0040000B": {"vr": "SQ"},
    }
    return {
        "00400100": {"vr": "SQ", "Value": [step]},
        "00100010": {"vr": "PN", "Value": [name]},
        "00100020": {"vr": "LO", "Value": [f"P{n}"]},
        "00101030": {"vr": "DS", "Value": [70.5]},
        "00280010": {"vr": "US", "Value": [n]},
        "00080050": {"vr": "SH"},
        "00080090": {"vr": "PN", "Value": [{}]},
        "00081120": {"vr": "SQ", "Value": []},
    }


NAMES = [
    {"Alphabetic": "DOE^JANE"},
    {"Alphabetic": "DOE^JOHN"},
    {"Alphabetic": "DOE^JANE"},
    {"Alphabetic": "MÜLLER^JÖRG"},
    {"Alphabetic": "WANG^XIAODONG", "Ideographic": "王^小东"},
    {"Alphabetic": "DOE^JANE", "Phonetic": "DOE"},
]


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("charset", ["", "ISO_IR 100", "GB18030", "ISO_IR 192"])
def test_the_same_bytes(syntax: str, charset: str) -> None:
    writer = AnswerWriter(syntax, charset)
    for n, name in enumerate(NAMES + NAMES):
        assert writer.write(answer(n % 3, name)) == json_to_dataset(answer(n % 3, name), syntax, charset)
