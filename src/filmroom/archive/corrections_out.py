"""How objects go out: for each stored object, the edit that makes of what was received what it is known to be."""

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from filmroom.base.streams import closed_after
from filmroom.db.pool import Connection
from filmroom.db.queries import load
from filmroom.dicom.edits import Edit, HeaderEditor, Note
from filmroom.dicom.indextags import PATIENT_TAGS

_sql = load("filmroom.archive", "corrections.sql")

# What describes a patient is theirs alone: of another patient's record it is taken over as a whole. These must be
# there even without a value (PS3.3 table C.7-1).
_IDENTITY: Final = {"00100010": "PN", "00100020": "LO", "00100030": "DA", "00100040": "CS"}
_PATIENT: Final = frozenset(f"{tag:08X}" for tag in PATIENT_TAGS)
_LEVELS: Final = ("patient", "study", "series", "instance")


async def edits_of(connection: Connection, instances: Sequence[int]) -> dict[int, Edit]:
    """The edits of those objects (by key) that go out otherwise than they came."""
    rows = await _sql.keys_of.all(connection, instances=list(instances))
    if not rows:
        return {}
    keys = {name: list({row[f"{name}_pk"] for row in rows}) for name in ("patient", "study", "series")}
    found = await _sql.corrections_of.all(
        connection,
        patients=keys["patient"],
        studies=keys["study"],
        series=keys["series"],
        instances=[row["pk"] for row in rows],
    )
    held: dict[tuple[str, int], dict[str, tuple[Any, datetime]]] = {}
    for row in found:
        held.setdefault((row["level"], row["target_pk"]), {})[row["tag"]] = (row["element"], row["at"])
    moved = {row["pk"]: row for row in await _sql.moved_of.all(connection, studies=keys["study"])}
    coerced = {
        row["instance_pk"]: row["body"]
        for row in await _sql.coercions_of.all(connection, instances=[row["pk"] for row in rows])
    }
    made = ((row["pk"], _edit(row, held, moved.get(row["study_pk"]), coerced.get(row["pk"]))) for row in rows)
    return {pk: edit for pk, edit in made if edit}


def _edit(row: Any, held: Mapping[tuple[str, int], Any], moved: Any, coerced: Any) -> Edit:
    changes: dict[str, Any] = {}
    charset = ""
    corrected: dict[str, datetime] = {}
    if coerced is not None:
        changes |= coerced.get("changes") or {}
        charset = coerced.get("charset") or ""
    by_rule = frozenset(changes) | ({"00080005"} if charset else frozenset())
    if moved is not None:
        patient = _patient(moved)
        changes |= patient
        corrected |= dict.fromkeys(patient, moved["updated_at"])
    for level in _LEVELS:
        pk = row["pk"] if level == "instance" else row[f"{level}_pk"]
        for tag, (element, at) in held.get((level, pk), {}).items():
            changes[tag] = element
            corrected[tag] = at
    notes = []
    if rest := by_rule - corrected.keys():
        notes.append(Note("COERCE", _dt(row["received_at"]), row["source"], frozenset(rest)))
    if corrected:
        notes.append(Note("CORRECT", _dt(max(corrected.values())), row["source"], frozenset(corrected)))
    return Edit(changes, charset, tuple(notes))


def _patient(row: Any) -> dict[str, Any]:
    """The whole patient module of another record: what that does not say of its patient is not said."""
    found: dict[str, Any] = {name: element for name, element in row["attributes"].items() if name in _PATIENT}
    made: dict[str, Any] = {name: found.get(name) for name in _PATIENT}
    made |= {name: found.get(name) or {"vr": vr} for name, vr in _IDENTITY.items()}
    if row["patient_id"]:
        made["00100020"] = {"vr": "LO", "Value": [row["patient_id"]]}
        made["00100021"] = {"vr": "LO", "Value": [row["issuer"]]} if row["issuer"] else None
    return made


def _dt(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000"


async def edited_stream(
    chunks: AsyncIterator[bytes], transfer_syntax: str, edit: Edit, size: int | None, *, deflated: bool
) -> tuple[AsyncIterator[bytes], int | None]:
    """The same data set changed, and its length when it is known before the end; nothing is held but the header."""
    if deflated:
        return _deflated(chunks, transfer_syntax, edit), None
    editor = HeaderEditor(transfer_syntax, edit)
    head, taken, ended = bytearray(), 0, False
    while not editor.passing and not ended:
        chunk = await anext(chunks, None)
        ended = chunk is None
        head += editor.finish() if chunk is None else editor.feed(chunk)
        taken += len(chunk or b"")
    length = len(head) if ended else None if size is None else len(head) + size - taken
    return _after(bytes(head), chunks), length


async def _after(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with closed_after(chunks):
        yield head
        async for chunk in chunks:
            yield chunk


async def _deflated(chunks: AsyncIterator[bytes], transfer_syntax: str, edit: Edit) -> AsyncIterator[bytes]:
    editor = HeaderEditor(transfer_syntax, edit)
    inflate, deflate = zlib.decompressobj(-zlib.MAX_WBITS), zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    total = 0
    async with closed_after(chunks):
        async for chunk in chunks:
            for piece in _inflated(inflate, chunk):
                if packed := deflate.compress(editor.feed(piece)):
                    total += len(packed)
                    yield packed
    packed = deflate.compress(editor.finish()) + deflate.flush()
    yield packed + b"\0" * ((total + len(packed)) % 2)


def _inflated(inflate: Any, data: bytes) -> Iterator[bytes]:
    """In steps, so that what expands beyond reason is never held whole."""
    while data and not inflate.eof:
        yield inflate.decompress(data, 1 << 18)
        data = inflate.unconsumed_tail
