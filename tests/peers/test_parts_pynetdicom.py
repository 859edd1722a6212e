"""Frames of an object, and objects without their bulk data, fetched by pynetdicom (PS3.4 annex Y and Z)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from bench.servers import Filmroom, Server, free_port
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role, evt
from tests.fixtures.corpus import Sample, fresh_samples

FRAME_GET = "1.2.840.10008.5.1.4.1.2.4.3"
FRAME_MOVE = "1.2.840.10008.5.1.4.1.2.4.2"
WITHOUT_BULK = "1.2.840.10008.5.1.4.1.2.5.3"
MULTIFRAMES = {"rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm", "examples_ybr_color.dcm"}
PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@pytest.fixture(scope="module")
def multiframes(archive: Server, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Sample]:
    """Multi-frame samples of the corpus, native and compressed, sent to the archive."""
    chosen = [each for each in fresh_samples() if each.name in MULTIFRAMES]
    assert len(chosen) == len(MULTIFRAMES)
    store(archive, chosen, tmp_path_factory.mktemp("multiframes"))
    return chosen


def store(archive: Server, chosen: Sequence[Sample], folder: Path) -> None:
    for each in chosen:
        file = folder / each.name
        file.write_bytes(each.data)
        ae = AE()
        ae.add_requested_context(each.sop_class, each.transfer_syntax)
        association = ae.associate("127.0.0.1", archive.dicom_port, ae_title=archive.ae)
        assert association.is_established
        try:
            assert association.send_c_store(str(file)).Status == 0, each.name
        finally:
            association.release()


@contextmanager
def _getting(
    archive: Server, model: str, sop_class: str, syntaxes: Sequence[str]
) -> Iterator[tuple[Any, list[Dataset]]]:
    received: list[Dataset] = []

    def on_store(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.append(dataset)
        return 0

    ae = AE(ae_title="PARTS")
    ae.add_requested_context(model, PLAIN)
    for syntax in syntaxes:
        ae.add_requested_context(sop_class, syntax)
    role = build_role(sop_class, scu_role=False, scp_role=True)
    handlers = [(evt.EVT_C_STORE, on_store)]
    association = ae.associate(
        "127.0.0.1", archive.dicom_port, ae_title=archive.ae, ext_neg=[role], evt_handlers=handlers
    )
    assert association.is_established
    try:
        yield association, received
    finally:
        association.release()


def _identifier(sop_uid: str, level: str = "FRAME", **keys: Any) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    asked.SOPInstanceUID = sop_uid
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


@pytest.mark.capability("1.4.1")
def test_y33_simple_frame_list_makes_a_new_valid_object(filmroom: Filmroom, multiframes: Sequence[Sample]) -> None:
    for sample in multiframes:
        original = pydicom.dcmread(BytesIO(sample.data))
        syntaxes = [sample.transfer_syntax, *PLAIN]
        with _getting(filmroom, FRAME_GET, sample.sop_class, syntaxes) as (association, received):
            answers = list(association.send_c_get(_identifier(sample.sop_uid, SimpleFrameList=[1, 3]), FRAME_GET))
        assert answers[-1][0].Status == 0, sample.name
        assert answers[-1][0].NumberOfCompletedSuboperations == 1
        (made,) = received
        assert made.SOPInstanceUID != sample.sop_uid
        assert made.SeriesInstanceUID == original.SeriesInstanceUID
        assert made.NumberOfFrames == 2
        extraction = made.FrameExtractionSequence[-1]
        assert extraction.MultiFrameSourceSOPInstanceUID == sample.sop_uid
        assert list(extraction.SimpleFrameList) == [1, 3]
        assert made.ContributingEquipmentSequence[-1].PurposeOfReferenceCodeSequence[0].CodeValue == "109105"
        pixels = original.pixel_array
        assert np.array_equal(made.pixel_array, pixels[[0, 2]]), sample.name


@pytest.mark.capability("1.4.1")
def test_y32_calculated_list_and_time_range(filmroom: Filmroom, multiframes: Sequence[Sample]) -> None:
    sample = next(each for each in multiframes if each.name == "examples_ybr_color.dcm")
    original = pydicom.dcmread(BytesIO(sample.data))
    step_s = float(original.FrameTime) / 1000
    lists: list[tuple[dict[str, Any], list[int]]] = [
        ({"CalculatedFrameList": [2, 0xFFFFFFFF, 9]}, [2, 11, 20, 29]),
        ({"TimeRange": [2 * step_s, 4 * step_s + 1e-6]}, [3, 4, 5]),
    ]
    with _getting(filmroom, FRAME_GET, sample.sop_class, [sample.transfer_syntax]) as (association, received):
        for keys, frames in lists:
            answers = list(association.send_c_get(_identifier(sample.sop_uid, **keys), FRAME_GET))
            assert answers[-1][0].Status == 0
            assert np.array_equal(received[-1].pixel_array, original.pixel_array[[number - 1 for number in frames]])


@pytest.mark.capability("1.4.1")
def test_aa03_frames_without_times(filmroom: Filmroom, multiframes: Sequence[Sample]) -> None:
    sample = next(each for each in multiframes if each.name == "rtdose.dcm")
    with _getting(filmroom, FRAME_GET, sample.sop_class, PLAIN) as (association, _):
        answers = list(association.send_c_get(_identifier(sample.sop_uid, TimeRange=[0.0, 1.0]), FRAME_GET))
    assert answers[-1][0].Status == 0xAA03


@pytest.mark.capability("1.4.1")
@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ({"SimpleFrameList": [9000]}, 0xAA00),
        ({"SimpleFrameList": [3, 2]}, 0xAA04),
        ({"CalculatedFrameList": [1, 2]}, 0xAA04),
        ({}, 0xAA04),
        ({"SimpleFrameList": [1], "TimeRange": [0.0, 1.0]}, 0xAA04),
    ],
)
def test_table_y41_statuses(
    filmroom: Filmroom, multiframes: Sequence[Sample], keys: dict[str, Any], status: int
) -> None:
    sample = multiframes[0]
    with _getting(filmroom, FRAME_GET, sample.sop_class, PLAIN) as (association, received):
        answers = list(association.send_c_get(_identifier(sample.sop_uid, **keys), FRAME_GET))
        assert answers[-1][0].Status == status
        assert answers[-1][0].ErrorComment
        unknown = list(association.send_c_get(_identifier("2.25.1", SimpleFrameList=[1]), FRAME_GET))
        assert unknown[-1][0].Status == 0xAA02
    assert received == []


@pytest.mark.capability("1.3.1", "1.4.1")
def test_frames_are_moved_to_another_node(filmroom: Filmroom, multiframes: Sequence[Sample]) -> None:
    sample = next(each for each in multiframes if each.name == "rtdose.dcm")
    received: list[bytes] = []

    def on_store(event: evt.Event) -> int:
        received.append(event.request.DataSet.getvalue())
        return 0

    sink = AE(ae_title="FRAMESINK")
    sink.supported_contexts = [build_context(sample.sop_class, PLAIN)]
    port = free_port()
    server = sink.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
    filmroom.add_destination("FRAMESINK", port)
    try:
        ae = AE(ae_title="PARTS")
        ae.add_requested_context(FRAME_MOVE, PLAIN)
        association = ae.associate("127.0.0.1", filmroom.dicom_port, ae_title=filmroom.ae)
        assert association.is_established
        answers = list(
            association.send_c_move(_identifier(sample.sop_uid, SimpleFrameList=[2]), "FRAMESINK", FRAME_MOVE)
        )
        association.release()
    finally:
        server.shutdown()
    assert answers[-1][0].Status == 0
    assert len(received) == 1


@pytest.mark.capability("1.4.1")
def test_z13_bulk_data_is_left_out(filmroom: Filmroom, tmp_path: Path) -> None:
    chosen = [each for each in fresh_samples() if each.part10 and each.name.startswith(("CT_small", "anonymous_ecg"))]
    assert len(chosen) >= 1
    store(filmroom, chosen, tmp_path)
    for sample in chosen:
        original = pydicom.dcmread(BytesIO(sample.data))
        with _getting(filmroom, WITHOUT_BULK, sample.sop_class, PLAIN) as (association, received):
            asked = _identifier(sample.sop_uid, "IMAGE")
            answers = list(association.send_c_get(asked, WITHOUT_BULK))
        assert answers[-1][0].Status == 0
        (made,) = received
        assert "PixelData" not in made
        assert all("WaveformData" not in each for each in made.get("WaveformSequence", ()))
        assert made.SOPInstanceUID == sample.sop_uid
        assert str(made.PatientName) == str(original.PatientName)
        left = {element.tag for element in original if element.tag.group not in (0x7FE0, 0x5400, 0xFFFC)}
        assert left - {element.tag for element in made} <= {0x00080005}
