"""Headers of one series as DICOM JSON: the fast way gives the very bytes that the plain way gives."""

import random
import struct

import pytest

from filmroom.dicom.json import JsonMaker
from filmroom.dicom.json_series import SeriesJsonMaker

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def element(tag: int, vr: str, value: bytes, syntax: str = EXPLICIT) -> bytes:
    order = ">" if syntax == BIG else "<"
    value += b" " * (len(value) % 2)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<I", len(value)) + value
    if vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + vr.encode() + struct.pack(order + "HI", 0, len(value)) + value
    return head + vr.encode() + struct.pack(order + "H", len(value)) + value


def header(rng: random.Random, number: int, syntax: str) -> bytes:
    order = ">" if syntax == BIG else "<"
    charset = rng.choice([b"ISO_IR 192"] * 30 + [b"ISO_IR 100"])
    parts = [
        element(0x00080000, "UL", struct.pack(order + "I", 100 + number), syntax),
        element(0x00080005, "CS", charset, syntax),
        element(0x00080018, "UI", f"1.2.{number}".encode(), syntax),
        element(0x00080060, "CS", b"CT", syntax),
        element(0x00081030, "LO", "胸部".encode(), syntax) if rng.random() < 0.9 else b"",
        element(0x00100010, "PN", "Wang^Wei=王^伟".encode(), syntax),
        element(0x00200013, "IS", str(number).encode(), syntax),
        element(0x00200032, "DS", f"{number}\\-1.50\\{rng.random():.4f}".encode(), syntax),
        element(0x00280103, "US", struct.pack(order + "H", rng.random() < 0.03), syntax),
        element(0x00280106, "US", struct.pack(order + "H", rng.randrange(65536)), syntax),
        element(0x00290010, "LO", b"MAKER", syntax),
        element(0x00291010, "OB", rng.randbytes(rng.choice([10, 5000])), syntax),
        element(0x00400275, "SQ", b"", syntax),
        struct.pack(order + "HH", 0x7FE0, 0x0010) + (b"OW\0\0" if syntax != IMPLICIT else b"") + b"\0\2\0\0",
    ]
    return b"".join(parts)


@pytest.mark.capability("3.1.3")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("seed", range(4))
def test_a_series_reads_as_each_of_its_headers_does(syntax: str, seed: int) -> None:
    rng = random.Random(seed)
    series, plain = SeriesJsonMaker(syntax), JsonMaker(syntax)
    for number in range(120):
        data = header(rng, number, syntax)
        if rng.random() < 0.03:
            data = data[: rng.randrange(len(data))]

        def uri(path: tuple[int, ...], number: int = number) -> str:
            return f"/x/{number}/{path}"

        assert series.make(data, uri) == plain.make(data, uri)
