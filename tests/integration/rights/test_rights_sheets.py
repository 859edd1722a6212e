"""The audit trail taken out as a spreadsheet, and a share link's QR code, over a whole server."""

import csv
import io
from pathlib import Path

import httpx2
import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.served import multipart_of

from filmroom.app.server import open_server
from filmroom.security.principals import SYSTEM
from filmroom.settings import DimseSettings, Settings, StorageSettings, WebSettings


@pytest.mark.capability("7.3.2", "6.3.3")
async def test_records_leave_as_rows_and_a_link_comes_with_its_picture(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path,
        admin_password="correct horse battery staple",
        web=WebSettings(port=0),
        dimse=DimseSettings(port=0),
        storage=StorageSettings(reserve_bytes=1 << 20),
    )
    async with open_server(settings, frozenset({"web"})) as server:
        token = await server.core.tokens.issue(SYSTEM, "admin")
        url, headers = f"http://127.0.0.1:{server.http_port}", {"authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            study = Study(fresh_run(), 0)
            body, media = multipart_of([each.part10() for each in objects("tiny", study, 1)])
            assert (await client.post("/dicom-web/studies", content=body, headers={"content-type": media})).is_success
            made = (await client.post("/api/v1/shares", json={"studies": [study.uid]})).json()
            assert made["url"] == url + made["path"]
            assert made["qr"].startswith("<svg")
            failed = await client.get("/api/v1/audit", params={"failed": "true"})
            assert failed.json()["records"] == []
            sheet = await client.get("/api/v1/audit/file", params={"kind": "shared"})
            assert sheet.headers["content-type"].startswith("text/csv")
            heads, *rows = csv.reader(io.StringIO(sheet.content.decode("utf-8-sig")))
            assert [dict(zip(heads, row, strict=True))["studies"] for row in rows] == [study.uid]
            report = await client.get("/api/v1/audit/patient/file", params={"patient": "nobody"})
            assert report.text.splitlines()[0].endswith("who,name,times,first,last,kinds,doors")
