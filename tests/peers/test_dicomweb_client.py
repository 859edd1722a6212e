"""dicomweb-client: the DICOMweb of OHIF's and the research world's expectations, from an independent client."""

import io
import json
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
from bench.corpus import Study, fresh_run, objects
from bench.servers import Server
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom.dataset import Dataset
from requests import HTTPError, Session
from tests.fixtures.corpus import Ward, new_ward


@pytest.fixture
def client(archive: Server) -> DICOMwebClient:
    session = Session()
    session.headers.update(archive.authorization)
    return DICOMwebClient(f"http://127.0.0.1:{archive.http_port}/dicom-web", session=session)


@pytest.fixture(autouse=True)
def _closed(client: DICOMwebClient) -> object:
    yield
    client._session.close()


def _ids(study: Study, number: int = 1) -> tuple[str, str, str]:
    return study.uid, study.series_uid, study.sop_uid(number)


@pytest.mark.capability("6.2.5")
def test_store(client: DICOMwebClient) -> None:
    ward = new_ward()
    answer = client.store_instances([pydicom.dcmread(io.BytesIO(item.part10())) for item in ward.sets[0]])
    assert {each.ReferencedSOPInstanceUID for each in answer.ReferencedSOPSequence} == {
        item.sop_uid for item in ward.sets[0]
    }
    assert not answer.get("FailedSOPSequence")
    assert len(client.search_for_instances(ward.ct.uid)) == 4


@pytest.mark.capability("6.2.5")
def test_store_into_another_study_is_refused(client: DICOMwebClient) -> None:
    """PS3.18 10.5.2: each instance must belong to the study in the path."""
    item = next(objects("tiny", Study(fresh_run(), 0), 1))
    with pytest.raises(HTTPError) as caught:
        client.store_instances([pydicom.dcmread(io.BytesIO(item.part10()))], study_instance_uid="2.25.77")
    assert caught.value.response.status_code == 409


@pytest.mark.capability("6.2.4", "1.2.5")
@pytest.mark.parametrize("by", ["PatientID", "StudyInstanceUID", "AccessionNumber", "PatientName"])
def test_search_for_studies(by: str, client: DICOMwebClient, ward: Ward) -> None:
    study = ward.ct
    value = {
        "PatientID": study.patient_id,
        "StudyInstanceUID": study.uid,
        "AccessionNumber": study.accession,
        "PatientName": study.patient_name.split("^")[0] + "*",
    }[by]
    found = client.search_for_studies(search_filters={by: value}, fields=["StudyDescription"])
    assert [each["0020000D"]["Value"] for each in found] == [[study.uid]]
    one = Dataset.from_json(found[0])
    assert str(one.PatientName) == study.patient_name
    assert one.StudyDescription == "CT thorax and abdomen with contrast"
    assert (one.NumberOfStudyRelatedSeries, one.NumberOfStudyRelatedInstances) == (1, 4)
    assert one.ModalitiesInStudy == "CT"


@pytest.mark.capability("6.2.4")
def test_search_below(client: DICOMwebClient, ward: Ward) -> None:
    study, items = ward.ct, ward.sets[0]
    series = client.search_for_series(study.uid)
    assert [each["0020000E"]["Value"] for each in series] == [[study.series_uid]]
    instances = client.search_for_instances(study.uid, study.series_uid)
    assert {each["00080018"]["Value"][0] for each in instances} == {item.sop_uid for item in items}
    one = client.search_for_instances(search_filters={"SOPInstanceUID": items[0].sop_uid})
    assert len(one) == 1


