"""Heading lines and tables of the two requirements pages, from the catalogue; the prose stays as written by hand."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.docs.catalogue import BadCatalogue, Catalogue, Language, Requirement, load

PAGES: Mapping[Language, Path] = {
    "en": Path("docs/requirements.md"),
    "zh": Path("docs/requirements.zh-CN.md"),
}
HEADING = re.compile(r"^\*\*R-([\d.]+)[^\d.\n].*$", re.MULTILINE)
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "part": "part ",
        "who": "for: ",
        "and": ", ",
        "capability": "capability ",
        "parts": "Part | Name | Begun | Completed",
        "modules": "Module | Requirements",
    },
    "zh": {
        "part": "阶段 ",
        "who": "适用：",
        "and": "、",
        "capability": "能力 ",
        "parts": "阶段 | 名称 | 开始条数 | 完成条数",
        "modules": "模块 | 条数",
    },
}


def pages(root: Path) -> dict[Path, str]:
    """Both pages with their generated lines renewed. Raises BadCatalogue when page and catalogue name different ids."""
    catalogue = load(root)
    return {root / path: _renew(root / path, catalogue, language) for language, path in PAGES.items()}


def _renew(path: Path, catalogue: Catalogue, language: Language) -> str:
    text = path.read_text(encoding="utf-8")
    named = HEADING.findall(text)
    if named != list(catalogue.requirements):
        odd = set(named) ^ set(catalogue.requirements) or "order or repetition"
        raise BadCatalogue(f"{path.name} and the catalogue differ: {odd}")
    text = HEADING.sub(lambda match: heading(catalogue, catalogue.requirements[match[1]], language), text)
    return BLOCK.sub(lambda match: f"{match[1]}{_table(catalogue, match[2], language)}\n{match[3]}", text)


def heading(catalogue: Catalogue, line: Requirement, language: Language) -> str:
    """The line above a requirement's text; the backslash is Markdown's line break."""
    words = WORDS[language]
    who = words["and"].join(catalogue.people[person][language] for person in line.who)
    facts = [catalogue.tiers[line.tier][language], words["part"] + span(line.parts), words["who"] + who]
    return f"**R-{line.id} {line.title[language]}** · {' · '.join([*facts, words['capability'] + line.id])}\\"


def span(parts: tuple[int, ...]) -> str:
    """``1`` or ``1-3``: where it begins and where it is complete."""
    return str(parts[0]) if len(parts) == 1 else f"{parts[0]}-{parts[-1]}"


def _table(catalogue: Catalogue, name: str, language: Language) -> str:
    rows = {"parts": _parts, "modules": _modules}[name](catalogue, language)
    head = WORDS[language][name]
    if name == "modules":
        head += "".join(f" | {tier[language]}" for tier in catalogue.tiers.values())
    return "\n".join([f"| {head} |", "|---" * (head.count("|") + 1) + "|", *rows])


def _parts(catalogue: Catalogue, language: Language) -> Iterator[str]:
    lines = catalogue.requirements.values()
    for number, name in catalogue.parts.items():
        begun = sum(line.parts[0] == int(number) for line in lines)
        done = sum(line.parts[-1] == int(number) for line in lines)
        yield f"| {number} | {name[language]} | {begun} | {done} |"


def _modules(catalogue: Catalogue, language: Language) -> Iterator[str]:
    for number, name in catalogue.modules.items():
        lines = [line for line in catalogue.requirements.values() if line.module == number]
        tiers = [sum(line.tier == tier for line in lines) for tier in catalogue.tiers]
        yield f"| {number} {name[language]} | {len(lines)} | {' | '.join(map(str, tiers))} |"
