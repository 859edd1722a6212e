"""Statuses (PS3.7 annex C)."""

import pytest
from pynetdicom.status import GENERAL_STATUS, QR_FIND_SERVICE_CLASS_STATUS, code_to_category

from filmroom.wire.dimse.status import C_FIND, C_STORE, GENERAL, StatusClass, comment, status_class, status_name


@pytest.mark.parametrize("code", sorted(set(GENERAL) - {0x0131}))  # 0131H came with storage commitment
def test_general_statuses_have_the_class_of_the_standard(code: int) -> None:
    assert status_class(code).value == code_to_category(code).lower()


def test_no_general_status_is_missing() -> None:
    assert set(GENERAL_STATUS) <= set(GENERAL) | {0xFF00, 0xFF01}


def test_find_statuses_have_a_class_and_a_name() -> None:
    for code, (category, _) in QR_FIND_SERVICE_CLASS_STATUS.items():
        assert status_class(code).value == category.lower()
        assert status_name(code, C_FIND)


def test_names_come_from_the_service_first() -> None:
    assert status_name(0xA701, C_STORE) == "Refused: out of resources"
    assert status_name(0x0124) == "Refused: not authorised"
    assert status_name(0xB123) == "Warning (B123H)"
    assert status_class(0xB007) is StatusClass.WARNING


def test_a_comment_fits_its_element() -> None:
    assert comment("no space: 磁盘满 \\ " + "x" * 100) == ("no space: ??? ? " + "x" * 100)[:64]
