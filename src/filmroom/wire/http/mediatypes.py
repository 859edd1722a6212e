"""Media types and the choice between them (RFC 9110 12.5.1, PS3.18 8.7).

Lenient with what arrives: parameters that should be quoted and are not, stray separators, odd case. Text that is no
media type at all is skipped in a list and refused alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from filmroom.base.errors import NotReadable

# An Accept header is a few hundred bytes; more than this is not read.
MAX_HEADER = 8192
MAX_CHOICES = 64

_TYPE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)/([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*")
_PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;,"]*))\s*|;\s*')

ANY = "*/*"
MULTIPART = "multipart/related"


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type; ``name`` and parameter names in lower case, ``q`` taken out of the parameters."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    q: float = 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One representation a client would take: ``media`` of the single part or of each part of a multipart.

    ``transfer_syntax`` is '' when not said (the default of the media type holds, PS3.18 8.7.3.5), '*' for any.
    ``multipart`` is None when either form will do.
    """

    media: str
    transfer_syntax: str = ""
    multipart: bool | None = None
    q: float = 1.0

    def covers(self, media: str) -> bool:
        """Whether a representation in ``media`` is what this asks for, wildcards counted."""
        if self.media in {ANY, media}:
            return True
        return self.media.endswith("/*") and media.startswith(self.media[:-1])


def parse(text: str) -> MediaType:
    """The media type of a Content-Type header. Raises NotReadable."""
    found = next(_scan(text[:MAX_HEADER]), None)
    if found is None:
        raise NotReadable("not a media type")
    return found


def parse_list(text: str) -> list[MediaType]:
    """The media types of an Accept header, best first; refused ones (q=0) left out."""
    found = [each for _, each in zip(range(MAX_CHOICES), _scan(text[:MAX_HEADER]), strict=False) if each.q > 0]
    return sorted(found, key=lambda each: -each.q)


def choices(accept: str | None, parameters: Iterable[str] = ()) -> list[Choice]:
    """What the client takes, best first.

    The ``accept`` query parameters, when there are any, go before the header (PS3.18 8.3.3.1). Nothing said, or
    nothing readable, means anything.
    """
    # In a query "+" decodes to a space, so "application/dicom+json" arrives torn.
    asked = ",".join(each.strip().replace(" json", "+json").replace(" xml", "+xml") for each in parameters)
    text = asked or accept or ""
    found = parse_list(text)
    if not found:
        return [] if text.strip() and any(True for _ in _scan(text[:MAX_HEADER])) else [Choice(ANY)]
    return [_choice(each) for each in found]


def _choice(media: MediaType) -> Choice:
    syntax = media.parameters.get("transfer-syntax", "")
    if media.name == MULTIPART:
        return Choice(media.parameters.get("type", ANY).lower() or ANY, syntax, True, media.q)
    if media.name in {ANY, "multipart/*"}:
        return Choice(ANY, syntax, None if media.name == ANY else True, media.q)
    return Choice(media.name, syntax, False, media.q)


def _scan(text: str) -> Iterator[MediaType]:
    at = 0
    while at < len(text):
        match = _TYPE.match(text, at)
        if match is None:
            at = _after_comma(text, at)
            continue
        parameters, at = _parameters(text, match.end())
        yield MediaType(f"{match[1]}/{match[2]}".lower(), MappingProxyType(parameters), _weight(parameters))
        at = _after_comma(text, at)


def _parameters(text: str, at: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while (match := _PARAMETER.match(text, at)) is not None:
        at = match.end()
        if match[1] is not None:
            value = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3].strip()
            found.setdefault(match[1].lower(), value)
    return found, at


def _weight(parameters: dict[str, str]) -> float:
    try:
        weight = float(parameters.pop("q", "1") or "1")
    except ValueError:
        return 1.0
    return min(max(weight, 0.0), 1.0) if weight == weight else 1.0


def _after_comma(text: str, at: int) -> int:
    comma = text.find(",", at)
    return len(text) if comma < 0 else comma + 1


def write(media: str, /, **parameters: str) -> str:
    """A media type as it goes out; every value that is not a token is quoted. ``_`` in a name becomes ``-``."""
    parts = [media]
    for key, value in parameters.items():
        token = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value) is not None
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f"{key.replace('_', '-')}={value if token else f'{chr(34)}{quoted}{chr(34)}'}")
    return "; ".join(parts)


def encodings(text: str | None) -> frozenset[str]:
    """The content codings of an Accept-Encoding header that are not refused (RFC 9110 12.5.3)."""
    found = set()
    for each in (text or "")[:MAX_HEADER].split(","):
        name, _, rest = each.partition(";")
        if name.strip() and not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", rest):
            found.add(name.strip().lower())
    return frozenset(found)
