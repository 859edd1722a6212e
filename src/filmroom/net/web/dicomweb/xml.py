"""The Native DICOM Model in XML (PS3.19 A.1), made from the JSON model; one document a result, in multipart."""

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag
from starlette.responses import Response

from filmroom.dicom.question import JsonDataset
from filmroom.net.web.dicomweb.negotiate import DICOM_XML
from filmroom.wire.http import multipart

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
)


def xml_answer(found: Sequence[JsonDataset], headers: dict[str, str], status: int = 200) -> Response:
    """Every result as a part of multipart/related (PS3.18 8.7.3.2)."""
    boundary = secrets.token_hex(16)
    pieces = []
    for index, entity in enumerate(found):
        pieces.append(multipart.open_part(boundary, {"Content-Type": DICOM_XML}, first=index == 0))
        pieces.append(native_model(entity))
    pieces.append(multipart.close(boundary, empty=not found))
    media = multipart.content_type(DICOM_XML, boundary)
    return Response(b"".join(pieces), status, headers={**headers, "content-type": media})


def native_model(entity: JsonDataset) -> bytes:
    """One data set as an XML document."""
    return "".join([_HEAD, *_attributes(entity), "</NativeDicomModel>"]).encode("utf-8", "replace")


def _attributes(entity: JsonDataset) -> Iterable[str]:
    for key in sorted(entity):
        element = entity[key]
        keyword = keyword_for_tag(int(key, 16))
        named = f" keyword={quoteattr(keyword)}" if keyword else ""
        yield f'<DicomAttribute tag="{key}" vr={quoteattr(element["vr"])}{named}>'
        yield from _content(element)
        yield "</DicomAttribute>"


def _content(element: dict[str, Any]) -> Iterable[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{escape(element['InlineBinary'])}</InlineBinary>"
    for number, value in enumerate(element.get("Value", ()), 1):
        if element["vr"] == "SQ":
            yield f'<Item number="{number}">'
            yield from _attributes(value)
            yield "</Item>"
        elif element["vr"] == "PN":
            yield from _name(number, value or {})
        elif value is not None:
            yield f'<Value number="{number}">{_text(value)}</Value>'


_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def _name(number: int, groups: dict[str, str]) -> Iterable[str]:
    yield f'<PersonName number="{number}">'
    for group in ("Alphabetic", "Ideographic", "Phonetic"):
        if text := groups.get(group):
            inside = (
                f"<{n}>{_text(part)}</{n}>" for n, part in zip(_COMPONENTS, text.split("^"), strict=False) if part
            )
            yield f"<{group}>{''.join(inside)}</{group}>"
    yield "</PersonName>"


# What XML 1.0 has no way to write (its production 2, Char).
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(value: object) -> str:
    return escape(_NO_CHARACTER.sub("\ufffd", str(value)))
