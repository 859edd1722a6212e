"""What rules make of an object's attributes, and in what character set its text really is. Pure.

The bytes stay as they were received: what comes out is an Edit, which the index and every way out see.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from filmroom.archive.corrections_model import BadCorrection, element_of
from filmroom.archive.rules_policy import CharsetRepair
from filmroom.base.errors import NotReadable
from filmroom.dicom.charset import TEXT_VRS, UTF8, CharacterSet, character_set
from filmroom.dicom.charset_tables import ESC
from filmroom.dicom.conditions_eval import text_of
from filmroom.dicom.conditions_parse import BadCondition, check_expression
from filmroom.dicom.dictionary import keyword_of, tag_of, vr_of
from filmroom.dicom.headertap import Header
from filmroom.dicom.indextags import CHARACTER_SET

Element = Mapping[str, Any]
Read = Callable[[int], Element | None]

MAX_ACTIONS: Final = 50
MAX_TABLE: Final = 10_000

# What an action is called in its JSON object, with its sentence for the generated docs.
ACTIONS: Final[Mapping[str, str]] = {
    "set": "{set: attribute, value: v}: the attribute has this value",
    "copy": "{copy: attribute, from: other}: it has the value of another attribute; nothing where that has none",
    "remove": "{remove: attribute}: it is not there",
    "empty": "{empty: attribute}: it is there without a value",
    "replace": "{replace: attribute, pattern: regex, with: text}: each match in a value becomes the text",
    "prefix": "{prefix: attribute, value: text}: the text stands before each value that has not got it",
    "suffix": "{suffix: attribute, value: text}: the text stands behind each value that has not got it",
    "map": "{map: attribute, table: {from: to}, otherwise: text}: each value by a table; without otherwise others stay",
}
_NEVER: Final = frozenset({0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x04000561})


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a coercion rule."""

    kind: str
    tag: int
    value: Any = None
    source: int = 0
    pattern: re.Pattern[str] | None = None
    table: Mapping[str, str] | None = None

    @property
    def tags(self) -> frozenset[int]:
        """The attributes that must be at hand."""
        return frozenset({self.tag, self.source} - {0})


def action_of(row: Any) -> Action:
    """An action from its JSON. Raises NotReadable with what is wrong."""
    kinds = [key for key in ACTIONS if isinstance(row, Mapping) and key in row]
    if len(kinds) != 1:
        raise NotReadable(f"an action is an object with one of {', '.join(ACTIONS)}")
    kind = kinds[0]
    tag = _tag(row[kind])
    match kind:
        case "set":
            return Action(kind, tag, element_of(tag, row.get("value", "")))
        case "copy":
            return Action(kind, tag, source=_tag(row.get("from"), changed=False))
        case "remove" | "empty":
            return Action(kind, tag)
        case "replace":
            pattern = _text(row, "pattern")
            check_expression(pattern, 0, pattern)
            return Action(kind, tag, _text(row, "with"), pattern=re.compile(pattern))
        case "prefix" | "suffix":
            return Action(kind, tag, _text(row, "value"))
        case _:
            table = row.get("table")
            if not isinstance(table, Mapping) or len(table) > MAX_TABLE or not all(map(_is_text, table.items())):
                raise NotReadable(f"map: table is an object of texts, at most {MAX_TABLE}")
            return Action(kind, tag, row.get("otherwise"), table=dict(table))


def actions_of(rows: Any) -> tuple[Action, ...]:
    """The actions of a rule."""
    if not isinstance(rows, list) or len(rows) > MAX_ACTIONS:
        raise NotReadable(f"actions are a list of at most {MAX_ACTIONS}")
    return tuple(action_of(row) for row in rows)


def apply(actions: Sequence[Action], changes: dict[str, Element | None], read: Read) -> None:
    """Carry actions out on what earlier ones made (``changes``, by hex key) of the object (``read``).

    An action whose result does not fit the attribute changes nothing: a rule must not keep an object out.
    """

    def now(tag: int) -> Element | None:
        name = f"{tag:08X}"
        return changes[name] if name in changes else read(tag)

    for action in actions:
        name = f"{action.tag:08X}"
        try:
            made = _made(action, now)
        except BadCorrection:
            continue
        if made is not _NOTHING and made != now(action.tag):
            changes[name] = made
            if made == read(action.tag):
                del changes[name]


