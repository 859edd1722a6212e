"""WADO-RS (PS3.18 10.4) against the real archive: files, frames, bulk data, metadata, pictures."""

import io
import json
import zipfile

import numpy as np
import pydicom
import pytest
import zstandard
from bench.corpus import Object
from PIL import Image
from tests.fixtures.served import Served

from filmroom.wire.http.mediatypes import parse
from filmroom.wire.http.multipart import PartBegin, PartData, reader

ANY_FILE = 'multipart/related; type="application/dicom"; transfer-syntax=*'
OCTETS = "multipart/related; type=application/octet-stream; transfer-syntax=*"
EXPLICIT = "1.2.840.10008.1.2.1"


def parts_of(content_type: str, body: bytes) -> list[tuple[dict[str, str], bytes]]:
    """The parts of an answer, read by our own reader."""
    found: list[tuple[dict[str, str], bytearray]] = []
    talk = reader(parse(content_type))
    for event in talk.receive(body):
        if isinstance(event, PartBegin):
            found.append((dict(event.headers), bytearray()))
        elif isinstance(event, PartData):
            found[-1][1].extend(event.data)
    talk.finish()
    return [(headers, bytes(data)) for headers, data in found]


async def _get(served: Served, path: str, accept: str = "*/*", **headers: str) -> tuple[int, dict[str, str], bytes]:
    answer = await served.client.get("/dicom-web" + path, headers={"accept": accept, **headers})
    return answer.status_code, dict(answer.headers), answer.content


