"""What a worker process does of an export: one stored data set becomes one file, de-identified or as it is."""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filmroom.archive.pixeltasks import StoredData
from filmroom.dicom.charset import character_set
from filmroom.dicom.deidentify import Recipe, Withheld
from filmroom.dicom.deidentify_pixels import Template, without_identity
from filmroom.dicom.frames import Read
from filmroom.dicom.part10 import write_meta
from filmroom.dicom.pixels_elements import Attributes
from filmroom.dicom.pixels_object import StoredObject

# What a media directory and its page say of an object (PS3.3 annex F.5).
DIRECTORY_TAGS = (
    0x00080016, 0x00080018, 0x00080020, 0x00080030, 0x00080050, 0x00080060, 0x00081030, 0x0008103E, 0x00100010,
    0x00100020, 0x0020000D, 0x0020000E, 0x00200010, 0x00200011, 0x00200013,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How a file is made; ``recipe`` None: as it is."""

    recipe: Recipe | None = None
    templates: tuple[Template, ...] = ()
    trust_pixels: bool = False


def make_file(source: StoredData, making: Making, target: str) -> dict[str, Any]:
    """Write the Part 10 file ``target``: its keys, size and report; or why it is withheld."""
    path = Path(target)
    with open(source.path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:

        def read(offset: int, length: int) -> bytes:
            first = source.offset + offset
            return mapped[first : min(first + length, source.offset + source.length)]

        stored = StoredObject.open(read, source.length, source.transfer_syntax)
        try:
            syntax, sop_class, sop_uid, pieces, report = _made(stored, making, read, source.length)
        except Withheld as reason:
            return {"withheld": str(reason)}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            out.write(write_meta(sop_class, sop_uid, syntax))
            for piece in pieces:
                out.write(piece)
            size = out.tell()
            out.flush()
            os.fsync(out.fileno())
    return {"size_bytes": size, "transfer_syntax": syntax, "report": report, "keys": _keys(path, syntax)}


def _made(stored: StoredObject, making: Making, read: Read, length: int) -> tuple[str, str, str, Iterator[bytes], Any]:
    if making.recipe is not None:
        made = without_identity(stored, making.recipe, making.templates, trust_pixels=making.trust_pixels)
        return made.transfer_syntax, made.header.sop_class, made.header.sop_uid, made.pieces, made.header.report
    said = stored.attributes.text
    pieces = (read(at, min(1 << 20, length - at)) for at in range(0, length, 1 << 20))
    return stored.transfer_syntax, said(0x00080016), said(0x00080018), pieces, {}


def _keys(path: Path, transfer_syntax: str) -> dict[str, str]:
    """The directory's attributes of a file that was just written."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        start = 132 + 12 + int.from_bytes(mapped[140:144], "little")

        def read(offset: int, length: int) -> bytes:
            return mapped[start + offset : start + offset + length]

        found: Attributes = StoredObject.open(read, len(mapped) - start, transfer_syntax).attributes
        charset = character_set(found.raw(0x00080005).strip(b" \0"))
        keys = {
            f"{tag:08X}": charset.decode(found.raw(tag), found.vr(tag)) for tag in DIRECTORY_TAGS if tag in found.found
        }
        keys["image"] = "1" if 0x00280010 in found.found else ""
        return {name: value.strip(" \0") for name, value in keys.items()}
