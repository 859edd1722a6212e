"""The requirements catalogue: ids, titles, tiers, parts, people, in both languages."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh"]
CATALOGUE = Path("docs/requirements/catalogue.toml")
ID = re.compile(r"[1-7]\.\d\.\d{1,2}")


class BadCatalogue(ValueError):
    """A line of the catalogue contradicts itself; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One line: ``parts`` runs from the part where it begins to the part where it is complete."""

    id: str
    tier: str
    parts: tuple[int, ...]
    who: tuple[str, ...]
    title: Mapping[str, str]

    @property
    def module(self) -> str:
        return self.id[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Requirements in the order of their ids, and the words for tiers, people, parts and modules."""

    current_part: int
    tiers: Mapping[str, Mapping[str, str]]
    people: Mapping[str, Mapping[str, str]]
    parts: Mapping[str, Mapping[str, str]]
    modules: Mapping[str, Mapping[str, str]]
    requirements: Mapping[str, Requirement]


def order(identifier: str) -> tuple[int, ...]:
    """Sort key: 1.0.10 comes after 1.0.9."""
    return tuple(map(int, identifier.split(".")))


def load(root: Path) -> Catalogue:
    """Read and check the catalogue. Raises BadCatalogue."""
    tree = tomllib.loads((root / CATALOGUE).read_text(encoding="utf-8"))
    words = {name: tree[name] for name in ("tiers", "people", "parts", "modules")}
    lines = {}
    for identifier, line in sorted(tree["requirements"].items(), key=lambda item: order(item[0])):
        title = {"en": line["en"], "zh": line["zh"]}
        lines[identifier] = Requirement(
            id=identifier, tier=line["tier"], parts=tuple(line["parts"]), who=tuple(line["who"]), title=title
        )
        _check(lines[identifier], words)
    return Catalogue(current_part=tree["current_part"], requirements=lines, **words)


def _check(line: Requirement, words: Mapping[str, Mapping[str, object]]) -> None:
    unknown = {line.tier} - set(words["tiers"]) | set(line.who) - set(words["people"])
    unknown |= {str(part) for part in line.parts} - set(words["parts"])
    if not ID.fullmatch(line.id) or unknown or not line.parts or list(line.parts) != sorted(set(line.parts)):
        raise BadCatalogue(f"{CATALOGUE}: {line.id}: {sorted(unknown) or 'malformed id or parts'}")
