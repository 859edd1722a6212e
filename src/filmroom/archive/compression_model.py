"""Rules of compression: what is made of an object, when, and what becomes of the form in which it came. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final, TypeVar

from filmroom.archive.sending_hours import span
from filmroom.base.errors import NotReadable
from filmroom.dicom.pixels_codecs import Codec, coding
from filmroom.dicom.pixels_encode import EncodeOptions
from filmroom.dicom.transfersyntax import lookup

_Choice = TypeVar("_Choice", bound=Enum)
MAX_DAYS: Final = 36_500
MAX_KEPT_DAYS: Final = 3650

# Words for the transfer syntaxes that Filmroom writes; a UID does as well.
TARGETS: Final[Mapping[str, str]] = {
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg-2000": "1.2.840.10008.1.2.4.90",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "htj2k-rpcl": "1.2.840.10008.1.2.4.202",
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
    "jpeg-xl": "1.2.840.10008.1.2.4.110",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-lossy": "1.2.840.10008.1.2.4.50",
    "jpeg-extended-lossy": "1.2.840.10008.1.2.4.51",
    "jpeg-ls-lossy": "1.2.840.10008.1.2.4.81",
    "jpeg-2000-lossy": "1.2.840.10008.1.2.4.91",
    "htj2k-lossy": "1.2.840.10008.1.2.4.203",
    "jpeg-xl-lossy": "1.2.840.10008.1.2.4.112",
}

# The keys of an action with their sentences; generated docs print them.
KEYS: Final[Mapping[str, str]] = {
    "compress": "the form: " + ", ".join(TARGETS) + ", or a transfer syntax UID; none leaves objects as they are",
    "when": "receipt (before the sender has its answer) or later (in the background; default)",
    "after_days": "later: how old an object must be",
    "hours": "later: a list of spans of the day, as for destinations: sat-sun 00:00-24:00",
    "idle": "later: only while no object has come in for a minute",
    "again": "true: objects that are compressed without loss already are compressed anew",
    "kept_days": "how long the form in which it came is kept; it stays an hour at least",
    "lossy": "true: pixels may lose; the result is a new, derived object with a SOP Instance UID of its own",
    "original": "lossy: keep (default) or delete (it can be brought back as after any deletion)",
    "options": "lossy: " + ", ".join(each.name for each in fields(EncodeOptions)),
}


class When(Enum):
    """When objects are compressed."""

    RECEIPT = "receipt"
    LATER = "later"


class Original(Enum):
    """What becomes of the object that a lossy one was made of."""

    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """The action of a rule. ``target`` is a transfer syntax, '' to leave objects as they are."""

    target: str
    when: When = When.LATER
    after_days: float = 0.0
    hours: tuple[str, ...] = ()
    idle: bool = False
    again: bool = False
    kept_days: int = 7
    lossy: bool = False
    original: Original = Original.KEEP
    options: EncodeOptions = field(default_factory=EncodeOptions)

    def takes(self, transfer_syntax: str) -> bool:
        """Whether an object stored like this is to be compressed at all."""
        here = coding(transfer_syntax)
        if not self.target or here.lossy or here.codec is Codec.OPAQUE or transfer_syntax == self.target:
            return False
        return self.again or not lookup(transfer_syntax).encapsulated


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a rule, by its name, says of an object."""

    rule: str
    how: Compression


def compression_of(rows: Any) -> Compression:
    """The action of a rule from its JSON. Raises NotReadable with what is wrong."""
    if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], Mapping) or "compress" not in rows[0]:
        raise NotReadable("a compression rule has one action: an object with the key compress")
    row: Mapping[str, Any] = rows[0]
    if unknown := row.keys() - KEYS.keys():
        raise NotReadable(f"{min(unknown)} is no key of a compression; they are {', '.join(KEYS)}")
    made = Compression(
        target=_target(row["compress"]),
        when=_choice(row, "when", When.LATER),
        after_days=_number(row, "after_days", 0, MAX_DAYS),
        hours=_hours(row.get("hours", [])),
        idle=_flag(row, "idle"),
        again=_flag(row, "again"),
        kept_days=int(_number(row, "kept_days", Compression(target="").kept_days, MAX_KEPT_DAYS)),
        lossy=_flag(row, "lossy"),
        original=_choice(row, "original", Original.KEEP),
        options=_options(row.get("options", {})),
    )
    _agrees(made, row)
    return made


def _agrees(made: Compression, row: Mapping[str, Any]) -> None:
    loses = bool(made.target) and coding(made.target).lossy
    if loses and not made.lossy:
        raise NotReadable("this form loses: a rule that allows it says lossy: true")
    if made.lossy and not loses:
        raise NotReadable("lossy: this form loses nothing")
    if made.lossy and made.when is When.RECEIPT:
        raise NotReadable("lossy compression makes another object: the one that was sent must be filed first")
    if not made.lossy and ("original" in row or "options" in row):
        raise NotReadable("original and options are for lossy compression")
    if made.when is When.RECEIPT and any(key in row for key in ("after_days", "hours", "idle")):
        raise NotReadable("after_days, hours and idle are for compression later")


def _target(name: Any) -> str:
    if name == "none":
        return ""
    target = TARGETS.get(name, name) if isinstance(name, str) else ""
    known = re.fullmatch(r"[0-9.]{1,64}", target) is not None
    if not known or not lookup(target).encapsulated or not coding(target).max_bits:
        raise NotReadable(f"compress is one of {', '.join(TARGETS)}, none, or the UID of a syntax that is written here")
    return target


def _choice(row: Mapping[str, Any], key: str, default: _Choice) -> _Choice:
    kind = type(default)
    try:
        return kind(row.get(key, default.value))
    except ValueError:
        raise NotReadable(f"{key} is one of {', '.join(str(each.value) for each in kind)}") from None


def _number(row: Mapping[str, Any], key: str, default: float, most: int) -> float:
    value = row.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise NotReadable(f"{key} is a number from 0 to {most}")
    return float(value)


def _flag(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key, False)
    if not isinstance(value, bool):
        raise NotReadable(f"{key} is true or false")
    return value


def _hours(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise NotReadable("hours is a list of texts")
    try:
        return tuple(str(span(each)) for each in value)
    except ValueError as error:
        raise NotReadable(f"hours: {error}") from error


def _options(value: Any) -> EncodeOptions:
    if not isinstance(value, Mapping) or value.keys() - _RANGES.keys():
        raise NotReadable(f"options is an object with {', '.join(_RANGES)}")
    whole: dict[str, Any] = {}
    for key, each in value.items():
        low, high = _RANGES[key]
        if not isinstance(each, int | float) or isinstance(each, bool) or not low <= each <= high:
            raise NotReadable(f"options: {key} is a number from {low} to {high}")
        whole[key] = type(getattr(EncodeOptions(), key))(each)
    return EncodeOptions(**whole)


_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "jpeg_quality": (1, 100),
    "near": (1, 255),
    "psnr_db": (20, 120),
    "step": (0, 1),
    "jpeg_xl_distance": (0, 15),
}
