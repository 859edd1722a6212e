"""Filmroom calls DCMTK: ``filmroom echo|send|find|move`` against dcmqrscp."""

from pathlib import Path

import pytest
from bench.servers import Filmroom
from bench.waiting import until
from tests.fixtures.corpus import dataset_of, new_ward
from tests.fixtures.server import stored_in
from tests.fixtures.server_tools import dcmqrscp, storescp


@pytest.mark.capability("1.5.1")
def test_echo(filmroom: Filmroom, tmp_path: Path) -> None:
    with storescp(tmp_path / "peer") as peer:
        filmroom.cli("echo", peer.at)


@pytest.mark.capability("1.5.1")
def test_echo_to_nobody_says_so(filmroom: Filmroom) -> None:
    said = filmroom.cli("echo", "NOBODY@127.0.0.1:1", check=False)
    assert said.strip()
    assert "Traceback" not in said


@pytest.mark.capability("1.1.17")
def test_send_writes_the_same_data_sets(filmroom: Filmroom, tmp_path: Path) -> None:
    ward = new_ward()
    ward.write(tmp_path / "files")
    with storescp(tmp_path / "peer") as peer:
        filmroom.cli("send", peer.at, str(tmp_path / "files"))
        received = sorted(dataset_of(path.read_bytes()) for path in peer.files())
    assert received == sorted(item.dataset for item in ward.every())


@pytest.mark.capability("1.1.17", "1.2.1")
def test_send_find_and_move_with_dcmqrscp(filmroom: Filmroom, tmp_path: Path) -> None:
    """What is sent there is found there by name, and comes home when we move it to ourselves."""
    ward = new_ward()
    ward.write(tmp_path / "files")
    with dcmqrscp(tmp_path / "peer", moves_to=[(filmroom.ae, filmroom.dicom_port)]) as peer:
        filmroom.cli("send", peer.at, str(tmp_path / "files"))
        found = filmroom.cli(
            "find", peer.at, f"PatientName={ward.ct.patient_name.split('^')[0]}*", "PatientID", "--json"
        )
        assert ward.ct.patient_id in found
        filmroom.cli("move", peer.at, filmroom.ae, f"StudyInstanceUID={ward.ct.uid}")
    wanted = {item.sop_uid for item in ward.sets[0]}
    until(lambda: stored_in(filmroom, ward.ct.uid) == wanted, what="the moved study here")
