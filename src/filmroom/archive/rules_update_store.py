"""A further object changes what the index says of its patient, study or series, as the policy of its sender allows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from filmroom.archive.corrections import lock_entity, set_entity
from filmroom.archive.corrections_model import Target
from filmroom.archive.rules_update import Update, updated
from filmroom.db.pool import Connection
from filmroom.db.queries import load
from filmroom.dicom.question import JsonDataset

_sql = load("filmroom.archive", "corrections.sql")

# What names an entity is never taken over; what somebody corrected is not either.
_NAMES: Final[Mapping[Target, frozenset[str]]] = {
    Target.PATIENT: frozenset({"00100020", "00100021", "00100024"}),
    Target.STUDY: frozenset({"0020000D"}),
    Target.SERIES: frozenset({"0020000E"}),
}


async def take_over(
    tx: Connection, level: Target, target: str, coming: JsonDataset, how: Update, at: datetime, *, pk: int = 0
) -> bool:
    """Whether anything changed. ``target`` is a UID, for a patient ``pk`` its key; ``coming`` the attributes of that
    level as ``dicom.attributes.full_record`` has them."""
    if how is Update.PRESERVE:
        return False
    row = await lock_entity(tx, level, target, pk)
    held = await _sql.held_tags.all(tx, level=level.value, target_pk=row["pk"])
    kept = _NAMES[level] | {each["tag"] for each in held}
    before = row["attributes"]
    after = updated(before, coming, how, kept)
    if after is before:
        return False
    changes = {name: after.get(name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    await set_entity(tx, level, row, changes, at)
    return True
