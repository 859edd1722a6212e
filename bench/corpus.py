"""Objects to send, made by code: CT, MR, structured report and ultrasound cine with headers of clinical size.

Every study has fresh UIDs (a resend flatters), all drawn from a run number, so that two processes that know the run
number make the same study. Explicit VR Little Endian throughout.
"""

import functools
import secrets
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

EXPLICIT_LE = "1.2.840.10008.1.2.1"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
US_CINE = "1.2.840.10008.5.1.4.1.1.3.1"
BASIC_SR = "1.2.840.10008.5.1.4.1.1.88.11"

_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "I"}


@dataclass(frozen=True, slots=True)
class Object:
    """One SOP instance as it goes over the wire; the data set is ``header`` followed by ``pixels``."""

    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    header: bytes
    pixels: bytes
    transfer_syntax: str = EXPLICIT_LE

    @property
    def size_bytes(self) -> int:
        return len(self.header) + len(self.pixels)

    @property
    def dataset(self) -> bytes:
        return self.header + self.pixels

    def part10(self) -> bytes:
        """The object as a DICOM file (PS3.10 7.1)."""
        meta = b"".join(
            element(tag, vr, value)
            for tag, vr, value in (
                (0x00020001, "OB", b"\0\1"),
                (0x00020002, "UI", self.sop_class),
                (0x00020003, "UI", self.sop_uid),
                (0x00020010, "UI", self.transfer_syntax),
                (0x00020012, "UI", "2.25.1"),
            )
        )
        return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", len(meta)) + meta + self.dataset


@dataclass(frozen=True, slots=True)
class Study:
    """Who and what a study is about; ``number`` counts within the run."""

    run: int
    number: int

    @property
    def uid(self) -> str:
        return f"2.25.1{self.run:012d}{self.number:06d}{0:012d}"

    @property
    def series_uid(self) -> str:
        return f"2.25.1{self.run:012d}{self.number:06d}{1:012d}"

    def sop_uid(self, instance: int) -> str:
        return f"2.25.1{self.run:012d}{self.number:06d}{instance + 1000:012d}"

    @property
    def patient_id(self) -> str:
        return f"P{self.run % 10**8:08d}{self.number:06d}"

    @property
    def accession(self) -> str:
        return f"A{self.run % 10**8:08d}{self.number:06d}"

    @property
    def patient_name(self) -> str:
        family = f"{_FAMILY[self.number % len(_FAMILY)]}{self.run % 10**6:06d}{self.number:05d}"
        return f"{family}^{_GIVEN[self.number % len(_GIVEN)]}"

    @property
    def date(self) -> str:
        return f"20{10 + self.number % 16:02d}{1 + self.number // 16 % 12:02d}{1 + self.number // 192 % 28:02d}"


_FAMILY = ("Mueller", "Okafor", "Wang", "Garcia", "Ivanova", "Sato", "Haddad", "Smith")
_GIVEN = ("Anna", "Ben", "Xiaodong", "Carmen", "Olga", "Kenji", "Layla", "John", "Mary")


def fresh_run() -> int:
    """A number that no run has used: the root of all UIDs of that run."""
    return secrets.randbelow(9 * 10**11) + 10**11


def objects(kind: str, study: Study, count: int, first: int = 1) -> Iterator[Object]:
    """``count`` objects of ``kind`` (ct, j2k, mr, tiny, cine, cine-small) numbered from ``first`` in one series."""
    make = _KINDS[kind]
    for instance in range(first, first + count):
        yield make(study, instance)


def element(tag: int, vr: str, value: Any) -> bytes:
    """One data element in Explicit VR Little Endian (PS3.5 7.1.2)."""
    body = _value(vr, value)
    if len(body) % 2:
        body += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in _LONG:
        return head + struct.pack("<HI", 0, len(body)) + body
    return head + struct.pack("<H", len(body)) + body


def dataset(elements: dict[int, tuple[str, Any]]) -> bytes:
    return b"".join(element(tag, vr, value) for tag, (vr, value) in sorted(elements.items()))


def _value(vr: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if vr == "SQ":
        items = (dataset(item) for item in value)
        return b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items)
    if vr in _NUMBERS:
        values = value if isinstance(value, tuple) else (value,)
        return struct.pack(f"<{len(values)}{_NUMBERS[vr]}", *values)
    return str(value).encode()


