"""What identifies somebody in a data set, gathered from every depth before anything of it is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from filmroom.dicom.charset import TEXT_VRS, CharacterSet, character_set
from filmroom.dicom.deidentify_profile import Option, identifies
from filmroom.dicom.deidentify_text import Identifiers, terms_of
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.pixels_elements import IMPLICIT, PIXEL_TAGS, Attributes, Encoding, elements, items

_CHARSET = 0x00080005
_SEARCHED = TEXT_VRS | {"DA", "CS", "AE", "AS"}
# A person's words and codes of sex or age would be found everywhere; whole dates and longer values are rare enough.
_SHORTEST_BYTES = 4
# As pydicom and others write "nobody".
_MEANINGLESS = frozenset({"anonymous", "anonymized", "unknown", "none", "null", "test"})


@dataclass(frozen=True, slots=True)
class Found:
    """What to look for in what stays: as text, and as the bytes it was written in."""

    identifiers: Identifiers
    pattern: "re.Pattern[bytes] | None"

    def in_bytes(self, raw: bytes) -> bool:
        """Whether the bytes hold one of the values as it was written."""
        return self.pattern is not None and self.pattern.search(raw) is not None


def found_in(attributes: Attributes, charset: CharacterSet, options: frozenset[Option]) -> Found:
    """Everything that identifies, of a whole data set."""
    terms: set[str] = set()
    written: set[bytes] = set()
    stop = max((each.end for tag, each in attributes.found.items() if tag not in PIXEL_TAGS), default=0)
    start = min((each.start for each in attributes.found.values()), default=0)
    for vr, raw, text in _values(attributes.data, attributes.encoding, start, stop, charset, options, False):
        parts = [part for part in terms_of(vr, text) if part.casefold() not in _MEANINGLESS]
        terms.update(parts)
        value = raw.strip(b" \0")
        if parts and len(value) >= _SHORTEST_BYTES:
            written.add(value)
    choice = b"|".join(re.escape(each) for each in sorted(written, key=len, reverse=True))
    return Found(Identifiers(terms), re.compile(choice) if choice else None)


def _values(
    data: bytes | memoryview,
    encoding: Encoding,
    start: int,
    stop: int,
    charset: CharacterSet,
    options: frozenset[Option],
    inside: bool,
) -> Iterator[tuple[str, bytes, str]]:
    """VR, bytes and text of each identifying value; ``inside`` a sequence that identifies as a whole."""
    for each in elements(data, encoding, start, stop, stop_at_pixels=True):
        if each.tag in PIXEL_TAGS:
            return
        if each.tag == _CHARSET:
            declared = bytes(data[each.value : each.value_end]).strip(b" \0")
            charset = character_set(declared) if declared else charset
        vr = vr_of(each.tag) if each.vr in ("", "UN") else each.vr
        if vr == "SQ" and not each.tag >> 16 & 1:
            inner = IMPLICIT if each.vr == "UN" else encoding
            whole = inside or (identifies(each.tag, options) and each.tag != 0x0040A730)
            for low, high in items(data, encoding, each._replace(vr="UN" if each.vr == "UN" else "SQ")):
                yield from _values(data, inner, low, high, charset, options, whole)
        elif vr in _SEARCHED and not each.undefined and (identifies(each.tag, options) or (inside and vr == "PN")):
            raw = bytes(data[each.value : each.value_end])
            yield vr, raw, charset.decode(raw, vr)