_NOTHING: Final[Element] = {"nothing": True}


def _made(action: Action, now: Read) -> Element | None:
    """The attribute afterwards, None for not there, _NOTHING for unchanged."""
    match action.kind:
        case "set":
            value: Element | None = action.value
            return value
        case "remove":
            return None
        case "empty":
            return {"vr": vr_of(action.tag)}
        case "copy":
            values = (now(action.source) or {}).get("Value")
            return element_of(action.tag, [text_of(each) for each in values]) if values else _NOTHING
    values = (now(action.tag) or {}).get("Value")
    if not values:
        return _NOTHING
    return element_of(action.tag, [_text_made(action, text_of(each)) for each in values])


def _text_made(action: Action, text: str) -> str:
    if action.kind == "replace":
        assert action.pattern is not None
        return action.pattern.sub(action.value, text[:200]) + text[200:]
    if action.kind == "prefix":
        return text if text.startswith(action.value) else action.value + text
    if action.kind == "suffix":
        return text if text.endswith(action.value) else text + action.value
    assert action.table is not None
    return str(action.table.get(text, text if action.value is None else action.value))


def _tag(name: Any, *, changed: bool = True) -> int:
    tag = tag_of(name) if isinstance(name, str) else None
    if tag is None:
        raise NotReadable(f"{name} is none of DICOM's attributes")
    if changed and (tag in _NEVER or tag >> 16 > 0x7FDF or tag >> 16 < 8 or vr_of(tag) in ("SQ", "UN", "OB", "OW")):
        raise NotReadable(f"{keyword_of(tag) or name} cannot be changed by a rule")
    return tag


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise NotReadable(f"{key} must be given as text")
    return value


def _is_text(pair: tuple[Any, Any]) -> bool:
    return all(isinstance(each, str) for each in pair)


# -- character sets -------------------------------------------------------------------------------------------------


def repaired_charset(header: Header, wanted: str, when: CharsetRepair) -> str:
    """What the text of an object is really in, when that is not what it says; '' when it may be believed."""
    if when is CharsetRepair.NEVER or not wanted:
        return ""
    said = header.value(CHARACTER_SET).decode("ascii", "replace").strip(" \0")
    if said == wanted:
        return ""
    if when is CharsetRepair.ALWAYS:
        return wanted
    foreign = [
        element.value
        for element in header.elements.values()
        if (element.vr if element.vr != "UN" else vr_of(element.tag)) in TEXT_VRS and not element.value.isascii()
    ]
    if not foreign:
        return ""
    if not said or said == "ISO_IR 6":
        return wanted
    if when is CharsetRepair.MISSING:
        return ""
    return wanted if _better(foreign, character_set(said), character_set(wanted)) else ""


def _better(foreign: Sequence[bytes], said: CharacterSet, wanted: CharacterSet) -> bool:
    """Whether the bytes make sense in ``wanted``, and not in ``said``: a set of one byte a character explains any byte,
    but two Latin letters with accents seldom stand together, and Chinese characters always come in two bytes."""
    if any(ESC in value for value in foreign) or any(wanted.decode_checked(value)[1] for value in foreign):
        return False
    if any(said.decode_checked(value)[1] for value in foreign):
        return True
    if said.terms[0].whole:  # UTF-8 or GB18030, and valid: believed
        return False
    if wanted is UTF8 or wanted.values == UTF8.values:
        return True  # no text of another set is valid UTF-8 by chance
    runs = [run for value in foreign for run in _HIGH.findall(value)]
    letters = [each for value in foreign for each in wanted.decode(value) if not each.isascii()]
    common = _COMMON.get((wanted.terms[0].whole or "").lower())
    if common is None:  # a set of one byte against another: nothing but a person can tell
        return False
    return all(len(run) % 2 == 0 for run in runs) and 2 * sum(_has(common, each) for each in letters) >= len(letters)


_HIGH: Final = re.compile(rb"[\x80-\xff]+")
# The everyday characters of a large set; rare ones come of misreading.
_COMMON: Final = {"gb18030": "gb2312", "gbk": "gb2312"}


def _has(codec: str, character: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


__all__ = ["ACTIONS", "Action", "BadCondition", "action_of", "actions_of", "apply", "repaired_charset"]
