"""Structured reports for people (PS3.3 C.17.3)."""

from typing import Any

import pytest

from filmroom.base.errors import LimitReached
from filmroom.dicom.render_report import MAX_DEPTH, report_html, report_text

pytestmark = pytest.mark.capability("6.2.2")


def code(value: str, meaning: str, scheme: str = "DCM") -> dict[str, Any]:
    return {
        "vr": "SQ",
        "Value": [
            {
                "00080100": {"vr": "SH", "Value": [value]},
                "00080102": {"vr": "SH", "Value": [scheme]},
                "00080104": {"vr": "LO", "Value": [meaning]},
            }
        ],
    }


def item(kind: str, name: str, **more: Any) -> dict[str, Any]:
    found = {"0040A040": {"vr": "CS", "Value": [kind]}, "0040A043": code("N", name)}
    return found | {tag.removeprefix("_"): element for tag, element in more.items()}


def number(name: str, value: float, unit: str) -> dict[str, Any]:
    measured = {"0040A30A": {"vr": "DS", "Value": [value]}, "004008EA": code(unit, unit, "UCUM")}
    return item("NUM", name, _0040A300={"vr": "SQ", "Value": [measured]})


def report(*content: dict[str, Any]) -> dict[str, Any]:
    return {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^Wei", "Ideographic": "张^伟"}]},
        "0040A043": code("126000", "Imaging Report"),
        "0040A491": {"vr": "CS", "Value": ["COMPLETE"]},
        "0040A493": {"vr": "CS", "Value": ["VERIFIED"]},
        "0040A073": {"vr": "SQ", "Value": [{"0040A075": {"vr": "PN", "Value": [{"Alphabetic": "Li^Na"}]}}]},
        "0040A730": {"vr": "SQ", "Value": list(content)},
    }


def test_measurements_side_by_side_are_one_table():
    page = report_html(
        report(number("Long axis", 15.5, "mm"), number("Ratio", 0.5, "1"), item("TEXT", "Note"))
    ).decode()
    assert page.count("<table") == 1
    assert "<td>Long axis</td>" in page
    assert '<td class="n">15.5</td><td>mm</td>' in page
    assert '<td class="n">0.5</td><td></td>' in page
    assert "Zhang Wei  张 伟" in page
    assert "Verified by Li Na" in page


def test_codes_keep_their_value_and_scheme():
    coded = item("CODE", "Finding", _0040A168=code("27925004", "Nodule", "SCT"))
    assert "Nodule <small>(27925004, SCT)</small>" in report_html(report(coded)).decode()


def test_nothing_in_a_report_becomes_markup():
    evil = item("TEXT", "<b>x</b>", _0040A160={"vr": "UT", "Value": ["<script>alert(1)</script>\r\nnext"]})
    page = report_html(report(evil)).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>next" in page


def test_text_and_chinese_words():
    inner = item("CONTAINER", "Lung", _0040A730={"vr": "SQ", "Value": [number("Diameter", 8, "mm")]})
    lines = report_text(report(inner), "zh").decode().splitlines()
    assert lines[0] == "Imaging Report"
    assert "  Diameter: 8 mm" in lines
    assert any(line.startswith("患者") for line in lines)


def test_a_report_that_never_ends_is_refused():
    inner = item("CONTAINER", "x")
    for _ in range(MAX_DEPTH + 2):
        inner = item("CONTAINER", "x", _0040A730={"vr": "SQ", "Value": [inner]})
    with pytest.raises(LimitReached):
        report_html(report(inner))
    with pytest.raises(LimitReached):
        report_html(report(*[item("TEXT", "x")] * 20_001))