def _code(value: str, scheme: str, meaning: str) -> dict[int, tuple[str, Any]]:
    return {0x00080100: ("SH", value), 0x00080102: ("SH", scheme), 0x00080104: ("LO", meaning)}


def _common(study: Study, sop_class: str, instance: int, modality: str) -> dict[int, tuple[str, Any]]:
    moment = f"{8 + study.number % 10:02d}{instance // 60 % 60:02d}{instance % 60:02d}.250000"
    return {
        0x00080005: ("CS", "ISO_IR 192"),
        0x00080012: ("DA", study.date),
        0x00080013: ("TM", moment),
        0x00080016: ("UI", sop_class),
        0x00080018: ("UI", study.sop_uid(instance)),
        0x00080020: ("DA", study.date),
        0x00080021: ("DA", study.date),
        0x00080022: ("DA", study.date),
        0x00080023: ("DA", study.date),
        0x00080030: ("TM", f"{8 + study.number % 10:02d}0000"),
        0x00080031: ("TM", f"{8 + study.number % 10:02d}0112"),
        0x00080032: ("TM", moment),
        0x00080033: ("TM", moment),
        0x00080050: ("SH", study.accession),
        0x00080060: ("CS", modality),
        0x00080070: ("LO", "SYNTHETIC MEDICAL SYSTEMS"),
        0x00080080: ("LO", "County Hospital"),
        0x00080081: ("ST", "1 Long Street, Middletown"),
        0x00080090: ("PN", "Referrer^Rita^^Dr"),
        0x00081010: ("SH", f"{modality}ROOM{study.number % 4}"),
        0x00081030: ("LO", f"{modality} thorax and abdomen with contrast"),
        0x00081032: ("SQ", [_code("CTTHAB", "99LOCAL", "CT thorax and abdomen")]),
        0x0008103E: ("LO", "Thorax 1.0 B31f"),
        0x00081040: ("LO", "Department of Radiology"),
        0x00081048: ("PN", "Reader^Robert"),
        0x00081050: ("PN", "Performer^Paula"),
        0x00081070: ("PN", "Operator^Olaf"),
        0x00081090: ("LO", "Phantom Scanner 64"),
        0x00100010: ("PN", study.patient_name),
        0x00100020: ("LO", study.patient_id),
        0x00100021: ("LO", "COUNTY"),
        0x00100030: ("DA", f"19{40 + study.number % 60:02d}0{1 + study.number % 9}15"),
        0x00100040: ("CS", "MF"[study.number % 2]),
        0x00101010: ("AS", f"{20 + study.number % 60:03d}Y"),
        0x00101020: ("DS", "1.72"),
        0x00101030: ("DS", "70.5"),
        0x00102160: ("SH", ""),
        0x001021B0: ("LT", "Persistent cough for six weeks."),
        0x00180015: ("CS", "CHEST"),
        0x00181000: ("LO", "SN0042"),
        0x00181020: ("LO", "synthetic 1.0"),
        0x00181030: ("LO", "ThoraxRoutine"),
        0x0020000D: ("UI", study.uid),
        0x0020000E: ("UI", study.series_uid),
        0x00200010: ("SH", str(study.number)),
        0x00200011: ("IS", "2"),
        0x00200012: ("IS", "1"),
        0x00200013: ("IS", str(instance)),
        0x00321032: ("PN", "Referrer^Rita^^Dr"),
        0x00321060: ("LO", "CT thorax and abdomen"),
        0x00400244: ("DA", study.date),
        0x00400245: ("TM", "080000"),
        0x00400253: ("SH", f"PPS{study.number}"),
        0x00400254: ("LO", "CT thorax"),
        0x00400275: (
            "SQ",
            [
                {
                    0x00400007: ("LO", "CT thorax"),
                    0x00400008: ("SQ", [_code("CTTH", "99LOCAL", "CT thorax")]),
                    0x00400009: ("SH", f"SPS{study.number}"),
                    0x00401001: ("SH", f"RP{study.number}"),
                }
            ],
        ),
    }


