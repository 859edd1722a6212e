"""The attributes of stored objects that rules ask about, as the objects are known to be now."""

import asyncio
from collections.abc import Sequence

import structlog

from filmroom.archive.retrieve import Located
from filmroom.archive.rules import coerced
from filmroom.archive.sending_rules import Candidate
from filmroom.base.errors import FilmroomError
from filmroom.dicom.charset import character_set
from filmroom.dicom.conditions_eval import NO_VALUES, JsonValues, Values
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.indextags import CHARACTER_SET
from filmroom.dicom.json import elements_to_json
from filmroom.dicom.transfersyntax import lookup
from filmroom.storage.blobs import Blobs

log = structlog.get_logger()

# The first bytes of the pixel element belong to the header.
PIXEL_HEADER_BYTES = 12
# Objects read in one go in a thread.
AT_ONCE = 200


async def candidates(blobs: Blobs, items: Sequence[Located], tags: frozenset[int]) -> list[Candidate]:
    """The objects with their attributes; one that cannot be read has none, and is logged."""
    if not tags:
        return [Candidate(item) for item in items]
    found: list[Candidate] = []
    for start in range(0, len(items), AT_ONCE):
        found += await asyncio.to_thread(_read, blobs, items[start : start + AT_ONCE], tags | {CHARACTER_SET})
    return found


def _read(blobs: Blobs, items: Sequence[Located], tags: frozenset[int]) -> list[Candidate]:
    return [Candidate(item, _values(blobs, item, tags)) for item in items]


def _values(blobs: Blobs, item: Located, tags: frozenset[int]) -> Values:
    where, deflated = item.dataset, lookup(item.transfer_syntax).deflated
    length = where.size_bytes if deflated else min(where.size_bytes, item.header_bytes + PIXEL_HEADER_BYTES)
    try:
        tap = HeaderTap(item.transfer_syntax, tags)
        tap.feed(blobs.read_sync(where, 0, length))
        header = tap.finish()
        if item.edit is not None:
            header = coerced(header, item.edit, tags)
    except (FilmroomError, OSError) as fault:
        log.warning("an object cannot be asked about", sop_uid=item.sop_uid, error=type(fault).__name__)
        return NO_VALUES
    elements = [header.elements[tag] for tag in sorted(header.elements)]
    charset = character_set(header.value(CHARACTER_SET))
    return JsonValues(elements_to_json(elements, header.implicit, header.big_endian, charset))
