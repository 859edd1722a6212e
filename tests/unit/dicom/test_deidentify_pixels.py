"""Pixels of de-identified objects: blackened where text is known to stand, untouched elsewhere, withheld in doubt."""

from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from filmroom.dicom.deidentify import Recipe, Withheld
from filmroom.dicom.deidentify_pixels import Plan, Region, Template, Written, without_identity
from filmroom.dicom.deidentify_profile import Option
from filmroom.dicom.deidentify_pseudonyms import Pseudonyms
from filmroom.dicom.part10 import read_meta
from filmroom.dicom.pixels_object import StoredObject

FOLDER = Path(pydicom.data.__file__).parent / "test_files"
pytestmark = pytest.mark.capability("7.4.2")
CLEAN = Recipe(pseudonyms=Pseudonyms(b"k" * 32), options=frozenset({Option.CLEAN_PIXELS}))
PLAIN = Recipe(pseudonyms=Pseudonyms(b"k" * 32))
CORNER = Template("Rows > 1", (Region(0, 0, 3, 2),))
FILES = [
    "CT_small.dcm",  # signed, native
    "MR_small_RLE.dcm",
    "MR_small_implicit.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "693_J2KI.dcm",
    "liver_1frame.dcm",  # one bit a pixel
]


def stored(name: str) -> tuple[StoredObject, bytes]:
    data = (FOLDER / name).read_bytes()
    meta = read_meta(data, complete=True)
    assert meta is not None
    return StoredObject.of(data[meta.dataset_offset :], meta.transfer_syntax), data


def pixels(made: Written) -> StoredObject:
    return StoredObject.of(b"".join(made.pieces), made.transfer_syntax)


@pytest.mark.parametrize("name", FILES)
def test_a_region_is_black_and_the_rest_is_as_it_was(name: str) -> None:
    source, _ = stored(name)
    made = pixels(without_identity(source, CLEAN, [CORNER]))
    before, after = source.pixels(), made.pixels()
    assert after.format.frames == before.format.frames
    for number in range(before.format.frames):
        old, new = before.decoded(number).array, after.decoded(number).array
        corner = new[:2, :3]
        assert len(np.unique(corner.reshape(-1, corner.shape[-1] if corner.ndim > 2 else 1), axis=0)) == 1
        assert np.array_equal(old[2:], new[2:])
        assert np.array_equal(old[:2, 3:], new[:2, 3:])
    assert made.attributes.text(0x00280301) == "NO"
    assert "113101" in [item.text(0x00080100) for item in made.attributes.items(0x00120064)]


def test_pixels_without_doubt_are_copied_byte_for_byte() -> None:
    source, _ = stored("MR_small_RLE.dcm")
    made = b"".join(without_identity(source, PLAIN).pieces)
    assert StoredObject.of(made, source.transfer_syntax).pixels().encoded(0) == source.pixels().encoded(0)


def test_a_capture_that_nobody_has_looked_at_is_withheld() -> None:
    source, _ = stored("SC_rgb_rle.dcm")
    with pytest.raises(Withheld, match="burned in"):
        without_identity(source, PLAIN)
    with pytest.raises(Withheld):
        without_identity(source, CLEAN, [Template("Rows = 1", ())])
    assert without_identity(source, PLAIN, trust_pixels=True).transfer_syntax == source.transfer_syntax


def test_around_the_regions_of_an_ultrasound_all_is_black() -> None:
    mask = Plan(keep=(Region(1, 1, 2, 2),)).mask(4, 4)
    assert mask.sum() == 12
    assert not mask[1:3, 1:3].any()