def _image(rows: int, columns: int) -> dict[int, tuple[str, Any]]:
    return {
        0x00280002: ("US", 1),
        0x00280004: ("CS", "MONOCHROME2"),
        0x00280010: ("US", rows),
        0x00280011: ("US", columns),
        0x00280030: ("DS", "0.703125\\0.703125"),
        0x00280100: ("US", 16),
        0x00280101: ("US", 12),
        0x00280102: ("US", 11),
        0x00280103: ("US", 0),
        0x00280106: ("US", 0),
        0x00280107: ("US", 4095),
        0x00281050: ("DS", "40\\-600"),
        0x00281051: ("DS", "400\\1500"),
        0x00281052: ("DS", "-1024"),
        0x00281053: ("DS", "1"),
        0x00281055: ("LO", "WINDOW1\\WINDOW2"),
    }


def _geometry(study: Study, instance: int) -> dict[int, tuple[str, Any]]:
    z = -400 + instance * 0.7
    return {
        0x00080008: ("CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        0x00081111: ("SQ", [{0x00081150: ("UI", "1.2.840.10008.3.1.2.3.3"), 0x00081155: ("UI", study.uid + "1")}]),
        0x00081140: (
            "SQ",
            [{0x00081150: ("UI", CT_IMAGE), 0x00081155: ("UI", study.sop_uid(each))} for each in (900, 901, 902)],
        ),
        0x00180022: ("CS", "HELICAL MODE"),
        0x00180050: ("DS", "0.700000"),
        0x00180060: ("DS", "120"),
        0x00180090: ("DS", "500.000000"),
        0x00181040: ("LO", "APPLIED"),
        0x00181100: ("DS", "360.000000"),
        0x00181110: ("DS", "949.074951"),
        0x00181111: ("DS", "541.000000"),
        0x00181120: ("DS", "0.000000"),
        0x00181130: ("DS", "133.000000"),
        0x00181140: ("CS", "CW"),
        0x00181150: ("IS", "500"),
        0x00181151: ("IS", str(280 + instance % 40)),
        0x00181152: ("IS", "140"),
        0x00181160: ("SH", "BODY FILTER"),
        0x00181170: ("IS", "33600"),
        0x00181190: ("DS", "0.700000"),
        0x00181210: ("SH", "STANDARD"),
        0x00185100: ("CS", "FFS"),
        0x00189305: ("FD", 0.5),
        0x00189306: ("FD", 0.625),
        0x00189307: ("FD", 40.0),
        0x00189309: ("FD", 55.0),
        0x00189310: ("FD", 110.0),
        0x00189311: ("FD", 1.375),
        0x00189345: ("FD", 9.87 + instance / 1000),
        0x00200032: ("DS", f"-180.0\\-180.0\\{z:.3f}"),
        0x00200037: ("DS", "1.0\\0.0\\0.0\\0.0\\1.0\\0.0"),
        0x00200052: ("UI", study.uid + "2"),
        0x00201040: ("LO", "SN"),
        0x00201041: ("DS", f"{z:.3f}"),
    }


def _private(elements: int, instance: int) -> dict[int, tuple[str, Any]]:
    """A vendor's block such as scanners write: short values of many kinds, a few of them new in each slice."""
    block: dict[int, tuple[str, Any]] = {0x00430010: ("LO", "SYNTHETIC PARM 01")}
    kinds: tuple[tuple[str, Any], ...] = (
        ("SS", 17),
        ("DS", "1.250000"),
        ("SH", "CT01_OC0"),
        ("UL", 77_120_331),
        ("FL", (1.0, 0.0, 0.0, 4.75)),
        ("LO", "HELICAL 64x0.625"),
        ("OB", bytes(range(32))),
        ("SL", instance),
    )
    for number in range(elements):
        block[0x00431000 + number] = kinds[number % len(kinds)]
    return block


def _pixel_element(vr: str, data: bytes) -> bytes:
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, vr.encode(), 0, len(data))