def _address(item: Object) -> str:
    return f"/studies/{item.study_uid}/series/{item.series_uid}/instances/{item.sop_uid}"


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize("level", [1, 2, 3])
async def test_objects_come_back_as_they_were_stored(level: int, served: Served) -> None:
    study, items = await served.stored("ct", 3)
    path = ["", f"/studies/{study.uid}", f"/studies/{study.uid}/series/{study.series_uid}", _address(items[0])][level]
    status, headers, body = await _get(served, path, ANY_FILE)
    assert status == 200
    assert headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    parts = parts_of(headers["content-type"], body)
    assert [data for _, data in parts] == [item.part10() for item in (items if level < 3 else items[:1])]
    assert parts[0][0]["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert parts[0][0]["content-location"] == f"{served.url}/dicom-web{_address(items[0])}"


@pytest.mark.capability("6.2.1")
async def test_one_instance_alone(served: Served) -> None:
    study, items = await served.stored("ct", 2)
    status, headers, body = await _get(served, _address(items[0]), "application/dicom; transfer-syntax=*")
    assert (status, body) == (200, items[0].part10())
    assert headers["content-length"] == str(len(body))
    assert headers["content-disposition"].startswith("attachment")
    assert (await _get(served, f"/studies/{study.uid}", "application/dicom"))[0] == 406


@pytest.mark.capability("6.2.1")
async def test_a_compressed_object_goes_out_plain_unless_asked_otherwise(served: Served) -> None:
    _, items = await served.stored("j2k", 1)
    for accept, syntax in [
        ("application/dicom", EXPLICIT),
        ("application/dicom; transfer-syntax=*", items[0].transfer_syntax),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.80"),
    ]:
        status, headers, body = await _get(served, _address(items[0]), accept)
        assert status == 200
        assert headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
        assert pydicom.dcmread(io.BytesIO(body)).file_meta.TransferSyntaxUID == syntax
    assert (await _get(served, _address(items[0]), "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.102"))[
        0
    ] == 406


@pytest.mark.capability("6.2.1")
async def test_a_study_as_zip(served: Served) -> None:
    study, items = await served.stored("mr", 2)
    for accept, query in [("application/zip", ""), ("*/*", "?accept=application/zip")]:
        status, _, body = await _get(served, f"/studies/{study.uid}{query}", accept)
        assert status == 200
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            assert [archive.read(name) for name in archive.namelist()] == [item.part10() for item in items]


@pytest.mark.capability("6.2.1")
async def test_frames_native(served: Served) -> None:
    _, items = await served.stored("ct", 1)
    status, headers, body = await _get(served, _address(items[0]) + "/frames/1", OCTETS)
    assert status == 200
    assert headers["content-type"].startswith('multipart/related; type="application/octet-stream"; boundary=')
    [(part, data)] = parts_of(headers["content-type"], body)
    assert data == items[0].pixels
    assert part["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    status, headers, body = await _get(served, _address(items[0]) + "/frames/1", "application/octet-stream")
    assert (status, body) == (200, items[0].pixels)


@pytest.mark.capability("6.2.1")
async def test_frames_compressed(served: Served) -> None:
    _, items = await served.stored("j2k", 1)
    stored = items[0].transfer_syntax
    path = _address(items[0]) + "/frames/1"
    for accept, media, syntax in [
        (OCTETS, "application/octet-stream", stored),
        ('multipart/related; type="image/jp2"', "image/jp2", stored),
        ('multipart/related; type="image/*"; transfer-syntax=*', "image/jp2", stored),
        ('multipart/related; type="image/jls"', "image/jls", "1.2.840.10008.1.2.4.80"),
        ("*/*", "application/octet-stream", EXPLICIT),
    ]:
        status, headers, body = await _get(served, path, accept)
        assert status == 200, accept
        [(part, data)] = parts_of(headers["content-type"], body)
        assert part["content-type"] == f"{media}; transfer-syntax={syntax}", accept
        assert (len(data) == 512 * 512 * 2) == (syntax == EXPLICIT)
    for accept in ("text/html", 'multipart/related; type="video/mp4"'):
        assert (await _get(served, path, accept))[0] == 406


@pytest.mark.capability("6.2.1")
async def test_frames_come_in_the_order_asked_for(served: Served) -> None:
    _, items = await served.stored("cine-small", 1)
    size = 640 * 480 * 3
    status, headers, body = await _get(served, _address(items[0]) + "/frames/3,1,2,30,4,5", OCTETS)
    assert status == 200
    assert [data for _, data in parts_of(headers["content-type"], body)] == [
        items[0].pixels[size * (n - 1) : size * n] for n in (3, 1, 2, 30, 4, 5)
    ]


@pytest.mark.capability("6.2.1")
@pytest.mark.parametrize(
    ("frames", "status"), [("2", 404), ("0", 400), ("x", 400), ("1,", 400), ("-1", 400), ("1,99", 404)]
)
async def test_frames_that_are_not_there(frames: str, status: int, served: Served) -> None:
    _, items = await served.stored("mr", 1)
    assert (await _get(served, f"{_address(items[0])}/frames/{frames}", OCTETS))[0] == status


@pytest.mark.capability("6.2.1", "3.1.3")
async def test_metadata_with_its_version(served: Served) -> None:
    study, items = await served.stored("ct", 2)
    path = f"/studies/{study.uid}/series/{study.series_uid}/metadata"
    answer = await served.client.get("/dicom-web" + path, headers={"accept": "application/dicom+json"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert [each["00080018"]["Value"][0] for each in answer.json()] == [item.sop_uid for item in items]
    again = await served.client.get("/dicom-web" + path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for coding in ("zstd", "gzip", "identity"):
        other = await served.client.get("/dicom-web" + path, headers={"accept-encoding": coding})
        assert other.headers.get("content-encoding", "identity") == coding
        body = (
            zstandard.ZstdDecompressor().decompressobj().decompress(other.content)
            if coding == "zstd"
            else other.content
        )
        assert json.loads(body) == answer.json()
    assert (await served.client.get(f"/dicom-web/studies/{study.uid}/metadata")).json() == answer.json()
    one = await served.client.get(f"/dicom-web{_address(items[1])}/metadata")
    assert one.json() == answer.json()[1:]
    xml = await served.client.get(
        "/dicom-web" + path, headers={"accept": 'multipart/related; type="application/dicom+xml"'}
    )
    assert xml.content.count(b"<NativeDicomModel") == 2
    assert (await served.client.get("/dicom-web" + path, headers={"accept": "text/csv"})).status_code == 406
    await served.store(list(_more(study)))
    newer = await served.client.get("/dicom-web" + path, headers={"if-none-match": answer.headers["etag"]})
    assert (newer.status_code, len(newer.json())) == (200, 3)


def _more(study: object) -> list[Object]:
    from bench.corpus import objects

    return list(objects("ct", study, 1, 3))  # type: ignore[arg-type]


@pytest.mark.capability("6.2.1")
async def test_bulk_data_is_where_the_metadata_says(served: Served) -> None:
    _, items = await served.stored("ct", 1)
    [found] = (await served.client.get(f"/dicom-web{_address(items[0])}/metadata")).json()
    address = found["7FE00010"]["BulkDataURI"]
    whole = await served.client.get(address)
    assert whole.content == items[0].pixels
    part = await served.client.get(address, headers={"range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, items[0].pixels[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(items[0].pixels)}"
    assert (await served.client.get(address, headers={"range": "bytes=-10"})).content == items[0].pixels[-10:]
    assert (await served.client.get(address, headers={"range": "bytes=9999999-"})).status_code == 416
    multi = await served.client.get(address, headers={"accept": OCTETS})
    assert parts_of(multi.headers["content-type"], multi.content)[0][1] == items[0].pixels
    assert (await served.client.get(address.replace("7FE00010", "00990099"))).status_code == 404
    assert (await served.client.get(address.replace("7FE00010", "nonsense"))).status_code == 404


@pytest.mark.capability("6.2.1", "6.2.2")
@pytest.mark.parametrize("level", ["study", "series", "instance", "frame"])
async def test_pictures_at_every_level(level: str, served: Served) -> None:
    study, items = await served.stored("ct", 3)
    path = {
        "study": f"/studies/{study.uid}",
        "series": f"/studies/{study.uid}/series/{study.series_uid}",
        "instance": _address(items[1]),
        "frame": _address(items[1]) + "/frames/1",
    }[level]
    for media in ("image/jpeg", "image/png"):
        status, headers, body = await _get(served, path + "/rendered?quality=80&window=40,400,linear", media)
        assert (status, headers["content-type"]) == (200, media)
        assert Image.open(io.BytesIO(body)).size == (512, 512)
    status, headers, body = await _get(served, path + "/thumbnail?viewport=96,96")
    assert (status, Image.open(io.BytesIO(body)).size) == (200, (96, 96))
    again = await _get(served, path + "/thumbnail?viewport=96,96", **{"if-none-match": headers["etag"]})
    assert again[0] == 304


@pytest.mark.capability("6.2.2")
async def test_the_window_changes_the_picture(served: Served) -> None:
    _, items = await served.stored("ct", 1)

    async def grey(window: str) -> float:
        body = (await _get(served, f"{_address(items[0])}/rendered?window={window}", "image/png"))[2]
        return float(np.asarray(Image.open(io.BytesIO(body)).convert("L")).mean())

    assert await grey("-2000,10,linear") > await grey("3000,10,linear")


@pytest.mark.capability("6.2.2")
@pytest.mark.parametrize(
    "query",
    [
        "window=x",
        "window=1,0",
        "window=1,2,odd",
        "window=nan,1",
        "quality=0",
        "quality=x",
        "viewport=1",
        "viewport=0,0",
    ],
)
async def test_parameters_that_make_no_sense(query: str, served: Served) -> None:
    _, items = await served.stored("mr", 1)
    assert (await _get(served, f"{_address(items[0])}/rendered?{query}", "image/jpeg"))[0] == 400


@pytest.mark.capability("6.2.1")
async def test_what_is_not_there_is_404_whatever_the_parent(served: Served) -> None:
    """RELIABILITY 22: absent, or below a wrong parent: the same answer."""
    first, items = await served.stored("tiny", 1)
    other, _ = await served.stored("tiny", 1)
    wrong = f"/studies/{other.uid}/series/{first.series_uid}"
    paths = [
        "/studies/1.2.3",
        "/studies/not-a-uid",
        "/studies/1.2.3/metadata",
        wrong,
        f"{wrong}/metadata",
        f"{wrong}/instances/{items[0].sop_uid}",
        f"{wrong}/instances/{items[0].sop_uid}/metadata",
        f"{wrong}/instances/{items[0].sop_uid}/frames/1",
        f"{wrong}/instances/{items[0].sop_uid}/bulkdata/7FE00010",
        f"{wrong}/instances/{items[0].sop_uid}/rendered",
        f"{wrong}/thumbnail",
    ]
    answers = {(path, (await _get(served, path))[0]) for path in paths}
    assert {status for _, status in answers} == {404}, answers
