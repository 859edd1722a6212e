"""An object of the quarantine with attributes set right, on its way back to the door."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from filmroom.archive.corrections_model import BadCorrection, element_of
from filmroom.base.errors import NotReadable, Unsupported
from filmroom.base.ids import is_uid
from filmroom.dicom.dictionary import tag_of, vr_of
from filmroom.dicom.edits import Edit, HeaderEditor, Note
from filmroom.dicom.part10 import read_meta, write_meta
from filmroom.dicom.transfersyntax import lookup

MAX_CHANGES: Final = 100
_UIDS: Final = {"00080016": "sop_class", "00080018": "sop_uid"}


def released_edit(values: Mapping[str, Any], source: str, at: datetime) -> Edit:
    """What is to be changed: anything of the header, for what is here was never filed. Raises BadCorrection."""
    if not 0 < len(values) <= MAX_CHANGES:
        raise BadCorrection(f"give 1 to {MAX_CHANGES} attributes")
    changes: dict[str, Any] = {}
    for name, value in values.items():
        tag = tag_of(name)
        if tag is None or (tag >> 16) % 2 or not 0x0008 <= tag >> 16 <= 0x7FDF or tag == 0x00080005:
            raise BadCorrection(f"{name} cannot be set here")
        if vr_of(tag) == "UI" and value is not None and not (isinstance(value, str) and is_uid(value)):
            raise BadCorrection(f"{name}: not a UID")
        changes[f"{tag:08X}"] = element_of(tag, value)
    note = Note("CORRECT", f"{at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000", source, frozenset(changes))
    return Edit(changes, notes=(note,))


async def edited_file(chunks: AsyncIterator[bytes], edit: Edit) -> AsyncIterator[bytes]:
    """A Part 10 file with its data set changed, and its file header to match. Raises NotReadable, Unsupported."""
    head, meta = bytearray(), None
    async for chunk in chunks:
        head += chunk
        meta = read_meta(bytes(head))
        if meta is not None:
            break
    meta = meta or read_meta(bytes(head), complete=True)
    if meta is None:
        raise NotReadable("the object has no beginning")
    if lookup(meta.transfer_syntax).deflated:
        raise Unsupported("a deflated object cannot be changed here")
    uids = {"sop_class": meta.sop_class, "sop_uid": meta.sop_uid}
    for name, which in _UIDS.items():
        if element := edit.changes.get(name):
            uids[which] = element["Value"][0]
    yield write_meta(uids["sop_class"], uids["sop_uid"], meta.transfer_syntax, meta.source_ae, preamble=meta.preamble)
    editor = HeaderEditor(meta.transfer_syntax, edit)
    yield editor.feed(bytes(head[meta.dataset_offset :]))
    async for chunk in chunks:
        yield editor.feed(chunk)
    yield editor.finish()
