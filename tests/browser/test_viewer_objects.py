"""What is no plain stack of slices, in the viewer: overlays and documents over a CT, a prior, a video, a slide."""

import contextlib
import io
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Locator, Page, expect
from tests.browser.conftest import watched
from tests.fixtures.served import PASSWORD, Served, multipart_of
from tests.fixtures.viewer_objects import chest_exam, part10, slide, video

# Software rendering on a crowded machine.
PATIENCE_MS = 90_000
DAY = date(2026, 3, 1)

pytestmark = [pytest.mark.timeout(400), pytest.mark.capability("6.1.1")]


async def _stored(served: Served, files: list[bytes]) -> None:
    body, media = multipart_of(files)
    answer = await served.client.post("/dicom-web/studies", content=body, headers={"content-type": media})
    assert answer.status_code == 200, answer.text


async def _open(page: Page, served: Served, study: str) -> None:
    await page.goto(f"{served.url}/viewer?requestType=STUDY&studyUID={study}")
    if "/login" in page.url:
        await page.fill("#name", "admin")
        await page.fill("#password", PASSWORD)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
    # The maker's notice lies over the thumbnails.
    await page.locator("[data-cy=confirm-and-hide-button]").click(timeout=PATIENCE_MS)


async def _show(page: Page, description: str) -> None:
    kinds = "[data-cy=study-browser-thumbnail], [data-cy=study-browser-thumbnail-no-image]"
    await page.locator(kinds).filter(has_text=description).first.dblclick(timeout=PATIENCE_MS)


async def _coloured(place: Locator) -> int:
    """How many pixels are clearly red or violet: neither grey as images are nor blue as the viewer's own lines."""
    pixels = np.asarray(Image.open(io.BytesIO(await place.screenshot())).convert("RGB")).astype(int)
    return int((pixels[..., 0] - pixels[..., 1] > 50).sum())


async def _until_coloured(page: Page, place: Locator, least: int) -> None:
    for _ in range(PATIENCE_MS // 500):
        if await _coloured(place) >= least:
            return
        await page.wait_for_timeout(500)
    pytest.fail(f"fewer than {least} coloured pixels: {await _coloured(place)}")


async def _measured(page: Page, length: Locator) -> None:
    """The measurements of the SR over their image. A viewer that was still loading it may leave them out: show it
    again, as a reader would."""
    for _ in range(3):
        await _show(page, "Measurements")
        with contextlib.suppress(AssertionError):
            await expect(length).to_be_visible(timeout=PATIENCE_MS // 3)
            return
        await _show(page, "Chest 2.5 mm")
    await expect(length).to_be_visible(timeout=PATIENCE_MS // 3)


@pytest.mark.capability("6.3.5")
async def test_overlays_documents_and_the_prior_of_a_ct(served: Served, chromium: Browser, tmp_path: Path) -> None:
    objects = chest_exam(DAY)
    await _stored(served, [part10(each) for each in objects])
    seen = await watched(chromium)
    page = seen.page
    await _open(page, served, str(objects[0].StudyInstanceUID))
    pane = page.locator("[data-cy=viewport-pane]").first
    await expect(page.locator("[data-cy=viewport-overlay-bottom-right]").first).to_contain_text(
        "I:", timeout=PATIENCE_MS
    )
    # The middle of the image, without the frame that marks the active viewport.
    image = pane.locator("canvas.cornerstone-canvas").first
    await page.screenshot(path=tmp_path / "ct.png")
    assert await _coloured(image) < 50

    await _show(page, "Segmentation of organs")
    await _until_coloured(page, pane.locator("canvas.cornerstone-canvas").first, 100)
    await page.screenshot(path=tmp_path / "segmentation.png")
    await _show(page, "Structures")
    await expect(pane.get_by_text("RTSTRUCT")).to_be_visible(timeout=PATIENCE_MS)
    await page.screenshot(path=tmp_path / "structures.png")
    await _measured(page, pane.get_by_text("15", exact=False).first)
    await page.screenshot(path=tmp_path / "measurements.png")
    await _show(page, "Letter")
    await page.wait_for_selector("object[type='application/pdf'][data^='blob:']", timeout=PATIENCE_MS)
    await page.screenshot(path=tmp_path / "letter.png")
    await _show(page, "Radiology report")
    await expect(page.get_by_text("Solid nodule of 15 mm").first).to_be_visible(timeout=PATIENCE_MS)

    await page.get_by_text("23-Feb-2026").click()
    await _show(page, "Chest PA")
    await expect(page.locator("[data-cy=viewport-overlay-top-left]").first).to_contain_text(
        "23-Feb-2026", timeout=PATIENCE_MS
    )
    await page.screenshot(path=tmp_path / "prior.png")
    assert seen.hosts == {f"127.0.0.1:{served.port}"}, "everything comes from here"
    assert seen.faults == []


async def test_a_video_plays(served: Served, chromium: Browser, tmp_path: Path) -> None:
    made = video()
    await _stored(served, [part10(made)])
    seen = await watched(chromium)
    await _open(seen.page, served, str(made.StudyInstanceUID))
    await _until_coloured(seen.page, seen.page.locator("canvas.cornerstone-canvas").first, 20_000)
    await seen.page.screenshot(path=tmp_path / "video.png")
    # The viewer asks for a thumbnail, which there is none of.
    assert all("406" in fault for fault in seen.faults), seen.faults


async def test_a_whole_slide_is_shown_from_its_tiles(served: Served, chromium: Browser, tmp_path: Path) -> None:
    levels = slide()
    await _stored(served, [part10(each) for each in levels])
    seen = await watched(chromium)
    asked: list[str] = []
    seen.page.on("response", lambda got: asked.append(got.headers["content-type"]) if "/frames/" in got.url else None)
    await _open(seen.page, served, str(levels[0].StudyInstanceUID))
    await _until_coloured(seen.page, seen.page.locator("[data-cy=viewport-pane]").first, 50_000)
    await seen.page.screenshot(path=tmp_path / "slide.png")
    assert asked
    assert not any("image/j" in each for each in asked), "nothing was made anew for the viewer"
    assert seen.faults == []
