"""Every multipart answer of DICOMweb, read by a parser that takes nothing but what the standards say."""

import pytest
from tests.fixtures.served import Served
from tests.fixtures.strict_multipart import strict_parts

pytestmark = pytest.mark.capability("5.2.2", "6.2.1")
DICOM, OCTETS = 'multipart/related; type="application/dicom"', 'multipart/related; type="application/octet-stream"'
XML, JPEG = 'multipart/related; type="application/dicom+xml"', 'multipart/related; type="image/jpeg"'


async def test_a_strict_parser_reads_every_multipart_answer(served: Served) -> None:
    study, items = await served.stored("ct", 3)
    one = f"/studies/{study.uid}/series/{study.series_uid}/instances/{items[0].sop_uid}"
    series = f"/studies/{study.uid}/series/{study.series_uid}"
    asked = [
        *((path, DICOM, count) for path, count in ((f"/studies/{study.uid}", 3), (series, 3), (one, 1))),
        *((f"{path}/metadata", XML, count) for path, count in ((f"/studies/{study.uid}", 3), (series, 3), (one, 1))),
        *((f"{path}/bulkdata", OCTETS, count) for path, count in ((f"/studies/{study.uid}", 3), (series, 3), (one, 1))),
        *((f"{path}/pixeldata", OCTETS, count) for path, count in ((f"/studies/{study.uid}", 3), (one, 1))),
        *((f"{path}/rendered", JPEG, count) for path, count in ((f"/studies/{study.uid}", 3), (series, 3), (one, 1))),
        (f"{one}/frames/1", OCTETS, 1),
        (f"{one}/frames/1", 'multipart/related; type="image/jls"', 1),
        (f"{one}/frames/1/rendered", JPEG, 1),
        (f"{one}/bulkdata/7FE00010", OCTETS, 1),
        ("/studies", XML, 1),
        (f"/studies/{study.uid}/instances", XML, 3),
    ]
    for path, accept, count in asked:
        got = await served.client.get("/dicom-web" + path, headers={"accept": accept})
        assert got.status_code == 200, (path, got.text[:200])
        kind, parts = strict_parts(got.headers["content-type"], got.content)
        assert kind == accept.partition('type="')[2].rstrip('"'), path
        assert len(parts) == count, path
        for headers, data in parts:
            assert headers["content-type"].partition(";")[0] == kind, path
            assert data
            if kind == "application/dicom":
                assert data[128:132] == b"DICM"
                assert "transfer-syntax=" in headers["content-type"]


async def test_the_families_of_resources_are_all_there(served: Served) -> None:
    """Studies, pictures, search, work items, commitment: each answers at its own address (PS3.18 10, 11, 13)."""
    study, items = await served.stored("ct", 1)
    for path in (
        "/studies",
        "/series",
        "/instances",
        f"/studies/{study.uid}/rendered",
        f"/studies/{study.uid}/thumbnail",
    ):
        assert (await served.client.get("/dicom-web" + path)).status_code == 200, path
    assert (await served.client.get("/dicom-web/workitems")).status_code == 204
    assert (await served.client.get(f"/dicom-web/commitment-requests/{study.uid}")).status_code == 404
    query = f"requestType=WADO&studyUID={study.uid}&seriesUID={study.series_uid}&objectUID={items[0].sop_uid}"
    assert (await served.client.get(f"/wado?{query}")).status_code == 200