@pytest.mark.capability("6.2.4")
def test_search_pages_do_not_overlap(client: DICOMwebClient, ward: Ward) -> None:
    pages = [client.search_for_studies(limit=1, offset=offset) for offset in range(3)]
    uids = [each["0020000D"]["Value"][0] for page in pages for each in page]
    assert len(uids) == len(set(uids)) == 3


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_retrieve(level: str, client: DICOMwebClient, ward: Ward) -> None:
    study = ward.ct
    got = {
        "study": lambda: client.retrieve_study(study.uid),
        "series": lambda: client.retrieve_series(study.uid, study.series_uid),
        "instance": lambda: [client.retrieve_instance(*_ids(study))],
    }[level]()
    wanted = ward.sets[0][:1] if level == "instance" else ward.sets[0]
    assert {str(each.SOPInstanceUID): bytes(each.PixelData) for each in got} == {
        item.sop_uid: item.pixels for item in wanted
    }


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_metadata(level: str, client: DICOMwebClient, ward: Ward) -> None:
    """Equal, element for element, to what pydicom makes of the files."""
    study = ward.ct
    got = {
        "study": lambda: client.retrieve_study_metadata(study.uid),
        "series": lambda: client.retrieve_series_metadata(study.uid, study.series_uid),
        "instance": lambda: [client.retrieve_instance_metadata(*_ids(study))],
    }[level]()
    by_uid = {each["00080018"]["Value"][0]: each for each in got}
    wanted = ward.sets[0][:1] if level == "instance" else ward.sets[0]
    assert set(by_uid) == {item.sop_uid for item in wanted}
    for item in wanted:
        file = pydicom.dcmread(io.BytesIO(item.part10()), stop_before_pixels=True)
        expected = json.loads(file.to_json(bulk_data_threshold=1 << 20))
        mine = {tag: value for tag, value in by_uid[item.sop_uid].items() if tag in expected}
        mine = {tag: expected[tag] if "BulkDataURI" in value else value for tag, value in mine.items()}
        assert set(mine) >= set(expected) - {"00080005"}
        assert Dataset.from_json(mine) == Dataset.from_json({tag: expected[tag] for tag in mine})


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("media_types", [None, ("application/octet-stream",)])
def test_frames(media_types: tuple[str, ...] | None, client: DICOMwebClient, ward: Ward) -> None:
    """Asked for as raw bytes, and as the client asks by itself: ``type="*/*"``."""
    frames = client.retrieve_instance_frames(*_ids(ward.ct), frame_numbers=[1], media_types=media_types)
    assert [bytes(each) for each in frames] == [ward.sets[0][0].pixels]


@pytest.mark.capability("6.2.5")
def test_frames_of_a_loop(client: DICOMwebClient, archive: Server) -> None:
    study = Study(fresh_run(), 0)
    item = next(objects("cine-small", study, 1))
    client.store_instances([pydicom.dcmread(io.BytesIO(item.part10()))])
    size = 640 * 480 * 3
    raw = ("application/octet-stream",)
    frames = client.retrieve_instance_frames(*_ids(study), frame_numbers=[2, 33], media_types=raw)
    assert [bytes(each) for each in frames] == [item.pixels[size : 2 * size], item.pixels[32 * size :]]


@pytest.mark.capability("6.2.5")
def test_a_frame_that_is_not_there(client: DICOMwebClient, ward: Ward) -> None:
    with pytest.raises(HTTPError) as caught:
        client.retrieve_instance_frames(*_ids(ward.ct), frame_numbers=[2])
    assert caught.value.response.status_code in (400, 404)


@pytest.mark.capability("6.2.5")
def test_bulk_data(client: DICOMwebClient, archive: Server, ward: Ward) -> None:
    """The client names no port in its Host header, so only the path of the URI is taken."""
    metadata = client.retrieve_instance_metadata(*_ids(ward.ct))
    path = urlsplit(metadata["7FE00010"]["BulkDataURI"]).path
    found = client.retrieve_bulkdata(f"http://127.0.0.1:{archive.http_port}{path}")
    assert b"".join(map(bytes, found)) == ward.sets[0][0].pixels


@pytest.mark.capability("6.2.5")
@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
def test_rendered(media_type: str, client: DICOMwebClient, ward: Ward) -> None:
    picture = client.retrieve_instance_rendered(*_ids(ward.ct), media_types=(media_type,))
    image = Image.open(io.BytesIO(picture))
    assert image.size == (512, 512)
    pixels = np.asarray(image.convert("L"))
    assert pixels.std() > 10, "a picture with something on it"


@pytest.mark.capability("6.2.5")
def test_what_is_not_there_is_404(client: DICOMwebClient) -> None:
    with pytest.raises(HTTPError) as caught:
        client.retrieve_study_metadata("2.25.404404")
    assert caught.value.response.status_code == 404


@pytest.mark.capability("6.2.5")
def test_nobody_gets_in_without_a_token(filmroom: Server, ward: Ward) -> None:
    client = DICOMwebClient(f"http://127.0.0.1:{filmroom.http_port}/dicom-web")
    with pytest.raises(HTTPError) as caught:
        client.search_for_studies()
    assert caught.value.response.status_code == 401
    client._session.close()
