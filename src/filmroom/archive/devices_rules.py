"""Typed keys of a policy's JSON object: each key has its reader, its default and the sentence that explains it."""

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from filmroom.archive.sending_hours import span
from filmroom.base.ids import ae_title
from filmroom.dicom.charset_tables import term
from filmroom.dicom.transfersyntax import TRANSFER_SYNTAXES

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_CODE: Final = re.compile(r"[A-Z0-9_ ]{1,16}")
MAX_HOST: Final = 253
MAX_LIST: Final = 256
MAX_TEXT: Final = 200

Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a value: where it stands as a JSON pointer (RFC 6901), and what it must be."""

    pointer: str
    detail: str


class BadValue(ValueError):
    """A value that its key cannot have. ``below`` is the rest of the pointer to what is wrong."""

    def __init__(self, detail: str, below: str = "") -> None:
        super().__init__(detail)
        self.below = below


def rule(read: Reader, help: str, *, default: Any = None, unreadable: Reader | None = None) -> Any:
    """A key. ``unreadable`` says what a stored value means that cannot be read; without it, the default."""
    return dataclasses.field(default=default, metadata={"read": read, "help": help, "unreadable": unreadable})


def part(kind: "type[Rules]", help: str) -> Any:
    """A key whose value is an object with keys of its own."""
    return dataclasses.field(default_factory=kind, metadata={"part": kind, "help": help})


class Rules:
    """A frozen dataclass of ``rule`` and ``part`` fields, read from a JSON object and written to one."""

    __slots__ = ()

    @classmethod
    def typed(cls) -> Iterator[dataclasses.Field[Any]]:
        """The typed keys. Only subclasses are dataclasses, which is what ``fields`` is typed to want."""
        return (each for each in dataclasses.fields(cls) if "help" in each.metadata)  # type: ignore[arg-type]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What is stored: a value that cannot be read never makes a device unusable."""
        return cls(**_read(cls, row, [], "", strict=False))

    @classmethod
    def parse(cls, row: Any, faults: list[Fault], at: str = "") -> Self:
        """What somebody wants to store: everything that is wrong is added to ``faults``."""
        if not isinstance(row, Mapping):
            faults.append(Fault(at, "must be an object"))
            return cls()
        known = {each.name for each in cls.typed()} | cls.reserved()
        for name in row.keys() - known:
            faults.append(Fault(_below(at, name), "is no key; the keys are " + ", ".join(sorted(known))))
        return cls(**_read(cls, row, faults, at, strict=True))

    @classmethod
    def reserved(cls) -> frozenset[str]:
        """Keys that others read: kept as they are."""
        return frozenset()

    def to_row(self) -> dict[str, Any]:
        """Only what differs from the default."""
        row: dict[str, Any] = {}
        for each in self.typed():
            value = plain(getattr(self, each.name))
            if value != plain(_default(each)):
                row[each.name] = value
        return row


