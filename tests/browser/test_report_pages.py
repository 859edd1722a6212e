"""A structured report and a PDF, opened directly in a browser: with their style, and with nothing that runs."""

import io
from pathlib import Path

import pydicom.data
import pytest
from PIL import Image
from playwright.async_api import Browser, Page
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from tests.browser.conftest import Watched, watched
from tests.fixtures.served import PASSWORD, Served, multipart_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.capability("6.2.3")]
REPORT = Path(pydicom.data.__file__).parent / "test_files" / "reportsi.dcm"


def _document() -> Dataset:
    page = io.BytesIO()
    Image.new("L", (200, 200), 0).save(page, "PDF")
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.91", "2.25.92", "2.25.93"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Doe^Jane", "DOC"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    body = page.getvalue()
    dataset.EncapsulatedDocument = body + b"\0" * (len(body) % 2)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _file(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


async def _opened(served: Served, browser: Browser, dataset: Dataset, media: str) -> Watched:
    body, kind = multipart_of([_file(dataset)])
    stored = await served.client.post("/dicom-web/studies", content=body, headers={"content-type": kind})
    assert stored.status_code == 200, stored.text
    seen = await watched(browser)
    page = seen.page
    await page.goto(f"{served.url}/login")
    await page.fill("#name", "admin")
    await page.fill("#password", PASSWORD)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    seen.faults.clear()
    address = f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    await page.goto(f"{served.url}{address}/instances/{dataset.SOPInstanceUID}/rendered?accept={media}")
    return seen


async def _darkness(page: Page, path: Path) -> float:
    """How much of the picture in the middle of the window is black."""
    shot = Image.open(io.BytesIO(await page.screenshot(path=path))).convert("L")
    return sum(shot.point(lambda value: value < 8).histogram()[1:]) / (shot.width * shot.height)


async def test_a_report_has_its_own_style_and_runs_nothing(served: Served, chromium: Browser, tmp_path: Path) -> None:
    seen = await _opened(served, chromium, dcmread(REPORT), "text/html")
    page = seen.page
    await page.screenshot(path=tmp_path / "report.png")
    assert await page.locator("style").count() == 1
    applied = await page.evaluate("document.styleSheets.length && document.styleSheets[0].cssRules.length")
    assert applied > 0
    answer = await page.request.get(page.url)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert seen.faults == []


async def test_a_pdf_opened_directly_is_shown(served: Served, chromium: Browser, tmp_path: Path) -> None:
    seen = await _opened(served, chromium, _document(), "application/pdf")
    page = seen.page
    assert await page.evaluate("document.contentType") == "application/pdf"
    for _ in range(60):
        if await _darkness(page, tmp_path / "pdf.png") > 0.01:
            break
        await page.wait_for_timeout(500)
    else:
        pytest.fail("the PDF's black page does not appear")
    assert seen.faults == []
