"""Free text of a search box as SQL: the beginning of a name's part, of an identifier or of an accession number."""

from dataclasses import dataclass
from typing import Final

from filmroom.base.ids import is_uid
from filmroom.dicom.question import Level, Wildcard
from filmroom.index.query_terms import NEVER, Parameters, any_of, like_pattern, names_condition, storable

# What somebody types; a longer text is no name.
MAX_CHARACTERS: Final = 200
_LETTERS: Final = str.maketrans("", "", "*?")


@dataclass(frozen=True, slots=True)
class Words:
    """``condition`` holds for a row of the level; ``candidates`` selects the keys of the rows that may be meant."""

    condition: str
    candidates: str


def words(text: str, level: Level, at: Parameters) -> Words:
    """How patients or studies are found by what somebody typed: names with their pinyin and initials, Patient IDs of
    any issuer, and for studies accession numbers and the whole Study Instance UID."""
    typed = text.strip().translate(_LETTERS)[:MAX_CHARACTERS]
    if not typed or not storable(typed):
        return Words(NEVER, f"SELECT pk FROM patient WHERE {NEVER}")
    name = names_condition(Wildcard(f"{typed}*"), at, fuzzy=True) or NEVER
    starts = [at.add(like_pattern(f"{one}*")) for one in sorted({typed, typed.upper(), typed.lower()})]
    identifier = f"x.value <> '' AND {any_of(f'x.value LIKE {start}' for start in starts)}"
    if level is Level.PATIENT:
        some = f"EXISTS (SELECT FROM patient_identifier AS x WHERE x.patient_pk = p.pk AND {identifier})"
        return Words(any_of([name, some]), "")
    accession = f"(s.accession <> '' AND {any_of(f's.accession LIKE {start}' for start in starts)})"
    some = f"EXISTS (SELECT FROM patient_identifier AS x WHERE x.patient_pk = s.patient_pk AND {identifier})"
    parts, conditions = [], [name, some, accession]
    if name != NEVER:
        parts.append(f"SELECT s.pk FROM patient AS p JOIN study AS s ON s.patient_pk = p.pk WHERE {name}")
    parts += [
        f"SELECT s.pk FROM patient_identifier AS x JOIN study AS s ON s.patient_pk = x.patient_pk WHERE {identifier}",
        f"SELECT s.pk FROM study AS s WHERE {accession}",
    ]
    if is_uid(typed) and "." in typed:
        conditions.append(f"s.study_uid = {at.add(typed)}")
        parts.append(f"SELECT s.pk FROM study AS s WHERE {conditions[-1]}")
    return Words(any_of(conditions), f"SELECT pk FROM ({' UNION ALL '.join(parts)}) AS meant")
