"""Change attributes of a data set while it streams by: its header is rewritten, its pixels pass through as they are.

What was changed is recorded in the Original Attributes Sequence (PS3.3 C.12.1.1.9). Text that the data set's character
set cannot hold makes it UTF-8 throughout (PS3.5 6.1.2.5). Memory: one element that must be seen whole.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom import dictionary
from filmroom.dicom.charset import TEXT_VRS, UTF8, CharacterSet, character_set
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.json_encode import encode_elements
from filmroom.dicom.pixels_elements import (
    IMPLICIT,
    ITEM,
    LONG_VRS,
    UNDEFINED,
    Element,
    Encoding,
    Truncated,
    elements,
    items,
)
from filmroom.dicom.transcode_elements import element, element_header
from filmroom.dicom.transfersyntax import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, lookup

# What must be seen whole (a sequence of undefined length, text to be recoded) may be this long.
MAX_WHOLE_BYTES: Final = 64 * 2**20
CHARACTER_SET: Final = 0x00080005
ORIGINALS: Final = 0x04000561
_LAST_GROUP: Final = 0x7FDF  # pixels and what belongs to them come after, and are never changed

JsonElement = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """Why attributes were changed: one item of the Original Attributes Sequence.

    ``reason`` is COERCE or CORRECT; ``at`` a DT; ``source`` where the previous values came from; ``tags`` are hex keys.
    """

    reason: str
    at: str
    source: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Edit:
    """How a data set is to be changed. ``changes`` by hex key: the attribute as it is to be, None for not there.

    ``charset``: what its text is really in, (0008,0005) as it should have been; '' when as it says.
    """

    changes: Mapping[str, JsonElement | None] = field(default_factory=dict)
    charset: str = ""
    notes: tuple[Note, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.charset)


class HeaderEditor:
    """Takes a data set in pieces (not deflated) and gives it changed."""

    def __init__(self, transfer_syntax: str, edit: Edit, *, system: str = "FILMROOM") -> None:
        syntax = lookup(transfer_syntax)
        self._encoding = Encoding(syntax.implicit, syntax.big_endian)
        self._edit = edit
        self._system = system
        self._pending: dict[int, JsonElement | None] = {
            int(name, 16): each for name, each in sorted(edit.changes.items()) if int(name, 16) != CHARACTER_SET
        }
        self._last = max([*self._pending, ORIGINALS if edit.notes else 0, CHARACTER_SET])
        self._buffer = bytearray()
        self._need = 8
        self._pass = 0  # bytes that go through before the next element
        self._passing = False  # everything that is left goes through
        self._started = False
        self._declared = b""
        self._from: CharacterSet | None = None  # decided where (0008,0005) stands or should
        self._to = UTF8
        self._recode = False
        self._originals: dict[int, bytes] = {}
        self._noted = not edit.notes

    @property
    def passing(self) -> bool:
        """Whether the rest of the data set will come out as it goes in."""
        return self._passing and not self._buffer

    def feed(self, data: bytes | memoryview) -> bytes:
        """The next bytes in, what can be said of them out. Raises NotReadable, LimitReached."""
        if self._passing:
            return bytes(data)
        self._buffer += data
        if len(self._buffer) < self._need and not self._pass:
            return b""
        return self._walk()

    def finish(self) -> bytes:
        """The end of the data set has come: what is left to say. A torn last element comes out as it is."""
        out = b"" if self._passing else self._walk()
        rest, self._buffer = bytes(self._buffer), bytearray()
        return out + (b"" if self._passing else self._until(0xFFFFFFFF)) + rest

    def _walk(self) -> bytes:
        out, position, data = bytearray(), 0, bytes(self._buffer)
        if not self._started:
            self._look(data)
        while not self._passing:
            if self._pass:
                taken = min(self._pass, len(data) - position)
                out += data[position : position + taken]
                position, self._pass = position + taken, self._pass - taken
                if self._pass:
                    break
            after = self._element(data, position, out)
            if after is None:
                break
            position = after
        if self._passing:
            out += data[position:]
            position = len(data)
        self._buffer = bytearray(data[position:])
        if len(self._buffer) > MAX_WHOLE_BYTES:
            raise LimitReached(f"an element that must be seen whole is longer than {MAX_WHOLE_BYTES} bytes")
        return bytes(out)

    def _look(self, data: bytes) -> None:
        """As in HeaderTap, what the first element looks like has the last word about VRs."""
        if len(data) >= 8:
            vr = data[4:6]
            known = vr in dictionary.SHORT_VRS or vr in dictionary.LONG_VRS
            if known or not (vr.isalpha() and vr.isupper()):
                self._encoding = Encoding(not known, self._encoding.big)
            self._started = True

    def _element(self, data: bytes, position: int, out: bytearray) -> int | None:
        """Deal with the element at ``position``: where the next is, or None when more bytes are needed."""
        head = self._header(data, position)
        if head is None:
            return None
        tag, value, length = head
        out += self._until(tag)
        if tag >> 16 > _LAST_GROUP or (tag > self._last and not self._recode):
            self._passing = True
            return position
        if not tag & 0xFFFF:  # a group's length would be wrong now, and is retired
            self._pass = 0
            return self._whole(data, position, value + length)
        wanted = tag in self._pending or tag in (CHARACTER_SET, ORIGINALS) or length == UNDEFINED or self._recode
        if not wanted:
            out += data[position:value]
            self._pass = length
            return value
        found = self._complete(data, position, value, length)
        if found is None:
            return None
        out += self._changed(data, found)
        return found.end

    def _header(self, data: bytes, position: int) -> tuple[int, int, int] | None:
        """Tag, value position and length; the same reading as pixels_elements."""
        if position + 8 > len(data):
            self._need = 8
            return None
        order = ">" if self._encoding.big else "<"
        group, number = struct.unpack_from(order + "HH", data, position)
        tag, letters = group << 16 | number, data[position + 4 : position + 6]
        if self._encoding.implicit or not (letters.isalpha() and letters.isupper()):
            return tag, position + 8, struct.unpack_from(order + "I", data, position + 4)[0]
        if letters.decode("ascii") not in LONG_VRS:
            return tag, position + 8, struct.unpack_from(order + "H", data, position + 6)[0]
        if position + 12 > len(data):
            self._need = 12
            return None
        return tag, position + 12, struct.unpack_from(order + "I", data, position + 8)[0]

    def _whole(self, data: bytes, position: int, end: int) -> int | None:
        if end > len(data):
            self._need = end - position
            return None
        return end

    def _complete(self, data: bytes, position: int, value: int, length: int) -> Element | None:
        if length != UNDEFINED and self._whole(data, position, value + length) is None:
            return None
        try:
            return next(elements(data, self._encoding, position))
        except Truncated:
            if length != UNDEFINED:
                raise
            self._need = 2 * (len(data) - position)  # its end is not here yet: look again when there is much more
            return None

    def _changed(self, data: bytes, found: Element) -> bytes:
        tag = found.tag
        if tag == CHARACTER_SET:
            self._decide(data[found.value : found.value_end])
            return self._declaration()
        as_it_was = self._recoded(data, found, self._encoding, self._source, 0)
        if tag == ORIGINALS and self._edit.notes:
            self._noted = True
            return self._record(b"".join(self._item(each) for each in self._old_items(data, found)))
        if tag not in self._pending:
            return as_it_was
        self._originals[tag] = as_it_was
        return self._made(tag)

    def _until(self, tag: int) -> bytes:
        """What is to stand before ``tag`` and has not come."""
        out = b""
        if self._from is None and tag > CHARACTER_SET:
            self._decide(b"")
            out += self._declaration()
        for each in [each for each in self._pending if each < tag]:
            if not self._noted and each > ORIGINALS:
                out += self._record(b"")
            if (vr := (self._pending[each] or {}).get("vr")) is not None:  # it was not there: an empty one says so
                self._originals[each] = element(each, vr, b"", self._encoding)
            out += self._made(each)
        if not self._noted and tag > ORIGINALS:
            out += self._record(b"")
        return out

    def _made(self, tag: int) -> bytes:
        wanted = self._pending.pop(tag)
        return b"" if wanted is None else self._encoded({f"{tag:08X}": wanted})

    def _encoded(self, dataset: Mapping[str, JsonElement]) -> bytes:
        made = encode_elements({name: dict(each) for name, each in dataset.items()}, self._syntax, self._to)
        if made is None:
            raise NotReadable("a corrected value cannot be written")
        return made

    @property
    def _syntax(self) -> str:
        """The native syntax of this encoding."""
        if self._encoding.big:
            return EXPLICIT_BE
        return IMPLICIT_LE if self._encoding.implicit else EXPLICIT_LE

    # -- character sets ----------------------------------------------------------------------------------------------

    @property
    def _source(self) -> CharacterSet:
        return self._from or character_set(b"")

    def _decide(self, declared: bytes) -> None:
        self._declared = declared
        self._from = character_set(self._edit.charset) if self._edit.charset else character_set(declared)
        changes = {f"{tag:08X}": dict(each) for tag, each in self._pending.items() if each is not None}
        self._recode = encode_elements(changes, self._syntax, self._from) is None
        self._to = UTF8 if self._recode else self._from

    def _declaration(self) -> bytes:
        """(0008,0005) as it is to be."""
        if not self._recode and not self._edit.charset:
            return self._code_string(self._declared) if self._declared else b""
        if self._edit.charset:
            self._originals[CHARACTER_SET] = self._code_string(self._declared)
        return self._code_string("\\".join(self._to.values).encode("ascii"))

    def _code_string(self, value: bytes) -> bytes:
        return element(CHARACTER_SET, "CS", value.rstrip(b" \0"), self._encoding)

    def _recoded(self, data: bytes, each: Element, encoding: Encoding, source: CharacterSet, depth: int) -> bytes:
        """An element with its text in the new character set."""
        vr = each.vr or vr_of(each.tag)
        if not self._recode or depth > MAX_SEQUENCE_DEPTH:
            return data[each.start : each.end]
        if vr == "SQ":
            inside = b"".join(
                self._item(self._recoded_item(data, start, stop, encoding, source, depth))
                for start, stop in items(data, encoding, each)
            )
            return element_header(each.tag, "SQ", len(inside), encoding) + inside
        if vr not in TEXT_VRS:
            return data[each.start : each.end]
        text = source.decode(data[each.value : each.value_end], vr)
        return element(each.tag, vr, (self._to.encode(text, vr) or b"").rstrip(b" \0"), encoding)

    def _recoded_item(
        self, data: bytes, start: int, stop: int, encoding: Encoding, source: CharacterSet, depth: int
    ) -> bytes:
        made = b""
        for each in elements(data, encoding, start, stop):
            if each.tag == CHARACTER_SET:
                own = data[each.value : each.value_end]
                if own.strip(b" \0") != self._declared.strip(b" \0"):
                    source = character_set(own)
                made += self._code_string(b"ISO_IR 192")
            else:
                made += self._recoded(data, each, encoding, source, depth + 1)
        return made

    # -- the record --------------------------------------------------------------------------------------------------

    def _old_items(self, data: bytes, found: Element) -> list[bytes]:
        inner = IMPLICIT if found.vr == "UN" else self._encoding
        if not self._recode or inner != self._encoding:
            return [data[start:stop] for start, stop in items(data, self._encoding, found)]
        return [
            self._recoded_item(data, start, stop, inner, self._source, 1)
            for start, stop in items(data, self._encoding, found)
        ]

    def _record(self, before: bytes) -> bytes:
        """The Original Attributes Sequence: what it had, and an item for each note."""
        self._noted = True
        made = before
        for note in self._edit.notes:
            names = sorted(int(name, 16) for name in note.tags)
            attributes = b"".join(self._originals[tag] for tag in names if tag in self._originals)
            inside = self._item(attributes)
            made += self._item(
                element_header(0x04000550, "SQ", len(inside), self._encoding)
                + inside
                + element(0x04000562, "DT", note.at.encode("ascii"), self._encoding)
                + element(0x04000563, "LO", self._system.encode("ascii"), self._encoding)
                + element(0x04000564, "LO", note.source.encode("ascii", "replace")[:64], self._encoding)
                + element(0x04000565, "CS", note.reason.encode("ascii"), self._encoding)
            )
        return element_header(ORIGINALS, "SQ", len(made), self._encoding) + made

    def _item(self, content: bytes) -> bytes:
        order = ">" if self._encoding.big else "<"
        return struct.pack(order + "HHI", ITEM >> 16, ITEM & 0xFFFF, len(content)) + content


def edited(data: bytes, transfer_syntax: str, edit: Edit) -> bytes:
    """A data set, or the beginning of one, held in memory and changed. Not deflated."""
    editor = HeaderEditor(transfer_syntax, edit)
    return editor.feed(data) + editor.finish()
