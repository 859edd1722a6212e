"""Private attributes that were asked for: not in the index, so they are read from one object of each answer.

A private attribute belongs to its creator, whose block of elements may be another in each object (PS3.5 7.8.1): where
the asker names the creator, the block is looked up by it; else the number is taken as it stands.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from filmroom.archive.query_answers import Found
from filmroom.base.errors import FilmroomError
from filmroom.db.pool import Connection
from filmroom.db.queries import load
from filmroom.dicom.charset import character_set
from filmroom.dicom.headertap import Header, HeaderTap
from filmroom.dicom.indextags import CHARACTER_SET
from filmroom.dicom.json import elements_to_json
from filmroom.dicom.question import JsonDataset, Level, Question, Single, hex_key
from filmroom.dicom.transfersyntax import lookup
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange

_sql = load("filmroom.archive", "query_private.sql")
log = structlog.get_logger()

_BLOCKS: Final = range(0x10, 0x100)
# A query that asks for more than these is a mistake or worse.
MAX_ASKED: Final = 32
_PIXEL_HEADER_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Private:
    """One that is asked for: its tag as the asker writes it, and the creator of its block where that is named."""

    tag: int
    creator: str

    @property
    def group(self) -> int:
        return self.tag >> 16

    def candidates(self) -> set[int]:
        """The tags under which an object may have it, and those of the creators."""
        blocks = _BLOCKS if self.creator else (self.tag >> 8 & 0xFF,)
        return {self.group << 16 | block << 8 | self.tag & 0xFF for block in blocks} | {
            self.group << 16 | block for block in blocks
        }

    def found_in(self, header: Header) -> int:
        """Its tag in an object, 0 when it is not there."""
        if not self.creator:
            return self.tag if self.tag in header.elements else 0
        for block in _BLOCKS:
            creator = header.elements.get(self.group << 16 | block)
            if creator is not None and creator.value.decode("ascii", "replace").strip(" \0") == self.creator:
                tag = self.group << 16 | block << 8 | self.tag & 0xFF
                return tag if tag in header.elements else 0
        return 0


def private_of(question: Question) -> list[Private]:
    """The private attributes that a question asks back."""
    asked = {key.path[0] for key in question.keys if len(key.path) == 1}
    if isinstance(question.returns, tuple):
        asked |= {path[0] for path in question.returns}
    tags = sorted(tag for tag in asked if tag >> 16 & 1 and tag & 0xFFFF >= 0x1000)
    return [Private(tag, _creator(question, tag)) for tag in tags[:MAX_ASKED]]


def _creator(question: Question, tag: int) -> str:
    key = question.key(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
    return key.match.value if key is not None and isinstance(key.match, Single) else ""


class PrivateAttributes:
    """Fills them in."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def fill(
        self, connection: Connection, question: Question, found: Sequence[Found], made: Sequence[JsonDataset]
    ) -> None:
        """Put them into the answers ``made`` of ``found``; what has none, or cannot be read, is left as it is."""
        asked = private_of(question)
        if not asked or not found or question.level is Level.PATIENT:
            return
        rows = [
            {Level.STUDY: each.study, Level.SERIES: each.series}.get(question.level, each.instance) for each in found
        ]
        statement = {Level.STUDY: _sql.of_studies, Level.SERIES: _sql.of_series}.get(question.level, _sql.of_instances)
        objects = await statement.all(connection, pks=[row["pk"] for row in rows])
        values = dict(await asyncio.to_thread(lambda: [(one["of"], self._read(one, asked)) for one in objects]))
        for row, answer in zip(rows, made, strict=True):
            answer.update(values.get(row["pk"], {}))

    def _read(self, row: Any, asked: Sequence[Private]) -> JsonDataset:
        where = BlobRange(row["store"], row["key"], row["start"], row["size_bytes"])
        skip, syntax = row["dataset_offset"], row["transfer_syntax"]
        whole = where.size_bytes - skip
        length = whole if lookup(syntax).deflated else min(whole, row["header_bytes"] + _PIXEL_HEADER_BYTES)
        try:
            tap = HeaderTap(syntax, frozenset({CHARACTER_SET}.union(*(each.candidates() for each in asked))))
            tap.feed(self._blobs.read_sync(where, skip, length))
            header = tap.finish()
            return {hex_key(each.tag): one for each in asked if (one := _value(header, each.found_in(header)))}
        except FilmroomError as fault:
            log.warning("private attributes cannot be read", error=type(fault).__name__)
            return {}


def _value(header: Header, tag: int) -> JsonDataset:
    if not tag:
        return {}
    charset = character_set(header.value(CHARACTER_SET))
    made = elements_to_json([header.elements[tag]], header.implicit, header.big_endian, charset)
    return dict(made.get(hex_key(tag)) or {})
