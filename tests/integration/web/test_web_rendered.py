"""Rendered resources, WADO-URI, reports and documents (PS3.18 8.3.5, 9, 10.4.1.1.3) against the real archive."""

import io
import uuid
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from tests.fixtures import phantom
from tests.fixtures.served import Served, multipart_of
from tests.fixtures.strict_multipart import strict_parts

from filmroom.db.pool import Database

EXPLICIT = "1.2.840.10008.1.2.1"
PDF = b"%PDF-1.4 nothing much\n%%EOF\n1"


def uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


def made(study: str, series: str, sop_class: str, **values: Any) -> Dataset:
    """An object with everything that filing wants."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientName, dataset.PatientID = "Zhang^Wei=张^伟", "P1"
    dataset.PatientBirthDate, dataset.PatientSex = "19680312", "M"
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20261122", "0915", "OT"
    dataset.InstanceNumber = "1"
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def file_of(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = EXPLICIT
    dataset.file_meta = meta
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def image(study: str, series: str, pixels: Any, **values: Any) -> Dataset:
    dataset = made(study, series, "1.2.840.10008.5.1.4.1.1.7.4", **values)
    for element in phantom.attributes(pixels):
        if element.tag >> 16 == 0x28:
            dataset.add(element)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    return dataset


async def store(served: Served, *datasets: Dataset) -> None:
    body, media = multipart_of([file_of(dataset) for dataset in datasets])
    answer = await served.client.post("/dicom-web/studies", content=body, headers={"content-type": media})
    assert answer.status_code == 200, answer.text


def address(dataset: Dataset) -> str:
    return (
        f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def query(dataset: Dataset, **more: str) -> dict[str, str]:
    return {
        "requestType": "WADO",
        "studyUID": dataset.StudyInstanceUID,
        "seriesUID": dataset.SeriesInstanceUID,
        "objectUID": dataset.SOPInstanceUID,
        **more,
    }


def opened(body: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(body)))


@pytest.mark.capability("6.2.3", "6.2.2")
async def test_wado_uri_gives_pictures_and_objects(served: Served) -> None:
    pixels = np.stack([phantom.slope(60, 80, top=4095), phantom.slope(60, 80, top=2000)])
    one = image(uid(), uid(), pixels[0])
    many = image(one.StudyInstanceUID, one.SeriesInstanceUID, pixels)
    await store(served, one, many)

    async def get(of: Dataset, **more: str) -> Any:
        return await served.client.get("/wado", params=query(of, **more), headers={"accept": "*/*"})

    plain = await get(one)
    assert (plain.status_code, plain.headers["content-type"]) == (200, "image/jpeg")
    assert (await get(many)).headers["content-type"].startswith("application/dicom")
    assert (await get(many, frameNumber="2")).headers["content-type"] == "image/jpeg"
    png = {"contentType": "image/png"}
    assert opened((await get(one, **png, rows="30", columns="400")).content).shape == (30, 40)
    half = opened((await get(one, **png, region="0.5,0,1,0.5")).content)
    whole = opened((await get(one, **png)).content)
    np.testing.assert_array_equal(half, whole[:30, 40:])
    dark = opened((await get(one, **png, windowCenter="5000", windowWidth="100")).content)
    assert dark.max() == 0
    lettered = opened((await get(one, **png, annotation="patient,technique")).content)
    assert (lettered != whole).any()
    gif = Image.open(io.BytesIO((await get(many, contentType="image/gif")).content))
    assert getattr(gif, "n_frames", 1) == 2
    file = await get(one, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.80")
    assert pydicom.dcmread(io.BytesIO(file.content)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    again = await served.client.get("/wado", params=query(one), headers={"if-none-match": plain.headers["etag"]})
    assert again.status_code == 304
    for status, more in [
        (400, {"requestType": "other"}),
        (400, {"objectUID": "not a uid"}),
        (400, {"anonymize": "yes"}),
        (400, {"windowCenter": "1"}),
        (400, {"region": "0,0,2,1"}),
        (400, {"imageQuality": "101"}),
        (400, {"rows": "x"}),
        (400, {"frameNumber": "0"}),
        (400, {"annotation": "everything"}),
        (400, {"presentationUID": "1.2.3"}),
        (400, {"contentType": "application/dicom", "rows": "10"}),
        (400, {"transferSyntax": EXPLICIT}),
        (404, {"objectUID": "1.2.3"}),
        (404, {"frameNumber": "2"}),
        (406, {"contentType": "text/csv"}),
        (406, {"charset": "ISO-8859-5"}),
        (406, {"contentType": "application/dicom", "transferSyntax": "1.2.840.10008.1.2.4.102"}),
    ]:
        assert (await get(one, **more)).status_code == status, more


@pytest.mark.capability("6.2.2")
async def test_every_frame_as_a_part_and_a_moving_picture(served: Served) -> None:
    pixels = np.stack([phantom.slope(20, 30, top=255, dtype="u1", seed=n) for n in range(3)])
    cine = image(uid(), uid(), pixels)
    await store(served, cine)
    for path, count in [("/rendered", 3), ("/frames/3,1/rendered", 2)]:
        answer = await served.client.get(
            address(cine) + path, headers={"accept": 'multipart/related; type="image/png"'}
        )
        kind, parts = strict_parts(answer.headers["content-type"], answer.content)
        assert (kind, len(parts)) == ("image/png", count)
        assert all(headers["content-type"] == "image/png" for headers, _ in parts)
    assert parts[0][0]["content-location"].endswith("/frames/3/rendered")
    np.testing.assert_allclose(opened(parts[1][1]), pixels[0], atol=3)
    apng = await served.client.get(address(cine) + "/rendered", headers={"accept": "image/apng"})
    assert getattr(Image.open(io.BytesIO(apng.content)), "n_frames", 1) == 3


@pytest.mark.capability("6.2.2")
async def test_a_presentation_state_is_applied(served: Served) -> None:
    study = uid()
    shown = image(study, uid(), phantom.slope(20, 30, top=255, dtype="u1"))
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = shown.SOPClassUID, shown.SOPInstanceUID
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedImageSequence = shown.SeriesInstanceUID, Sequence([reference])
    state = made(
        study, uid(), "1.2.840.10008.5.1.4.1.1.11.1", ReferencedSeriesSequence=Sequence([series]), ImageRotation=90
    )
    state["ImageRotation"].VR = "US"
    state.ImageHorizontalFlip = "N"
    await store(served, shown, state)
    png = {"accept": "image/png"}
    plain = opened((await served.client.get(address(shown) + "/rendered", headers=png)).content)
    for answer in (
        await served.client.get(address(state) + "/rendered", headers=png),
        await served.client.get(f"{address(shown)}/rendered?presentationUID={state.SOPInstanceUID}", headers=png),
        await served.client.get(
            "/wado",
            params=query(
                shown,
                contentType="image/png",
                presentationUID=state.SOPInstanceUID,
                presentationSeriesUID=state.SeriesInstanceUID,
            ),
        ),
    ):
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(opened(answer.content).astype(int), np.rot90(plain, -1).astype(int), atol=1)
    missing = await served.client.get(f"{address(shown)}/rendered?presentationUID=1.2.3", headers=png)
    assert missing.status_code == 404


@pytest.mark.capability("6.2.2")
async def test_reports_and_documents_are_shown_as_what_they_are(served: Served) -> None:
    study = uid()

    def code(value: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        return item

    number = Dataset()
    number.RelationshipType, number.ValueType = "CONTAINS", "NUM"
    number.ConceptNameCodeSequence = Sequence([code("M-1", "Diameter")])
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "15.5", Sequence([code("mm", "millimeter")])
    number.MeasuredValueSequence = Sequence([measured])
    words = Dataset()
    words.RelationshipType, words.ValueType, words.TextValue = "CONTAINS", "TEXT", "<script>右肺上叶</script>"
    words.ConceptNameCodeSequence = Sequence([code("121070", "Findings")])
    report = made(
        study,
        uid(),
        "1.2.840.10008.5.1.4.1.1.88.33",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=Sequence([code("126000", "Imaging Report")]),
        ContentSequence=Sequence([words, number]),
        CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
    )
    document = made(
        study,
        uid(),
        "1.2.840.10008.5.1.4.1.1.104.1",
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=PDF + b"\0" * (len(PDF) % 2),
        EncapsulatedDocumentLength=len(PDF),
    )
    await store(served, report, document)
    page = await served.client.get(address(report) + "/rendered", headers={"accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "&lt;script&gt;右肺上叶" in page.text
    assert "<td>Diameter</td>" in page.text and "15.5" in page.text and "(126000" not in page.text  # noqa: PT018
    chinese = await served.client.get(
        address(report) + "/rendered", headers={"accept": "text/html", "accept-language": "zh-CN"}
    )
    assert "患者" in chinese.text
    plain = await served.client.get("/wado", params=query(report, contentType="text/plain"))
    assert "Diameter: 15.5 mm" in plain.text
    for answer in (
        await served.client.get(address(document) + "/rendered", headers={"accept": "application/pdf"}),
        await served.client.get("/wado", params=query(document, contentType="application/pdf")),
        await served.client.get(address(document) + "/bulkdata/00420011", headers={"accept": "application/pdf"}),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.content == PDF
    part = await served.client.get(
        address(document) + "/rendered", headers={"accept": "application/pdf", "range": "bytes=0-3"}
    )
    assert (part.status_code, part.content) == (206, b"%PDF")
    assert (
        await served.client.get(address(document) + "/rendered", headers={"accept": "image/png"})
    ).status_code == 406
    assert (await served.client.get(address(report) + "/rendered", headers={"accept": "image/png"})).status_code == 406


@pytest.mark.capability("6.2.2")
async def test_icc_profiles_are_carried_when_asked_for(served: Served) -> None:
    colour = image(uid(), uid(), phantom.colours())
    await store(served, colour)
    for accept in ("image/jpeg", "image/png"):
        for asked, there in [("no", False), ("yes", True), ("srgb", True)]:
            answer = await served.client.get(
                f"{address(colour)}/rendered?iccprofile={asked}", headers={"accept": accept}
            )
            picture = Image.open(io.BytesIO(answer.content))
            picture.load()
            assert ("icc_profile" in picture.info) is there, (accept, asked)
    answer = await served.client.get(f"{address(colour)}/rendered?iccprofile=adobergb")
    assert answer.status_code == 400


@pytest.mark.capability("6.2.1")
async def test_all_bulk_data_of_a_series_by_the_strict_reader(served: Served) -> None:
    study, items = await served.stored("ct", 2)
    base = f"/dicom-web/studies/{study.uid}"
    for path in (f"{base}/pixeldata", f"{base}/series/{study.series_uid}/bulkdata"):
        answer = await served.client.get(path, headers={"accept": 'multipart/related; type="application/octet-stream"'})
        kind, parts = strict_parts(answer.headers["content-type"], answer.content)
        assert kind == "application/octet-stream"
        assert [data for _, data in parts] == [item.pixels for item in items]
        again = await served.client.get(parts[0][0]["content-location"])
        assert again.content == items[0].pixels
    whole = await served.client.get(base, headers={"accept": 'multipart/related; type="application/dicom"'})
    strict_parts(whole.headers["content-type"], whole.content)
    same = await served.client.get(
        base, headers={"accept": 'multipart/related; type="application/dicom"', "if-none-match": whole.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")
    head = await served.client.head(base, headers={"accept": 'multipart/related; type="application/dicom"'})
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.capability("6.2.1")
async def test_what_is_missing_on_disk_is_left_out_with_a_warning(served: Served, database: Database) -> None:
    study, items = await served.stored("ct", 2)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE location SET key = 'own/gone.dcm' WHERE instance_pk = (SELECT pk FROM instance WHERE sop_uid = $1)",
            items[0].sop_uid,
        )
    answer = await served.client.get(
        f"/dicom-web/studies/{study.uid}", headers={"accept": 'multipart/related; type="application/dicom"'}
    )
    assert answer.status_code == 206
    assert answer.headers["warning"].startswith("299 ")
    _, parts = strict_parts(answer.headers["content-type"], answer.content)
    assert [data for _, data in parts] == [items[1].part10()]
