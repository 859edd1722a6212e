"""STOW-RS of metadata and bulk data (PS3.18 10.5.1.4) against the real archive."""

import base64
import io
import uuid
from typing import Any

import imagecodecs
import numpy as np
import orjson
import pydicom
import pytest
from tests.fixtures import phantom
from tests.fixtures.served import Served
from tests.fixtures.strict_multipart import strict_parts

JSON, XML = "application/dicom+json", "application/dicom+xml"
PDF = b"%PDF-1.4 scanned\n%%EOF"


def uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


def metadata(sop_class: str, **more: Any) -> dict[str, Any]:
    """What every object has, in DICOM JSON."""
    found = {
        "00080016": {"vr": "UI", "Value": [sop_class]},
        "00080018": {"vr": "UI", "Value": [uid()]},
        "00080060": {"vr": "CS", "Value": ["OT"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^Wei", "Ideographic": "张^伟"}]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "0020000D": {"vr": "UI", "Value": [uid()]},
        "0020000E": {"vr": "UI", "Value": [uid()]},
    }
    return found | {tag.removeprefix("_"): element for tag, element in more.items()}


def body_of(kind: str, parts: list[tuple[dict[str, str], bytes]]) -> tuple[bytes, str]:
    body = b""
    for headers, data in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body += f"--edge\r\n{lines}\r\n".encode() + data + b"\r\n"
    return body + b"--edge--\r\n", f'multipart/related; type="{kind}"; boundary=edge'


async def send(
    served: Served, parts: list[tuple[dict[str, str], bytes]], kind: str = JSON, method: str = "POST", study: str = ""
) -> Any:
    body, media = body_of(kind, parts)
    path = f"/dicom-web/studies/{study}" if study else "/dicom-web/studies"
    return await served.client.request(method, path, content=body, headers={"content-type": media})


async def stored(served: Served, found: dict[str, Any]) -> pydicom.Dataset:
    study, series, sop = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    answer = await served.client.get(
        f"/dicom-web/studies/{study}/series/{series}/instances/{sop}",
        headers={"accept": "application/dicom; transfer-syntax=*"},
    )
    assert answer.status_code == 200
    return pydicom.dcmread(io.BytesIO(answer.content))


def bulk(tag: str, uri: str, vr: str = "OB") -> dict[str, Any]:
    return {f"_{tag}": {"vr": vr, "BulkDataURI": uri}}


@pytest.mark.capability("6.2.4")
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_photograph_needs_no_pixel_attributes(method: str, served: Served) -> None:
    picture = phantom.colours(40, 60)
    jpeg = imagecodecs.jpeg8_encode(picture, level=95)
    found = metadata("1.2.840.10008.5.1.4.1.1.77.1.4", **bulk("7FE00010", "picture"))
    answer = await send(
        served,
        [
            ({"Content-Type": JSON}, orjson.dumps([found])),
            ({"Content-Type": "image/jpeg", "Content-Location": "picture"}, jpeg),
        ],
        method=method,
        study=found["0020000D"]["Value"][0],
    )
    assert answer.status_code == 200, answer.text
    dataset = await stored(served, found)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel) == (40, 60, 3)
    assert dataset.PhotometricInterpretation.startswith("YBR_FULL")
    assert str(dataset.PatientName) == "Zhang^Wei=张^伟"
    path = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    shown = await served.client.get(path + "/rendered", headers={"accept": "image/png"})
    assert shown.status_code == 200
    assert np.abs(imagecodecs.png_decode(shown.content).astype(int) - picture).mean() < 4


@pytest.mark.capability("6.2.4")
async def test_native_frames_and_a_document_from_one_request(served: Served) -> None:
    pixels = phantom.slope(30, 20, top=4000)
    us = {tag: {"vr": "US", "Value": [value]} for tag, value in [
        ("_00280002", 1), ("_00280010", 30), ("_00280011", 20), ("_00280100", 16), ("_00280101", 12),
        ("_00280102", 11), ("_00280103", 0),
    ]}  # fmt: skip
    image = metadata(
        "1.2.840.10008.5.1.4.1.1.7",
        _00280004={"vr": "CS", "Value": ["MONOCHROME2"]},
        _00291010={"vr": "OB", "InlineBinary": base64.b64encode(b"abcd").decode()},
        **us,
        **bulk("7FE00010", "http://x/1", "OW"),
    )
    document = metadata("1.2.840.10008.5.1.4.1.1.104.1", **bulk("00420011", "http://x/2"))
    answer = await send(
        served,
        [
            ({"Content-Type": JSON}, orjson.dumps([image, document])),
            ({"Content-Type": "application/octet-stream", "Content-Location": "http://x/1"}, pixels.tobytes()),
            ({"Content-Type": "application/pdf", "Content-Location": "http://x/2"}, PDF),
        ],
    )
    assert answer.status_code == 200, answer.text
    np.testing.assert_array_equal((await stored(served, image)).pixel_array, pixels)
    kept = await stored(served, document)
    assert kept.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert kept.EncapsulatedDocument[: kept.EncapsulatedDocumentLength] == PDF


@pytest.mark.capability("6.2.4")
async def test_frames_as_parts_of_one_value(served: Served) -> None:
    frames = [phantom.slope(16, 16, top=4095, seed=n) for n in range(3)]
    found = metadata("1.2.840.10008.5.1.4.1.1.7.3", _00280008={"vr": "IS", "Value": [3]}, **bulk("7FE00010", "pixels"))
    parts = [({"Content-Type": JSON}, orjson.dumps([found]))]
    parts += [
        ({"Content-Type": "image/jls", "Content-Location": "pixels"}, imagecodecs.jpegls_encode(frame))
        for frame in frames
    ]
    assert (await send(served, parts)).status_code == 200
    dataset = await stored(served, found)
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"
    path = "/".join(
        f"{name}/{found[tag]['Value'][0]}"
        for name, tag in (("studies", "0020000D"), ("series", "0020000E"), ("instances", "00080018"))
    )
    answer = await served.client.get(f"/dicom-web/{path}/frames/2", headers={"accept": "application/octet-stream"})
    assert answer.content == frames[1].tobytes()


@pytest.mark.capability("6.2.4")
async def test_xml_as_the_standard_shows_it(served: Served) -> None:
    found = metadata("1.2.840.10008.5.1.4.1.1.77.1.4")
    values = "".join(
        f'<DicomAttribute Tag="{tag}" VR="UI"><Value number="1">{found[tag]["Value"][0]}</Value></DicomAttribute>'
        for tag in ("00080016", "00080018", "0020000D", "0020000E")
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f"{values}"
        '<DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Ideographic><FamilyName>张</FamilyName>'
        "<GivenName>伟</GivenName></Ideographic></PersonName></DicomAttribute>"
        '<DicomAttribute tag="00081032" vr="SQ"><Item number="1"><DicomAttribute tag="00080100" vr="SH">'
        '<Value number="1">A&amp;B</Value></DicomAttribute></Item></DicomAttribute>'
        '<DicomAttribute tag="7FE00010" vr="OB"><BulkData uri="jpeg-image"/></DicomAttribute></NativeDicomModel>'
    )
    jpeg = imagecodecs.jpeg8_encode(phantom.slope(24, 32, top=255, dtype="u1"))
    answer = await send(
        served,
        [
            ({"Content-Type": XML}, xml.encode()),
            ({"Content-Type": "image/jpeg", "Content-Location": "jpeg-image"}, jpeg),
        ],
        XML,
    )
    assert answer.status_code == 200, answer.text
    dataset = await stored(served, found)
    assert str(dataset.PatientName) == "=张^伟"
    assert dataset.ProcedureCodeSequence[0].CodeValue == "A&B"
    bomb = b'<!DOCTYPE a [<!ENTITY x "y">]><NativeDicomModel/>'
    assert (await send(served, [({"Content-Type": XML}, bomb)], XML)).status_code == 400


@pytest.mark.capability("6.2.4")
async def test_every_instance_has_its_own_reason(served: Served) -> None:
    lonely = metadata("1.2.840.10008.5.1.4.1.1.7", **bulk("7FE00010", "nowhere"))
    odd = metadata("1.2.840.10008.5.1.4.1.1.7", **bulk("7FE00010", "odd"))
    good = metadata("1.2.840.10008.5.1.4.1.1.66")
    answer = await send(
        served,
        [
            ({"Content-Type": JSON}, orjson.dumps([lonely, odd, good])),
            ({"Content-Type": "image/bmp", "Content-Location": "odd"}, b"BM"),
        ],
    )
    assert answer.status_code == 202
    failed = answer.json()["00081198"]["Value"]
    assert [each["00081155"]["Value"][0] for each in failed] == [each["00080018"]["Value"][0] for each in (lonely, odd)]
    assert all(each["00081197"]["Value"] == [0xC000] and each["00000902"]["Value"] for each in failed)
    assert len(answer.json()["00081199"]["Value"]) == 1
    elsewhere = await send(served, [({"Content-Type": JSON}, orjson.dumps([good]))], study="1.2.3")
    assert elsewhere.status_code == 409
    assert elsewhere.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]


