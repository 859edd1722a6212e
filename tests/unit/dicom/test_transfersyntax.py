"""The table of transfer syntaxes against PS3.6 table A-1."""

import pytest
from pydicom.uid import UID, UID_dictionary

from filmroom.dicom.transfersyntax import TRANSFER_SYNTAXES, lookup

pytestmark = pytest.mark.capability("1.1.2")
IN_THE_STANDARD = [uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"]


@pytest.mark.parametrize("uid", IN_THE_STANDARD)
def test_every_transfer_syntax_of_the_standard_is_known(uid: str) -> None:
    assert lookup(uid).known


@pytest.mark.parametrize("uid", [u for u in IN_THE_STANDARD if u.count(".") > 5 and not u.endswith((".94", ".95"))])
def test_encoding_is_as_pydicom_has_it(uid: str) -> None:
    if uid.startswith(("1.2.840.10008.1.2.6", "1.2.840.10008.1.2.7", "1.2.840.10008.1.2.4.20")):
        return  # not of a stored data set
    syntax, oracle = lookup(uid), UID(uid)
    assert syntax.implicit == oracle.is_implicit_VR
    assert syntax.big_endian == (not oracle.is_little_endian)
    assert syntax.deflated == oracle.is_deflated
    assert syntax.encapsulated == oracle.is_encapsulated


def test_an_unknown_syntax_is_read_as_explicit_little_endian_with_packed_pixels() -> None:
    syntax = lookup("1.2.3.4")
    assert not syntax.known
    assert syntax.encapsulated
    assert not syntax.implicit
    assert not syntax.big_endian


def test_newer_syntaxes_and_their_media_types() -> None:
    assert TRANSFER_SYNTAXES["1.2.840.10008.1.2.4.201"].media_type == "image/jphc"
    assert TRANSFER_SYNTAXES["1.2.840.10008.1.2.4.110"].media_type == "image/jxl"
    assert not TRANSFER_SYNTAXES["1.2.840.10008.1.2.4.110"].lossy
    assert TRANSFER_SYNTAXES["1.2.840.10008.1.2.4.107"].video
    assert TRANSFER_SYNTAXES["1.2.840.10008.1.2.8.1"].encapsulated