@functools.cache
def _slice_pixels(side: int) -> bytes:
    """A noisy 12-bit disc: compresses about as badly as a real slice."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    radius = np.hypot(x, y)
    image = np.where(radius < 0.42, 1024 + 300 * np.cos(radius * 40), 20)
    noise = np.random.default_rng(7).normal(0, 25, image.shape)
    return np.clip(image + noise, 0, 4095).astype("<u2").tobytes()


@functools.cache
def _cine_pixels(frames: int) -> bytes:
    rng = np.random.default_rng(11)
    frame = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    return b"".join(np.roll(frame, shift, axis=1).tobytes() for shift in range(frames))


def _ct(study: Study, instance: int) -> Object:
    header = _common(study, CT_IMAGE, instance, "CT") | _geometry(study, instance) | _image(512, 512)
    return _finish(study, CT_IMAGE, instance, header | _private(120, instance), "OW", _slice_pixels(512))


@functools.cache
def _slice_j2k() -> bytes:
    """The slice as one JPEG 2000 frame: empty offset table, one fragment, delimiter (PS3.5 A.4)."""
    import imagecodecs

    image = np.frombuffer(_slice_pixels(512), "<u2").reshape(512, 512)
    code = bytes(imagecodecs.jpeg2k_encode(image, level=0, reversible=True, codecformat="j2k", bitspersample=12))
    code += b"\0" * (len(code) % 2)
    fragment = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(code)) + code
    return b"\xfe\xff\x00\xe0\0\0\0\0" + fragment + b"\xfe\xff\xdd\xe0\0\0\0\0"


def _j2k(study: Study, instance: int) -> Object:
    header = _common(study, CT_IMAGE, instance, "CT") | _geometry(study, instance) | _image(512, 512)
    encoded = dataset(header) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    uids = (study.sop_uid(instance), study.uid, study.series_uid)
    return Object(CT_IMAGE, *uids, encoded, _slice_j2k(), JPEG_2000_LOSSLESS)


def _mr(study: Study, instance: int) -> Object:
    header = _common(study, MR_IMAGE, instance, "MR") | _geometry(study, instance) | _image(256, 256)
    header |= {
        0x00180020: ("CS", "SE"),
        0x00180021: ("CS", "SK"),
        0x00180023: ("CS", "2D"),
        0x00180080: ("DS", "550"),
        0x00180081: ("DS", "9.1"),
        0x00180087: ("DS", "1.5"),
    }
    return _finish(study, MR_IMAGE, instance, header | _private(60, instance), "OW", _slice_pixels(256))


def _tiny(study: Study, instance: int) -> Object:
    """A text report of about 5 kB."""
    sentence = "The lungs are clear and no pleural effusion is seen. "
    items = [
        {
            0x0040A010: ("CS", "CONTAINS"),
            0x0040A040: ("CS", "TEXT"),
            0x0040A043: ("SQ", [_code("121071", "DCM", "Finding")]),
            0x0040A160: ("UT", f"{number}. {sentence * 3}"),
        }
        for number in range(12)
    ]
    header = _common(study, BASIC_SR, instance, "SR") | {
        0x0040A040: ("CS", "CONTAINER"),
        0x0040A043: ("SQ", [_code("18748-4", "LN", "Diagnostic Imaging Report")]),
        0x0040A050: ("CS", "SEPARATE"),
        0x0040A491: ("CS", "COMPLETE"),
        0x0040A493: ("CS", "UNVERIFIED"),
        0x0040A730: ("SQ", items),
    }
    return Object(BASIC_SR, study.sop_uid(instance), study.uid, study.series_uid, dataset(header), b"")


def _cine(study: Study, instance: int, frames: int = 330) -> Object:
    """An ultrasound loop: 640 x 480, colour, 0.92 MB a frame; 330 frames are 304 MB."""
    header = _common(study, US_CINE, instance, "US") | {
        0x00080008: ("CS", "ORIGINAL\\PRIMARY"),
        0x00181063: ("DS", "33.3"),
        0x00280002: ("US", 3),
        0x00280004: ("CS", "RGB"),
        0x00280006: ("US", 0),
        0x00280008: ("IS", str(frames)),
        0x00280009: ("AT", 0x10630018),
        0x00280010: ("US", 480),
        0x00280011: ("US", 640),
        0x00280100: ("US", 8),
        0x00280101: ("US", 8),
        0x00280102: ("US", 7),
        0x00280103: ("US", 0),
        0x00282110: ("CS", "00"),
    }
    return _finish(study, US_CINE, instance, header, "OB", _cine_pixels(frames))


def _finish(
    study: Study, sop_class: str, instance: int, header: dict[int, tuple[str, Any]], vr: str, pixels: bytes
) -> Object:
    encoded = dataset(header) + _pixel_element(vr, pixels)
    return Object(sop_class, study.sop_uid(instance), study.uid, study.series_uid, encoded, pixels)


_KINDS: dict[str, Callable[[Study, int], Object]] = {
    "ct": _ct,
    "j2k": _j2k,
    "mr": _mr,
    "tiny": _tiny,
    "cine": _cine,
    "cine-small": functools.partial(_cine, frames=33),
}
