"""A data set without the people in it: the confidentiality profile applied to every element, at every depth (PS3.15 E).

Pure: the same object and recipe give the same bytes. The header is rewritten in its own encoding, element by element;
pixels are not looked at here (``deidentify_pixels``). The report counts what was done and holds no value.
"""

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from filmroom.base.errors import LimitReached, Unsupported
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.charset import ASCII_ONLY, TEXT_VRS, CharacterSet, character_set
from filmroom.dicom.deidentify_content import code_item, dummy_sequence, dummy_value
from filmroom.dicom.deidentify_find import found_in
from filmroom.dicom.deidentify_profile import BASIC_PROFILE, CODES, Action, Option, action, is_safe_private
from filmroom.dicom.deidentify_pseudonyms import Pseudonyms, shifted
from filmroom.dicom.deidentify_text import cleaned
from filmroom.dicom.dictionary import keyword_of, show, vr_of
from filmroom.dicom.json_encode import encode_elements
from filmroom.dicom.pixels_elements import IMPLICIT, ITEM, PIXEL_TAGS, Attributes, Element, Encoding, elements, items
from filmroom.dicom.transcode_elements import element, element_header
from filmroom.dicom.transfersyntax import EXPLICIT_LE, IMPLICIT_LE

METHOD: Final = "Filmroom: PS3.15 Basic Application Level Confidentiality Profile"
_CHARSET, _SOP_CLASS, _SOP, _STUDY, _SERIES = 0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_NAME, _PATIENT_ID, _ISSUER, _ACCESSION = 0x00100010, 0x00100020, 0x00100021, 0x00080050
_BURNED_IN, _TEMPORAL = 0x00280301, 0x00280303
_STANDARD_UIDS = "1.2.840.10008."
_CLASS_WORDS = ("Class", "TransferSyntax", "CodingScheme", "ContextUID", "MappingResource", "Implementation")
# A document inside an object cannot be searched, nor a voice made another's.
_DOCUMENT: Final = 0x00420011
_VOICE: Final = ("1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2")


