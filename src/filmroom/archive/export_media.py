"""What makes a folder of files a medium: a DICOMDIR that any workstation opens, and a page that a person reads.

PS3.10 8 and PS3.3 annex F: file IDs of eight capital letters or digits a component; offsets count from the first byte
of the DICOMDIR.
"""

import html
import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.part10 import write_meta
from filmroom.dicom.pixels_elements import EXPLICIT, UNDEFINED
from filmroom.dicom.sopclass import MEDIA_STORAGE_DIRECTORY, name_of
from filmroom.dicom.transcode_elements import element, element_header
from filmroom.dicom.transfersyntax import EXPLICIT_LE

_UTF8 = "ISO_IR 192"
# Directory record types of objects that are no images, by a word of their SOP class (PS3.3 table F.4-1).
_RECORDS: Final = (
    ("Presentation State", "PRESENTATION"),
    ("Waveform", "WAVEFORM"),
    ("ECG", "WAVEFORM"),
    ("Key Object", "KEY OBJECT DOC"),
    (" SR", "SR DOCUMENT"),
    ("CAD SR", "SR DOCUMENT"),
    ("RT Structure", "RT STRUCTURE SET"),
    ("RT Plan", "RT PLAN"),
    ("RT Dose", "RT DOSE"),
    ("Encapsulated", "ENCAP DOC"),
    ("Registration", "REGISTRATION"),
    ("Fiducials", "FIDUCIAL"),
    ("Raw Data", "RAW DATA"),
    ("Real World", "VALUE MAP"),
    ("Spectroscopy", "SPECTROSCOPY"),
    ("Surface Segmentation", "SURFACE"),
    ("Measurement", "MEASUREMENT"),
)
_PATIENT = {"00100010": "PN", "00100020": "LO"}
_STUDY = {"00080020": "DA", "00080030": "TM", "00080050": "SH", "00081030": "LO", "0020000D": "UI", "00200010": "SH"}
_SERIES = {"00080060": "CS", "0008103E": "LO", "0020000E": "UI", "00200011": "IS"}
_INSTANCE = {"00200013": "IS"}


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file of the medium: its ID, what it says (DIRECTORY_TAGS), and how it is encoded."""

    file_id: tuple[str, ...]
    keys: Mapping[str, str]
    transfer_syntax: str


@dataclass(slots=True)
class _Node:
    record: dict[str, Any]
    children: list["_Node"] = field(default_factory=list)
    position: int = 0


def file_ids(series: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """A file ID for each object, given its study and series."""
    studies: dict[str, int] = {}
    within: dict[tuple[str, str], int] = {}
    made: list[tuple[str, ...]] = []
    for number, (study, uid) in enumerate(series, 1):
        place = studies.setdefault(study, len(studies) + 1)
        run = within.setdefault((study, uid), len(within) + 1)
        made.append(("DICOM", f"ST{place:06d}", f"SE{run:06d}", f"IM{number:06d}"))
    return made


def dicomdir(files: Sequence[MediaFile], uid: str, name: str = "FILMROOM") -> bytes:
    """The DICOMDIR of the files; ``uid`` is the new SOP Instance UID of the file-set."""
    roots = _tree(files)
    nodes = list(_flat(roots))
    meta = write_meta(MEDIA_STORAGE_DIRECTORY, uid, EXPLICIT_LE)
    items = [_item(node, None, None) for node in nodes]
    position = len(meta) + len(_head(name, 0, 0, sum(map(len, items))))
    for node, item in zip(nodes, items, strict=True):
        node.position = position
        position += len(item)
    following = _following(roots)
    body = b"".join(_item(node, following.get(id(node)), node.children) for node in nodes)
    first, last = (roots[0].position, roots[-1].position) if roots else (0, 0)
    return meta + _head(name, first, last, len(body)) + body


def _tree(files: Sequence[MediaFile]) -> list[_Node]:
    patients: dict[str, _Node] = {}
    studies: dict[str, _Node] = {}
    series: dict[str, _Node] = {}
    for file in files:
        keys = file.keys
        patient = patients.setdefault(keys.get("00100020", ""), _Node(_record("PATIENT", keys, _PATIENT)))
        study = studies.get(keys.get("0020000D", ""))
        if study is None:
            study = studies[keys.get("0020000D", "")] = _Node(_record("STUDY", keys, _STUDY))
            patient.children.append(study)
        run = series.get(keys.get("0020000E", ""))
        if run is None:
            run = series[keys.get("0020000E", "")] = _Node(_record("SERIES", keys, _SERIES))
            study.children.append(run)
        run.children.append(_Node(_instance(file)))
    return list(patients.values())


def _record(kind: str, keys: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {"00041430": {"vr": "CS", "Value": [kind]}}
    for tag, vr in wanted.items():
        value = keys.get(tag, "").split("\\")[0]
        made[tag] = {"vr": vr, "Value": [value]} if value else {"vr": vr}
    return made


def _instance(file: MediaFile) -> dict[str, Any]:
    sop_class = file.keys.get("00080016", "")
    name = name_of(sop_class)
    kind = next((record for word, record in _RECORDS if word in name), "IMAGE")
    if kind == "IMAGE" and not file.keys.get("image"):
        kind = "PRIVATE" if name == sop_class else "RAW DATA"
    return _record(kind, file.keys, _INSTANCE) | {
        "00041500": {"vr": "CS", "Value": list(file.file_id)},
        "00041510": {"vr": "UI", "Value": [sop_class]},
        "00041511": {"vr": "UI", "Value": [file.keys.get("00080018", "")]},
        "00041512": {"vr": "UI", "Value": [file.transfer_syntax]},
    }


def _flat(nodes: Sequence[_Node]) -> Iterator[_Node]:
    for node in nodes:
        yield node
        yield from _flat(node.children)


def _following(nodes: Sequence[_Node]) -> dict[int, _Node]:
    """The next record of the same entity, for each that has one."""
    found = {id(node): after for node, after in itertools.pairwise(nodes)}
    for node in nodes:
        found |= _following(node.children)
    return found


def _item(node: _Node, following: _Node | None, children: Sequence[_Node] | None) -> bytes:
    links = {
        "00041400": {"vr": "UL", "Value": [following.position if following else 0]},
        "00041410": {"vr": "US", "Value": [0xFFFF]},
        "00041420": {"vr": "UL", "Value": [children[0].position if children else 0]},
    }
    body = json_to_dataset({**links, **node.record}, EXPLICIT_LE, _UTF8)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body


def _head(name: str, first: int, last: int, length: int) -> bytes:
    assert length < UNDEFINED
    return (
        element(0x00041130, "CS", name.encode("ascii"), EXPLICIT)
        + element(0x00041200, "UL", struct.pack("<I", first), EXPLICIT)
        + element(0x00041202, "UL", struct.pack("<I", last), EXPLICIT)
        + element(0x00041212, "US", b"\0\0", EXPLICIT)
        + element_header(0x00041220, "SQ", length, EXPLICIT)
    )


_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>DICOM medium · DICOM 介质</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:56rem;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}}
</style></head><body>
<h1>DICOM medium · DICOM 介质</h1>
<p>This folder holds medical images and reports. Open the file <code>DICOMDIR</code> with a DICOM viewer or import it
into a PACS. {kind}</p>
<p lang="zh">本目录含医学影像与报告。请用 DICOM 阅片软件打开文件 <code>DICOMDIR</code>，或将其导入 PACS。{kind_zh}</p>
<table><tr><th>Patient · 患者</th><th>Patient ID · 患者编号</th><th>Date · 日期</th><th>Study · 检查</th>
<th>Modality · 设备</th><th>Objects · 对象数</th></tr>
{rows}</table>{left_out}
<p>Written by Filmroom · 由 Filmroom 生成</p></body></html>
"""
_DEIDENTIFIED = ("It was de-identified (PS3.15 Annex E).", "内容已按 PS3.15 附录 E 去标识。")


def page(files: Sequence[MediaFile], *, deidentified: bool, left_out: int) -> str:
    """README.HTM: what is on the medium, in English and Chinese."""
    counts: dict[tuple[str, ...], int] = {}
    kinds: dict[tuple[str, ...], set[str]] = {}
    for file in files:
        study = tuple(file.keys.get(tag, "") for tag in ("00100010", "00100020", "00080020", "00081030", "0020000D"))
        counts[study] = counts.get(study, 0) + 1
        kinds.setdefault(study, set()).add(file.keys.get("00080060", ""))
    rows = ""
    for study, count in counts.items():
        cells = (study[0].replace("^", " ").strip(), *study[1:4], ", ".join(sorted(kinds[study])), str(count))
        rows += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>\n"
    said, said_zh = _DEIDENTIFIED if deidentified else ("", "")
    missing = f"<p>Objects left out: {left_out} · 未包含的对象：{left_out}</p>" if left_out else ""
    return _PAGE.format(kind=said, kind_zh=said_zh, rows=rows, left_out=missing)
