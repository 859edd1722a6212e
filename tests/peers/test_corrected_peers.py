"""Corrected objects on the way out: what other people's software gets has the patient's right name."""

import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from bench import dimse
from bench.corpus import Object, Study, fresh_run, objects
from bench.servers import Filmroom
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from tests.fixtures.corpus import dataset_of
from tests.fixtures.server_tools import Peer, run_tool

NAME = "Müller^Jörg=穆勒^约尔格"
GET = "1.2.840.10008.5.1.4.1.2.2.3"


@pytest.fixture
def corrected(filmroom: Filmroom) -> list[Object]:
    """A study whose patient's name was corrected after it was stored."""
    made = list(objects("ct", Study(fresh_run(), 1), 3))
    with dimse.Association.open(filmroom.dicom, filmroom.ae, [made[0].sop_class]) as association:
        for each in made:
            assert association.store(each) == dimse.SUCCESS
    patient = str(received(made[0].dataset).PatientID)
    filmroom.cli("correct", "patient", patient, f"PatientName={NAME}", "--why", "a test")
    return made


def received(dataset: bytes) -> Dataset:
    """A data set in explicit little endian, read without its file header."""
    return dcmread(io.BytesIO(dataset), force=True)


def check(files: Iterable[Path], made: list[Object]) -> None:
    """Everything is there, under the right name, with the pixels and all else as they came."""
    got = {(each := dcmread(path)).SOPInstanceUID: each for path in files}
    assert got.keys() == {each.sop_uid for each in made}
    for one in made:
        ours = got[one.sop_uid]
        assert str(ours.PatientName) == NAME
        assert ours.PixelData == one.pixels
        before = received(one.dataset)
        for tag in ("PatientName", "SpecificCharacterSet", "OriginalAttributesSequence", "PixelData"):
            for each in (before, ours):
                if tag in each:
                    del each[tag]
        assert {each.tag: each.value for each in before} == {each.tag: each.value for each in ours}


def keys(made: list[Object]) -> tuple[str, ...]:
    return ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={made[0].study_uid}")


@pytest.mark.capability("1.3.5")
def test_movescu_sends_the_corrected_name_to_storescp(
    filmroom: Filmroom, corrected: list[Object], destination: Peer
) -> None:
    address = ("127.0.0.1", filmroom.dicom_port)
    run_tool("movescu", "-S", "-aec", filmroom.ae, "-aem", destination.ae, *keys(corrected), *address)
    check(destination.files(), corrected)


@pytest.mark.capability("1.3.5")
def test_getscu_gets_the_corrected_name(filmroom: Filmroom, corrected: list[Object], tmp_path: Path) -> None:
    address = ("127.0.0.1", filmroom.dicom_port)
    run_tool("getscu", "-S", "+B", "-od", tmp_path, "-aec", filmroom.ae, *keys(corrected), *address)
    check(tmp_path.iterdir(), corrected)


@pytest.mark.capability("1.3.5")
def test_pynetdicom_gets_the_corrected_name(filmroom: Filmroom, corrected: list[Object], tmp_path: Path) -> None:
    def on_store(event: evt.Event) -> int:
        event.dataset.file_meta = event.file_meta
        event.dataset.save_as(tmp_path / event.dataset.SOPInstanceUID, enforce_file_format=True)
        return 0

    entity = AE(ae_title="ASKER")
    entity.add_requested_context(GET)
    entity.add_requested_context(corrected[0].sop_class)
    roles = [build_role(corrected[0].sop_class, scp_role=True)]
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", corrected[0].study_uid
    association = entity.associate(
        *("127.0.0.1", filmroom.dicom_port),
        ae_title=filmroom.ae,
        ext_neg=roles,
        evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )
    assert association.is_established
    answers = [status.Status for status, _ in association.send_c_get(asked, GET)]
    association.release()
    assert answers[-1] == 0
    check(tmp_path.iterdir(), corrected)


@pytest.mark.capability("1.3.5")
def test_an_as_received_device_gets_what_came_bit_for_bit(
    filmroom: Filmroom, corrected: list[Object], tmp_path: Path
) -> None:
    filmroom.cli("device", "add", "ASRECEIVED", "127.0.0.1", "104", "as_received=true")
    address = ("127.0.0.1", filmroom.dicom_port)
    called = ("-aet", "ASRECEIVED", "-aec", filmroom.ae)
    run_tool("getscu", "-S", "+B", "-od", tmp_path, *called, *keys(corrected), *address)
    got = sorted(dataset_of(path.read_bytes()) for path in tmp_path.iterdir())
    assert got == sorted(each.dataset for each in corrected)
