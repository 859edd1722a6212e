"""Structured reports for people: the content tree as HTML or plain text (PS3.3 C.17.3, PS3.18 8.7.4).

Works on the DICOM JSON model. Numbers that stand side by side become a table; codes keep their value and scheme.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from filmroom.base.errors import LimitReached
from filmroom.dicom.question import JsonDataset

MAX_DEPTH = 40
MAX_ITEMS = 20_000
SR_CLASSES = "1.2.840.10008.5.1.4.1.1.88."

_WORDS = {
    "en": {
        "patient": "Patient", "born": "Born", "sex": "Sex", "study": "Study", "accession": "Accession",
        "complete": "Complete", "partial": "Partial", "verified": "Verified", "unverified": "Not verified",
        "by": "by", "name": "Measurement", "value": "Value", "unit": "Unit", "code": "Code", "image": "Image",
        "report": "Report", "region": "Region", "object": "Object", "none": "no value",
    },
    "zh": {
        "patient": "患者", "born": "出生日期", "sex": "性别", "study": "检查", "accession": "检查号",
        "complete": "已完成", "partial": "未完成", "verified": "已审核", "unverified": "未审核",
        "by": "审核人", "name": "测量项目", "value": "数值", "unit": "单位", "code": "编码", "image": "图像",
        "report": "报告", "region": "区域", "object": "对象", "none": "无数值",
    },
}  # fmt: skip
_STYLE = (
    "body{font:15px/1.5 system-ui,'Noto Sans CJK SC',sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1d21}table{border-collapse:collapse;margin:.5rem 0}th,td{border:1px solid #c9ced6;padding:.2rem .6rem;"
    "text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}small{color:#667}"
    "header{border-bottom:1px solid #c9ced6;margin-bottom:1rem}h2,h3,h4{margin:1rem 0 .2rem}p{margin:.2rem 0}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One content item, ready to show. ``kind`` is heading, text or number; ``depth`` counts from 0."""

    kind: str
    depth: int
    name: str
    value: str = ""
    unit: str = ""
    code: str = ""


def report_html(found: JsonDataset, language: str = "en") -> bytes:
    """The report as a page that needs nothing from elsewhere."""
    words = _WORDS.get(language, _WORDS["en"])
    title = _code_text(_one(found, "0040A043")) or words["report"]
    parts = [
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><header><h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in _head(found, words)),
        "</header><main>",
    ]
    for number, group in groupby(_lines(found, words), key=lambda line: line.kind == "number"):
        lines = list(group)
        parts.append(_table(lines, words) if number else "".join(map(_paragraph, lines)))
    parts.append("</main></body></html>\n")
    return "".join(parts).encode()


def report_text(found: JsonDataset, language: str = "en") -> bytes:
    """The report as plain text in UTF-8."""
    words = _WORDS.get(language, _WORDS["en"])
    title = _code_text(_one(found, "0040A043")) or words["report"]
    lines = [title, *_head(found, words), ""]
    for line in _lines(found, words):
        indent = "  " * min(line.depth, 12)
        if line.kind == "heading":
            lines += ["", f"{indent}{line.name}"]
        else:
            shown = " ".join(part for part in (line.value, line.unit) if part)
            lines.append(f"{indent}{line.name}: {shown}" if line.name else f"{indent}{shown}")
    return ("\n".join(lines) + "\n").encode()


def _head(found: JsonDataset, words: dict[str, str]) -> Iterator[str]:
    patient = "  ".join(part for part in (person_text(_one(found, "00100010")), first_text(found, "00100020")) if part)
    rest = [f"{words[key]} {first_text(found, tag)}" for key, tag in (("born", "00100030"), ("sex", "00100040"))]
    yield f"{words['patient']}: {patient}  " + "  ".join(line for line in rest if not line.endswith(" "))
    study = [first_text(found, tag) for tag in ("00081030", "00080020")]
    yield f"{words['study']}: " + "  ".join(part for part in study if part)
    if accession := first_text(found, "00080050"):
        yield f"{words['accession']}: {accession}"
    state = words["complete"] if first_text(found, "0040A491") == "COMPLETE" else words["partial"]
    verified = first_text(found, "0040A493") == "VERIFIED"
    names = [person_text(_one(item, "0040A075")) for item in _items(found, "0040A073")]
    by = f" {words['by']} {', '.join(filter(None, names))}" if verified and any(names) else ""
    yield f"{state}; {words['verified'] if verified else words['unverified']}{by}"


def _lines(found: JsonDataset, words: dict[str, str]) -> Iterator[Line]:
    left = [MAX_ITEMS]
    for item in _items(found, "0040A730"):
        yield from _item(item, 0, words, left)


def _item(item: JsonDataset, depth: int, words: dict[str, str], left: list[int]) -> Iterator[Line]:
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise LimitReached("the report has too many parts to be shown")
    name = _code_text(_one(item, "0040A043"))
    kind = first_text(item, "0040A040")
    if kind == "CONTAINER":
        yield Line("heading", depth, name)
    elif kind == "NUM":
        yield _number(item, depth, name, words)
    elif kind:
        value, code = _SHOWN.get(kind, _nothing)(item, words)
        yield Line("text", depth, name, value, code=code)
    for below in _items(item, "0040A730"):
        yield from _item(below, depth + 1, words, left)


