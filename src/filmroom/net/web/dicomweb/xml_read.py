"""The Native DICOM Model read from XML (PS3.19 A.1) into the JSON model. No document type, so no entities to expand."""

from typing import Any
from xml.parsers import expat

from filmroom.base.errors import LimitReached, NotReadable
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.question import JsonDataset

_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV"})
_FLOATS = frozenset({"FL", "FD"})
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = frozenset({"Alphabetic", "Ideographic", "Phonetic"})
MAX_ELEMENTS = 1_000_000


def read_native_model(document: bytes) -> JsonDataset:
    """One data set. Attribute names are taken in either case, with or without the namespace, as senders differ.

    Raises NotReadable, LimitReached.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise NotReadable(f"the XML cannot be read in line {error.lineno}") from None
    except (ValueError, KeyError, IndexError) as error:
        raise NotReadable(f"not the Native DICOM Model ({type(error).__name__})") from None
    return reader.found


def _no_doctype(*_: object) -> None:
    raise NotReadable("XML with a document type is not taken")


class _Reader:
    def __init__(self) -> None:
        self.found: JsonDataset = {}
        self._scopes: list[JsonDataset] = [self.found]
        self._elements: list[dict[str, Any]] = []
        self._name: dict[str, dict[str, str]] = {}
        self._group = ""
        self._words: list[str] = []
        self._count = 0

    def start(self, full: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise LimitReached("the XML has too many elements")
        self._words = []
        name = full.rpartition(" ")[2]
        given = {key.rpartition(" ")[2].lower(): value for key, value in attributes.items()}
        if name == "DicomAttribute":
            tag = f"{int(given['tag'], 16):08X}"
            element: dict[str, Any] = {"vr": given.get("vr") or vr_of(int(tag, 16))}
            self._scopes[-1][tag] = element
            self._elements.append(element)
        elif name == "Item":
            if len(self._scopes) > MAX_SEQUENCE_DEPTH:
                raise NotReadable("sequences are nested too deeply")
            item: JsonDataset = {}
            self._elements[-1].setdefault("Value", []).append(item)
            self._scopes.append(item)
        elif name == "BulkData":
            self._elements[-1]["BulkDataURI"] = given.get("uri") or given.get("uuid", "")
        elif name == "PersonName":
            self._name = {}
        elif name in _GROUPS:
            self._group = name

    def text(self, words: str) -> None:
        self._words.append(words)

    def end(self, full: str) -> None:
        name, words = full.rpartition(" ")[2], "".join(self._words)
        if name == "DicomAttribute":
            self._elements.pop()
        elif name == "Item":
            self._scopes.pop()
        elif name == "InlineBinary":
            self._elements[-1]["InlineBinary"] = "".join(words.split())
        elif name == "Value":
            element = self._elements[-1]
            element.setdefault("Value", []).append(_value(element["vr"], words))
        elif name in _NAME_PARTS:
            self._name.setdefault(self._group, {})[name] = words
        elif name == "PersonName":
            self._elements[-1].setdefault("Value", []).append(
                {group: "^".join(parts.get(part, "") for part in _NAME_PARTS).rstrip("^")
                 for group, parts in self._name.items()}
            )  # fmt: skip
        self._words = []


def _value(vr: str, words: str) -> object:
    if not words:
        return None
    if vr in _NUMBERS:
        return int(words)
    return float(words) if vr in _FLOATS else words
