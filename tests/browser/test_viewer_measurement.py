"""A measurement made in the viewer is saved as a structured report, and found again when the study is opened anew."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import watched
from tests.fixtures.served import PASSWORD, Served

# Software rendering on a crowded machine.
PATIENCE_MS = 90_000

pytestmark = [pytest.mark.timeout(300), pytest.mark.capability("6.3.5", "6.1.1")]


async def _open(page: Page, served: Served, study: str) -> None:
    """By the address that another program would use."""
    await page.goto(f"{served.url}/viewer/iid?requestType=STUDY&studyUID={study}")
    if "/login" in page.url:
        await page.fill("#name", "admin")
        await page.fill("#password", PASSWORD)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
    await expect(page.locator("[data-cy=viewport-overlay-bottom-right]").first).to_contain_text(
        "I:", timeout=PATIENCE_MS
    )


async def _measure(page: Page) -> None:
    """A length, drawn over the middle of the image."""
    await page.locator("[data-cy=Length]").first.click()
    box = await page.locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x - 60, y)
    await page.mouse.down()
    await page.mouse.move(x, y, steps=4)
    await page.mouse.move(x + 60, y + 20, steps=4)
    await page.mouse.up()


async def _reports(page: Page, served: Served, study: str) -> list[dict[str, Any]]:
    """The structured reports of the study, once there are any."""
    for _ in range(PATIENCE_MS // 500):
        found = await served.client.get(f"/dicom-web/studies/{study}/instances", params={"Modality": "SR"})
        if found.status_code == 200:
            return list(found.json())
        await page.wait_for_timeout(500)
    pytest.fail("no report was stored")


async def test_a_length_is_saved_and_found_again(served: Served, chromium: Browser, tmp_path: Path) -> None:
    study, _ = await served.stored("ct", 3)
    seen = await watched(chromium)
    page = seen.page
    await _open(page, served, study.uid)
    await _measure(page)
    await page.locator("[data-cy=prompt-begin-tracking-yes-btn]").click(timeout=PATIENCE_MS)
    await page.locator("[data-cy=trackedMeasurements-btn]").click()
    await page.get_by_text("Create SR").first.click(timeout=PATIENCE_MS)
    await page.locator("[data-cy=input-dialog-save-button]").get_by_role("button").click(timeout=PATIENCE_MS)
    report = (await _reports(page, served, study.uid))[0]
    assert report["00080016"]["Value"] == ["1.2.840.10008.5.1.4.1.1.88.22"]
    series, instance = report["0020000E"]["Value"][0], report["00080018"]["Value"][0]
    address = f"/dicom-web/studies/{study.uid}/series/{series}/instances/{instance}/rendered"
    read = await served.client.get(address, headers={"accept": "text/html"})
    assert "Length" in read.text

    await page.goto("about:blank")
    await _open(page, served, study.uid)
    thumbnails = page.locator("[data-cy=studyBrowser-panel]")
    await expect(thumbnails.get_by_text("SR", exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    await page.screenshot(path=tmp_path / "again.png")
    assert seen.hosts == {f"127.0.0.1:{served.port}"}, "everything comes from here"