def _number(item: JsonDataset, depth: int, name: str, words: dict[str, str]) -> Line:
    measured = _one(item, "0040A300")
    code = _code(_one(item, "0040A043"))
    if not isinstance(measured, dict):
        return Line("number", depth, name, _code_text(_one(item, "0040A301")) or words["none"], code=code)
    unit = _one(measured, "004008EA")
    symbol = first_text(unit, "00080100") if isinstance(unit, dict) else ""
    values = [str(each) for each in measured.get("0040A30A", {}).get("Value", ())]
    return Line("number", depth, name, ", ".join(values), "" if symbol == "1" else symbol, code)


def _coded(item: JsonDataset, _: dict[str, str]) -> tuple[str, str]:
    code = _one(item, "0040A168")
    return _code_text(code), _code(code)


def _written(tag: str) -> Callable[[JsonDataset, dict[str, str]], tuple[str, str]]:
    return lambda item, _: (first_text(item, tag), "")


def _person(item: JsonDataset, _: dict[str, str]) -> tuple[str, str]:
    return person_text(_one(item, "0040A123")), ""


def _reference(item: JsonDataset, words: dict[str, str]) -> tuple[str, str]:
    referenced = _one(item, "00081199")
    if not isinstance(referenced, dict):
        return "", ""
    frames = [str(each) for each in referenced.get("00081160", {}).get("Value", ())]
    at = f" [{', '.join(frames[:20])}]" if frames else ""
    word = words["image"] if first_text(item, "0040A040") == "IMAGE" else words["object"]
    return f"{word} {first_text(referenced, '00081155')}{at}", ""


def _region(item: JsonDataset, words: dict[str, str]) -> tuple[str, str]:
    points = item.get("00700022", {}).get("Value", ())
    return f"{words['region']} {first_text(item, '00700023')} ({len(points) // 2})", ""


def _nothing(item: JsonDataset, words: dict[str, str]) -> tuple[str, str]:
    del item, words
    return "", ""


_SHOWN: dict[str, Callable[[JsonDataset, dict[str, str]], tuple[str, str]]] = {
    "TEXT": _written("0040A160"),
    "CODE": _coded,
    "PNAME": _person,
    "DATE": _written("0040A121"),
    "TIME": _written("0040A122"),
    "DATETIME": _written("0040A120"),
    "UIDREF": _written("0040A124"),
    "IMAGE": _reference,
    "COMPOSITE": _reference,
    "WAVEFORM": _reference,
    "SCOORD": _region,
    "SCOORD3D": _region,
}


def _paragraph(line: Line) -> str:
    if line.kind == "heading":
        level = min(6, line.depth + 2)
        return f"<h{level}>{escape(line.name)}</h{level}>" if line.name else ""
    code = f" <small>({escape(line.code)})</small>" if line.code else ""
    name = f"<b>{escape(line.name)}</b>: " if line.name else ""
    body = escape(line.value).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>")
    return f"<p>{name}{body}{code}</p>"


def _table(lines: Sequence[Line], words: dict[str, str]) -> str:
    head = "".join(f"<th>{escape(words[key])}</th>" for key in ("name", "value", "unit", "code"))
    rows = "".join(
        f'<tr><td>{escape(line.name)}</td><td class="n">{escape(line.value)}</td><td>{escape(line.unit)}</td>'
        f"<td><small>{escape(line.code)}</small></td></tr>"
        for line in lines
    )
    return f'<table border="1"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _items(found: JsonDataset, tag: str) -> list[JsonDataset]:
    return [item for item in found.get(tag, {}).get("Value", ()) if isinstance(item, dict)]


def _one(found: Any, tag: str) -> Any:
    values = found.get(tag, {}).get("Value") or [None]
    return values[0]


def first_text(found: Mapping[str, Any], tag: str) -> str:
    """The first value as text, '' where there is none."""
    first = _one(found, tag)
    return "" if first is None or isinstance(first, dict) else str(first)


def person_text(groups: Any) -> str:
    """A person's name as people write it: every group, components apart by blanks."""
    if not isinstance(groups, dict):
        return ""
    shown = (groups.get(key, "") for key in ("Alphabetic", "Ideographic", "Phonetic"))
    return "  ".join(" ".join(part for part in str(text).split("^") if part) for text in shown if text)


def _code_text(code: Any) -> str:
    if not isinstance(code, dict):
        return ""
    return first_text(code, "00080104") or first_text(code, "00080100")


def _code(code: Any) -> str:
    if not isinstance(code, dict):
        return ""
    value = next((text for tag in ("00080100", "00080119", "00080120") if (text := first_text(code, tag))), "")
    return f"{value}, {first_text(code, '00080102')}" if value else ""
