"""The sample hospital: readable files, names in their scripts, the same objects each time."""

from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from filmroom.cli import demo_data

DAY = date(2026, 3, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.capability("2.1.2")
def test_the_sample_hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_data, "CT_SLICES", 8)
    monkeypatch.setattr(demo_data, "_BRAIN_SLICES", 2)
    heard: list[tuple[int, int]] = []
    made = demo_data.make_demo(tmp_path, lambda done, total: heard.append((done, total)), DAY)
    assert heard[-1] == (len(made), len(made))

    objects = [pydicom.dcmread(path) for path in made]
    assert max(Counter(each.SOPInstanceUID for each in objects).values()) == 1
    own = [each for each in objects if each.get("IssuerOfPatientID") == "FILMROOM"]
    names = {str(each.PatientName) for each in own}
    assert {"Zhang^Wei=张^伟", "Wang^XiuYing=王^秀英", "Yamada^Tarou=山田^太郎=やまだ^たろう"} < names
    assert {each.Modality for each in own} == {"CT", "CR", "MR", "US", "XA", "SR", "SEG", "RTSTRUCT", "DOC"}
    assert all(each.StudyDate <= "20260301" for each in own)

    slices = sorted(
        (each for each in own if each.get("SeriesDescription") == "Chest 1.25 mm"), key=lambda each: each.InstanceNumber
    )
    heights = [float(each.ImagePositionPatient[2]) for each in slices]
    np.testing.assert_allclose(np.diff(heights), 1.25)
    assert slices[0].pixel_array.shape == (512, 512)
    units = slices[0].pixel_array.astype(int) - 1024
    assert np.median(units[:20]) == pytest.approx(-1000, abs=15)
    assert units.max() > 300


@pytest.mark.filterwarnings("ignore")
def test_making_it_again_makes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_data, "CT_SLICES", 4)
    monkeypatch.setattr(demo_data, "_BRAIN_SLICES", 1)
    first, second = (
        demo_data.make_demo(tmp_path / name, lambda done, total: None, DAY) for name in ("first", "second")
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
