"""The file header: written strictly, read with tolerance."""

import io

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from tests.fixtures.dicom_bytes import BIG, EXPLICIT, IMPLICIT, element

from filmroom.base.errors import NotReadable
from filmroom.dicom.part10 import MAX_META_BYTES, FileMeta, guess_transfer_syntax, plain_preamble, read_meta, write_meta

pytestmark = pytest.mark.capability("1.1.12")
CT = "1.2.840.10008.5.1.4.1.1.2"
DATASET = element(0x00080016, "UI", CT.encode() + b"\0") + element(0x00080018, "UI", b"1.2.3\0")


def read(data: bytes) -> FileMeta:
    meta = read_meta(data, complete=True)
    assert meta is not None
    return meta


def test_what_is_written_is_what_pydicom_reads() -> None:
    file = write_meta(CT, "1.2.3.4", EXPLICIT, "CT_ROOM_1") + DATASET
    meta = pydicom.dcmread(io.BytesIO(file)).file_meta
    assert meta.MediaStorageSOPClassUID == CT
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert meta.TransferSyntaxUID == EXPLICIT
    assert meta.SourceApplicationEntityTitle == "CT_ROOM_1"
    assert meta.FileMetaInformationGroupLength == len(file) - len(DATASET) - 144


def test_what_is_written_is_read_back_from_any_prefix() -> None:
    file = write_meta(CT, "1.2.3.4", EXPLICIT, "CT") + DATASET
    expected = read(file)
    assert expected.dataset_offset == len(file) - len(DATASET)
    assert (expected.sop_class, expected.sop_uid, expected.source_ae) == (CT, "1.2.3.4", "CT")
    for length in range(len(file)):
        meta = read_meta(file[:length])
        assert meta is None or meta == expected


def test_group_length_is_not_believed() -> None:
    file = bytearray(write_meta(CT, "1.2.3.4", EXPLICIT) + DATASET)
    file[140:144] = b"\xff\xff\xff\xff"
    assert read(bytes(file)).dataset_offset == len(file) - len(DATASET)


@pytest.mark.capability("1.0.11")
def test_a_header_element_longer_than_the_limit_is_refused_at_once() -> None:
    with pytest.raises(NotReadable, match=r"\(0002,0102\)"):
        read_meta(bytes(128) + b"DICM" + element(0x00020102, "OB", b"", length=MAX_META_BYTES + 1))


@pytest.mark.parametrize("start", [bytes(128) + b"DICM", b"DICM", b""])
def test_preamble_and_prefix_may_be_missing(start: bytes) -> None:
    group = write_meta(CT, "1.2.3.4", EXPLICIT)[132:]
    meta = read(start + group + DATASET)
    assert meta.transfer_syntax == EXPLICIT
    assert meta.had_preamble == (len(start) == 132)
    assert meta.dataset_offset == len(start) + len(group)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_a_bare_data_set_is_recognised(syntax: str) -> None:
    meta = read(element(0x00080016, "UI", CT.encode() + b"\0", syntax) + bytes(200))
    assert meta.transfer_syntax == syntax
    assert meta.guessed
    assert not meta.had_meta
    assert meta.dataset_offset == 0


@pytest.mark.parametrize(
    "junk", [b"", b"x", b"GIF89a" + bytes(300), b"{}" * 200, b"PK\x03\x04" + bytes(300), b"\xff" * 300]
)
def test_other_files_are_refused(junk: bytes) -> None:
    with pytest.raises(NotReadable):
        read_meta(junk, complete=True)


def test_a_file_that_ends_inside_group_2_is_refused_only_when_it_is_complete() -> None:
    cut = write_meta(CT, "1.2.3.4", EXPLICIT)[:-5]
    assert read_meta(cut) is None
    with pytest.raises(NotReadable):
        read_meta(cut, complete=True)


def test_a_directory_is_recognised() -> None:
    file = write_meta("1.2.840.10008.1.3.10", "1.2.3", EXPLICIT) + element(0x00041130, "CS", b"SET ")
    assert read(file).is_dicomdir


def test_a_preamble_that_could_be_a_program_is_zeroed_and_tiff_is_kept() -> None:
    assert plain_preamble(b"MZ" + bytes(126)) == bytes(128)
    assert plain_preamble(b"\x7fELF" + bytes(124)) == bytes(128)
    tiff = b"II*\0" + bytes(range(124))
    assert plain_preamble(tiff) == tiff
    assert write_meta(CT, "1.2", EXPLICIT, preamble=tiff)[:128] == tiff


def test_noise_is_not_taken_for_a_data_set() -> None:
    assert guess_transfer_syntax(b"") is None
    assert guess_transfer_syntax(bytes(16)) is None
    assert guess_transfer_syntax(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") is None


def test_an_odd_length_uid_is_padded_with_a_null() -> None:
    group = write_meta("1.2.3", "1.2.3.4", EXPLICIT, "ABC")
    assert len(group) % 2 == 0
    assert b"1.2.3\0" in group
    assert b"ABC " in group
    assert pydicom.filereader.read_preamble(DicomBytesIO(group), False) == bytes(128)
