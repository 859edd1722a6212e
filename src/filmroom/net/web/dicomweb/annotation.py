"""The lines that annotations put on a picture, from its metadata as they are now (PS3.18 8.3.5.1.1)."""

from collections.abc import Mapping
from typing import Any

from filmroom.dicom.render_report import first_text, person_text

Dataset = Mapping[str, Any]

_TECHNIQUE = (
    ("00180050", "{} mm"),  # slice thickness
    ("00180060", "{} kV"),
    ("00181151", "{} mA"),
    ("00181152", "{} mAs"),
    ("00180080", "TR {} ms"),
    ("00180081", "TE {} ms"),
    ("00181060", "trigger {} ms"),
)


def patient_lines(found: Dataset) -> tuple[str, ...]:
    """Name, identifier, birth date and sex."""
    born = date_text(first_text(found, "00100030"))
    return _filled(
        person_text((found.get("00100010", {}).get("Value") or [None])[0]),
        first_text(found, "00100020"),
        "  ".join(_filled(born, first_text(found, "00100040"))),
    )


def technique_lines(found: Dataset) -> tuple[str, ...]:
    """When, where, which image of which series, and how it was made."""
    when = " ".join(_filled(date_text(first_text(found, "00080020")), time_text(first_text(found, "00080030"))))
    place = " ".join(_filled(first_text(found, "00080060"), first_text(found, "00081010")))
    number = "  ".join(
        f"{letters} {first_text(found, tag)}"
        for letters, tag in (("Se", "00200011"), ("Im", "00200013"))
        if first_text(found, tag)
    )
    made = "  ".join(form.format(first_text(found, tag)) for tag, form in _TECHNIQUE if first_text(found, tag))
    return _filled(place, when, first_text(found, "0008103E"), number, made)


def date_text(text: str) -> str:
    """YYYYMMDD as YYYY-MM-DD; anything else as it is."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdecimal() else text


def time_text(text: str) -> str:
    """HHMM... as HH:MM; anything else as it is."""
    return f"{text[:2]}:{text[2:4]}" if len(text) >= 4 and text[:4].isdecimal() else text


def _filled(*texts: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text)