@pytest.mark.capability("6.2.4")
@pytest.mark.parametrize("body", [b"not json", b"[]", b"[1]", b'[{"00080018": 1}]'])
async def test_metadata_that_cannot_be_read(body: bytes, served: Served) -> None:
    assert (await send(served, [({"Content-Type": JSON}, body)])).status_code == 400


@pytest.mark.capability("6.2.4", "6.2.2")
async def test_a_video_goes_in_and_comes_out_by_ranges(served: Served) -> None:
    video = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
    us = {f"_{tag}": {"vr": "US", "Value": [value]} for tag, value in [
        ("00280002", 3), ("00280010", 480), ("00280011", 640), ("00280100", 8), ("00280101", 8), ("00280102", 7),
        ("00280103", 0), ("00280006", 0),
    ]}  # fmt: skip
    found = metadata(
        "1.2.840.10008.5.1.4.1.1.77.1.4.1",
        _00280004={"vr": "CS", "Value": ["YBR_PARTIAL_420"]},
        _00280008={"vr": "IS", "Value": [100]},
        **us,
        **bulk("7FE00010", "film"),
    )
    parts = [
        ({"Content-Type": JSON}, orjson.dumps([found])),
        ({"Content-Type": "video/mp4", "Content-Location": "film"}, video),
    ]
    answer = await send(served, parts)
    assert answer.status_code == 200, answer.text
    path = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    whole = await served.client.get(path + "/rendered", headers={"accept": "video/mp4"})
    assert (whole.status_code, whole.headers["content-type"], whole.content) == (200, "video/mp4", video)
    part = await served.client.get(path + "/rendered", headers={"accept": "video/*", "range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    frames = await served.client.get(path + "/frames/1", headers={"accept": 'multipart/related; type="video/mp4"'})
    kind, [(headers, data)] = strict_parts(frames.headers["content-type"], frames.content)
    assert (kind, data) == ("video/mp4", video)
    assert headers["content-type"] == "video/mp4; transfer-syntax=1.2.840.10008.1.2.4.102"
    assert (await served.client.get(path + "/frames/2")).status_code == 404
    assert (await served.client.get(path + "/thumbnail")).status_code == 406