def plain(value: Any) -> Any:
    """A key's value as JSON has it."""
    if isinstance(value, Rules):
        return value.to_row()
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _default(each: dataclasses.Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not dataclasses.MISSING else each.default


def _read(cls: type[Rules], row: Mapping[str, Any], faults: list[Fault], at: str, *, strict: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in cls.typed():
        if each.name not in row or row[each.name] is None:
            continue
        value, where = row[each.name], _below(at, each.name)
        kind: type[Rules] | None = each.metadata.get("part")
        if kind is not None and strict:
            values[each.name] = kind.parse(value, faults, where)
        elif kind is not None:
            values[each.name] = kind.from_row(value if isinstance(value, Mapping) else {})
        else:
            try:
                values[each.name] = each.metadata["read"](value)
            except BadValue as bad:
                faults.append(Fault(where + bad.below, str(bad)))
                if each.metadata["unreadable"] is not None:
                    values[each.name] = each.metadata["unreadable"](value)
    return values


def _below(at: str, name: str) -> str:
    return f"{at}/{name.replace('~', '~0').replace('/', '~1')}"


# Readers


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise BadValue("must be true or false")
    return value


def whole(low: int, high: int) -> Reader:
    """A whole number, bounds inclusive."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadValue(f"must be a whole number from {low} to {high}")
        return value

    return read


def seconds(low: float, high: float) -> Reader:
    """A number of seconds, bounds inclusive."""

    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise BadValue(f"must be a number of seconds from {low:g} to {high:g}")
        return float(value)

    return read


def words(value: Any) -> str:
    """A short line of text."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise BadValue(f"must be one line of text, at most {MAX_TEXT} characters")
    return value.strip()


def one_of(allowed: Collection[str]) -> Reader:
    """One word of a few."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise BadValue("must be one of " + ", ".join(sorted(allowed)))
        return value

    return read


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | frozenset | set)


def _items(value: Any, one: Reader) -> list[Any]:
    if not _is_list(value) or len(value) > MAX_LIST:
        raise BadValue(f"must be a list of at most {MAX_LIST}")
    found: list[Any] = []
    for number, each in enumerate(value):
        try:
            found.append(one(each))
        except BadValue as bad:
            raise BadValue(str(bad), f"/{number}") from bad
    return found


def set_of(one: Reader) -> Reader:
    """A list without order."""
    return lambda value: frozenset(_items(value, one))


def known_of(allowed: Collection[str]) -> Reader:
    """What is left of a list that cannot be read: the words that are known, so that nothing is allowed by mistake."""
    known = frozenset(allowed)

    def read(value: Any) -> frozenset[str]:
        return (
            frozenset(one for one in value if isinstance(one, str) and one in known) if _is_list(value) else frozenset()
        )

    return read


def list_of(one: Reader) -> Reader:
    """A list in its order, without repetitions."""
    return lambda value: tuple(dict.fromkeys(_items(value, one)))


def title(value: Any) -> str:
    """An AE title."""
    try:
        return ae_title(value)
    except (ValueError, AttributeError, TypeError) as error:
        raise BadValue("must be an AE title: 1 to 16 printable ASCII characters without backslash") from error


def code(value: Any) -> str:
    """A code string (PS3.5 table 6.2-1, CS)."""
    if not isinstance(value, str) or not _CODE.fullmatch(value) or not value.strip():
        raise BadValue("must be a code: 1 to 16 capital letters, digits, spaces and underscores")
    return value.strip()


def host(value: Any) -> str:
    """A host name or an address."""
    if isinstance(value, str) and 1 <= len(value.strip()) <= MAX_HOST:
        text = value.strip()
        if _HOST.fullmatch(text):
            return text
        try:
            address = ipaddress.ip_address(text.strip("[]"))
            return str(getattr(address, "ipv4_mapped", None) or address)
        except ValueError:
            pass
    raise BadValue("must be a host name or an IP address")


def caller(value: Any) -> str:
    """A host name, an address, or a network as 10.1.0.0/16."""
    if isinstance(value, str) and "/" in value:
        try:
            return str(ipaddress.ip_network(value.strip(), strict=False))
        except ValueError as error:
            raise BadValue("must be a network as address/length, 10.1.0.0/16 say") from error
    return host(value)


def optional(one: Reader) -> Reader:
    """The same, or an empty text."""
    return lambda value: "" if value == "" else one(value)


def address(value: Any) -> str:
    """Where else a device is: HOST:PORT, or AETITLE@HOST:PORT."""
    try:
        own_title, at, place = value.rpartition("@")
        name, colon, port = place.rpartition(":")
        if not colon or not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise BadValue("no port")
        where = host(name)
        where = f"[{where}]" if ":" in where else where
        return f"{title(own_title)}@{where}:{int(port)}" if at else f"{where}:{int(port)}"
    except (AttributeError, TypeError, ValueError) as error:
        raise BadValue("must be HOST:PORT or AETITLE@HOST:PORT") from error


def hours(value: Any) -> str:
    """A span of the day, on some days of the week or on all."""
    try:
        return str(span(value))
    except (AttributeError, TypeError, ValueError) as error:
        raise BadValue("must be a span of the day, 19:00-06:30 or sat-sun 00:00-24:00 say") from error


def charset(value: Any) -> str:
    """Specific Character Set as in a data set, several values with a backslash between them."""
    if not isinstance(value, str) or not all(term(each).known for each in value.split("\\")):
        raise BadValue("must be defined terms of Specific Character Set (0008,0005), GB18030 say")
    return value


def syntax(value: Any) -> str:
    """The UID of a known transfer syntax."""
    if not isinstance(value, str) or value not in TRANSFER_SYNTAXES:
        raise BadValue("must be the UID of a transfer syntax, 1.2.840.10008.1.2.1 say")
    return value