class Withheld(Unsupported):
    """The object cannot be de-identified, so it is not given out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the objects of one project are de-identified."""

    pseudonyms: Pseudonyms
    options: frozenset[Option] = frozenset()

    def __post_init__(self) -> None:
        if {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES} <= self.options:
            raise Unsupported("dates are either kept or shifted, not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentified:
    """The header of the new object. ``report``: attribute -> what was done -> how often; never a value."""

    header: bytes
    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    patient_id: str
    report: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def deidentified(attributes: Attributes, recipe: Recipe, *, pixels_cleaned: bool = False) -> Deidentified:
    """The data set up to its pixels, little endian, as the project may have it. Raises Withheld, NotReadable."""
    if attributes.encoding.big:
        raise Unsupported("a big endian data set is converted before it is de-identified")
    if _DOCUMENT in attributes.found:
        raise Withheld("an encapsulated document cannot be de-identified")
    if attributes.text(_SOP_CLASS) in _VOICE:
        raise Withheld("a recorded voice cannot be de-identified")
    work = _Work(attributes, recipe)
    made = work.root(pixels_cleaned)
    return Deidentified(
        header=made,
        sop_class=attributes.text(_SOP_CLASS),
        sop_uid=work.uid(attributes.text(_SOP)),
        study_uid=work.uid(attributes.text(_STUDY)),
        series_uid=work.uid(attributes.text(_SERIES)),
        patient_id=work.patient_id,
        report=work.report(),
    )


def deidentified_tail(attributes: Attributes, tail: bytes, recipe: Recipe) -> bytes:
    """What stands behind the pixels, by the same rules."""
    work = _Work(attributes, recipe)
    return work.data_set(tail, attributes.encoding, 0, len(tail), work.charset, 0)


class _Work:
    """One object."""

    def __init__(self, attributes: Attributes, recipe: Recipe) -> None:
        self._attributes = attributes
        self._options = recipe.options
        self._pseudonyms = recipe.pseudonyms
        self._counts: Counter[tuple[str, str]] = Counter()
        self.charset = character_set(attributes.raw(_CHARSET).strip(b" \0"))
        self._found = found_in(attributes, self.charset, recipe.options)
        # Somebody without an identifier is known by the study alone.
        original, issuer = self._text(_PATIENT_ID) or self._text(_STUDY), self._text(_ISSUER)
        self.patient_id = self._pseudonyms.patient(original, issuer)
        self._shift_days = self._pseudonyms.shift_days(original, issuer)

    def root(self, pixels_cleaned: bool) -> bytes:
        """The whole header."""
        attributes = self._attributes
        end = min((each.start for tag, each in attributes.found.items() if tag in PIXEL_TAGS), default=None)
        start = min((each.start for each in attributes.found.values()), default=0)
        stop = len(attributes.data) if end is None else end
        if end is None and attributes.found:
            stop = max(each.end for each in attributes.found.values())
        made = dict(self._pieces(attributes.data, attributes.encoding, start, stop, self.charset, 0))
        for name, value in self._said(pixels_cleaned).items():
            made[int(name, 16)] = self._encoded({name: value})
        return b"".join(made[tag] for tag in sorted(made))

    def _said(self, pixels_cleaned: bool) -> dict[str, Any]:
        """What the new object says of itself (PS3.15 E.1.1 6-8)."""
        used = set(self._options) - {Option.CLEAN_PIXELS} | ({Option.CLEAN_PIXELS} if pixels_cleaned else set())
        codes = [BASIC_PROFILE, *sorted(CODES[option] for option in used)]
        temporal = "REMOVED"
        if Option.RETAIN_FULL_DATES in used:
            temporal = "UNMODIFIED"
        elif Option.RETAIN_MODIFIED_DATES in used:
            temporal = "MODIFIED"
        accession = self._pseudonyms.accession(self._text(_ACCESSION))
        said: dict[str, Any] = {
            "00080050": {"vr": "SH", "Value": [accession]} if accession else {"vr": "SH"},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": self.patient_id.replace("-", "^", 1)}]},
            "00100020": {"vr": "LO", "Value": [self.patient_id]},
            "00120062": {"vr": "CS", "Value": ["YES"]},
            "00120063": {"vr": "LO", "Value": [METHOD]},
            "00120064": {"vr": "SQ", "Value": [code_item(code, "DCM", meaning) for code, meaning in codes]},
            "00280303": {"vr": "CS", "Value": [temporal]},
        }
        if pixels_cleaned:
            said["00280301"] = {"vr": "CS", "Value": ["NO"]}
        return said

    def report(self) -> dict[str, dict[str, int]]:
        made: dict[str, dict[str, int]] = {}
        for (name, what), count in sorted(self._counts.items()):
            made.setdefault(name, {})[what] = count
        return made

    def uid(self, original: str) -> str:
        """What stands for a UID."""
        if not original or Option.RETAIN_UIDS in self._options or original.startswith(_STANDARD_UIDS):
            return original
        return self._pseudonyms.uid(original)

    # -- elements ----------------------------------------------------------------------------------------------------

    def data_set(
        self, data: bytes | memoryview, encoding: Encoding, start: int, stop: int, charset: CharacterSet, depth: int
    ) -> bytes:
        """The elements of an item, or behind the pixels, as they may stay."""
        return b"".join(each for _, each in self._pieces(data, encoding, start, stop, charset, depth))

    def _pieces(
        self, data: bytes | memoryview, encoding: Encoding, start: int, stop: int, charset: CharacterSet, depth: int
    ) -> list[tuple[int, bytes]]:
        if depth > MAX_SEQUENCE_DEPTH:
            raise LimitReached("sequences are nested too deeply")
        here = list(elements(data, encoding, start, stop))
        charset = next((_declared(data, each, charset) for each in here if each.tag == _CHARSET), charset)
        creators = _creators(data, here) if Option.RETAIN_SAFE_PRIVATE in self._options else {}
        made: list[tuple[int, bytes]] = []
        for each in here:
            if not each.tag & 0xFFFF or each.tag >= 0xFFFC0000:
                continue  # group lengths and padding
            if each.tag >> 16 & 1:
                piece = self._private(data, each, here, creators)
            else:
                piece = self._one(data, each, encoding, charset, depth)
            if piece:
                made.append((each.tag, piece))
        return made

    def _private(
        self, data: bytes | memoryview, each: Element, here: list[Element], creators: Mapping[int, str]
    ) -> bytes:
        """A private element, when the option keeps it; a creator, when it keeps any of its block."""
        block = each.tag & 0xFFFF0000 | (each.tag >> 8 & 0xFF if each.tag & 0xFFFF > 0xFF else each.tag & 0xFF)
        creator = creators.get(block, "")
        raw = bytes(data[each.value : each.value_end])
        kept = is_safe_private(creator, each.tag) and not each.undefined and each.vr not in ("SQ", "UN", "OB", "")
        if each.tag & 0xFFFF <= 0xFF:
            inside = (one for one in here if one.tag >> 16 == each.tag >> 16 and one.tag >> 8 & 0xFF == each.tag & 0xFF)
            kept = bool(creator) and any(is_safe_private(creator, one.tag) for one in inside)
        if not kept or self._found.in_bytes(raw):
            self._counts["private attributes", "removed"] += 1
            return b""
        return bytes(data[each.start : each.end])

    def _one(
        self, data: bytes | memoryview, each: Element, encoding: Encoding, charset: CharacterSet, depth: int
    ) -> bytes:
        tag = each.tag
        vr = vr_of(tag) if each.vr in ("", "UN") else each.vr
        what = action(tag, self._options)
        if vr == "SQ" or (each.undefined and tag not in PIXEL_TAGS):
            return self._sequence(data, each, encoding, charset, depth, what)
        raw = bytes(data[each.value : each.value_end])
        if what is Action.KEEP and vr == "UI" and self._instance_uid(tag):
            what = Action.UID
        match what:
            case Action.REMOVE:
                return self._done(tag, "removed")
            case Action.EMPTY:
                return self._done(tag, "emptied", element(tag, vr, b"", encoding))
            case Action.DUMMY if vr != "UI":
                return self._done(tag, "replaced", element(tag, vr, dummy_value(vr, len(raw)), encoding))
            case Action.UID | Action.DUMMY:
                uids = "\\".join(self.uid(part.strip(" \0")) for part in raw.decode("latin-1").split("\\"))
                return self._done(tag, "new UID", element(tag, "UI", uids.encode("latin-1", "replace"), encoding))
            case Action.CLEAN:
                return self._cleaned(tag, vr, raw, encoding, charset)
        if self._named(vr, raw, charset):
            return self._done(tag, "named somebody, emptied", element(tag, vr, b"", encoding))
        return bytes(data[each.start : each.end])

    def _cleaned(self, tag: int, vr: str, raw: bytes, encoding: Encoding, charset: CharacterSet) -> bytes:
        if vr in ("DA", "DT"):
            days = self._shift_days
            text = "\\".join(shifted(part, days) for part in raw.decode("latin-1").split("\\"))
            return self._done(tag, "shifted", element(tag, vr, text.encode("latin-1", "replace"), encoding))
        if vr in TEXT_VRS:
            text = charset.decode(raw, vr)
            parts = [text] if vr in ("ST", "LT", "UT") else text.split("\\")
            kept = "\\".join(cleaned(part, self._found.identifiers) for part in parts)
            value = charset.encode(kept, vr) or b""
            if not value.strip(b"\\") and tag == 0x0040A160:
                value = dummy_value(vr, 0)
            return self._done(tag, "cleaned", element(tag, vr, value, encoding))
        if self._named(vr, raw, charset):
            return self._done(tag, "named somebody, emptied", element(tag, vr, b"", encoding))
        return element(tag, vr, raw, encoding)

    def _named(self, vr: str, raw: bytes, charset: CharacterSet) -> bool:
        """Whether what is to stay names somebody after all."""
        if vr in TEXT_VRS:
            text = charset.decode(raw, vr)
            return self._found.identifiers.within(text) or self._found.in_bytes(raw)
        return vr in ("AE", "UR", "OB", "UN") and self._found.in_bytes(raw)

    def _sequence(
        self,
        data: bytes | memoryview,
        each: Element,
        encoding: Encoding,
        charset: CharacterSet,
        depth: int,
        what: Action,
    ) -> bytes:
        tag = each.tag
        vr = "UN" if each.vr == "UN" else "SQ"
        if what is Action.REMOVE:
            return self._done(tag, "removed")
        if what is Action.EMPTY:
            return self._done(tag, "emptied", element_header(tag, vr, 0, encoding))
        if what is Action.DUMMY:
            said = dummy_sequence(tag)
            return self._done(tag, "replaced" if said else "removed", self._encoded(said) if said else b"")
        inner = IMPLICIT if each.vr == "UN" else encoding
        body = b""
        for start, stop in items(data, encoding, each._replace(vr=vr)):
            content = self.data_set(data, inner, start, stop, charset, depth + 1)
            body += struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(content)) + content
        return element_header(tag, vr, len(body), encoding) + body

    def _instance_uid(self, tag: int) -> bool:
        """Whether a UID that the profile does not list stands for something of one place, not for a sort of things."""
        keyword = keyword_of(tag)
        return Option.RETAIN_UIDS not in self._options and not any(word in keyword for word in _CLASS_WORDS)

    def _done(self, tag: int, what: str, made: bytes = b"") -> bytes:
        self._counts[f"{show(tag)} {keyword_of(tag)}".strip(), what] += 1
        return made

    def _encoded(self, dataset: Mapping[str, Any]) -> bytes:
        syntax = IMPLICIT_LE if self._attributes.encoding.implicit else EXPLICIT_LE
        return encode_elements(dict(dataset), syntax, ASCII_ONLY) or b""

    def _text(self, tag: int) -> str:
        return self.charset.decode(self._attributes.raw(tag)).strip(" \0")


def _declared(data: bytes | memoryview, each: Element, outer: CharacterSet) -> CharacterSet:
    raw = bytes(data[each.value : each.value_end]).strip(b" \0")
    return character_set(raw) if raw else outer


def _creators(data: bytes | memoryview, here: list[Element]) -> dict[int, str]:
    """Creator of each private block, by group and block number."""
    return {
        each.tag: bytes(data[each.value : each.value_end]).decode("latin-1").strip(" \0")
        for each in here
        if each.tag >> 16 & 1 and 0x10 <= each.tag & 0xFFFF <= 0xFF
    }


__all__ = ["METHOD", "Deidentified", "Recipe", "Withheld", "deidentified", "deidentified_tail"]
