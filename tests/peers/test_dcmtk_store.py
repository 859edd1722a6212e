"""DCMTK sends: echoscu, storescu, dcmsend."""

from pathlib import Path

import pytest
from bench.corpus import Study, fresh_run, objects
from bench.servers import Filmroom, Server
from tests.fixtures.corpus import fresh_samples, new_ward
from tests.fixtures.server import stored_in
from tests.fixtures.server_tools import ToolFailed, run_tool


@pytest.mark.capability("1.5.1")
def test_echoscu_is_answered(archive: Server) -> None:
    run_tool("echoscu", "-aec", archive.ae, "127.0.0.1", archive.dicom_port)


@pytest.mark.capability("1.0.1")
def test_a_wrong_called_ae_title_is_refused_with_its_reason(filmroom: Filmroom) -> None:
    with pytest.raises(ToolFailed, match="Called AE Title Not Recognized"):
        run_tool("echoscu", "-v", "-aec", "SOMEBODY", "127.0.0.1", filmroom.dicom_port)


@pytest.mark.capability("1.0.4")
def test_128_contexts_with_many_syntaxes_are_negotiated(archive: Server) -> None:
    run_tool("echoscu", "-ppc", 128, "-pts", 38, "-aec", archive.ae, "127.0.0.1", archive.dicom_port)


@pytest.mark.capability("1.1.1", "1.1.4")
def test_storescu_sends_a_folder(archive: Server, tmp_path: Path) -> None:
    ward = new_ward()
    ward.write(tmp_path)
    run_tool("storescu", "+sd", "-aec", archive.ae, "127.0.0.1", archive.dicom_port, tmp_path)
    for study, items in zip(ward.studies, ward.sets, strict=True):
        assert stored_in(archive, study.uid) == {item.sop_uid for item in items}


@pytest.mark.capability("1.1.4")
def test_a_resend_is_answered_with_success_and_changes_nothing(archive: Server, tmp_path: Path) -> None:
    study = Study(fresh_run(), 0)
    file = tmp_path / "one.dcm"
    file.write_bytes(next(objects("mr", study, 1)).part10())
    for _ in range(2):
        run_tool("storescu", "-aec", archive.ae, "127.0.0.1", archive.dicom_port, file)
    assert stored_in(archive, study.uid) == {study.sop_uid(1)}


@pytest.mark.capability("1.1.1", "1.1.2")
def test_dcmsend_sends_every_kind_of_real_file(archive: Server, tmp_path: Path) -> None:
    """Each file in its own transfer syntax; DCMTK decides itself which of the odd ones it can read.

    Without ``rtdose_rle``: its UIDs have VR UN, of which dcmsend makes the SOP Instance UID "32".
    """
    chosen = [each for each in fresh_samples() if not each.name.startswith("rtdose_rle")]
    for number, sample in enumerate(chosen):
        (tmp_path / f"{number:03d}.dcm").write_bytes(sample.data)
    report = tmp_path / "report.txt"
    folder = ("+sd", "+r", "--no-halt", "--no-uid-checks", "--decompress-never", "--create-report-file", report)
    run_tool("dcmsend", "-aec", archive.ae, *folder, "127.0.0.1", archive.dicom_port, tmp_path, check=False)
    said = report.read_text(errors="replace")
    sent = _number(said, "- sent to the peer")
    assert sent >= len(chosen) - 3, said
    assert _number(said, "* with status SUCCESS") == sent, said


def _number(report: str, label: str) -> int:
    line = next((line for line in report.splitlines() if line.strip().startswith(label.strip())), "")
    assert line, report
    return int(line.rpartition(":")[2])
