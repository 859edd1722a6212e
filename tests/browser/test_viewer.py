"""A person signs in, finds a study and opens it: in a real browser, with nothing fetched from anywhere else."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import watched
from tests.fixtures.served import PASSWORD, Served

from filmroom.security.principals import SYSTEM

ROOT = Path(__file__).resolve().parents[2]
# Software rendering on a crowded machine.
PATIENCE_MS = 90_000

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def _built() -> None:
    assert (ROOT / "viewer/dist/index.html").is_file(), "the viewer is not built: make setup"


async def _sign_in(page: Page, name: str, password: str) -> None:
    await page.fill("#name", name)
    await page.fill("#password", password)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def _grey(page: Page) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    shot = await page.locator("canvas.cornerstone-canvas").first.screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L"))


@pytest.mark.capability("6.1.1", "6.1.2", "6.3.1")
async def test_from_the_login_page_to_the_pixels_of_a_ct(served: Served, chromium: Browser, tmp_path: Path) -> None:
    study, _ = await served.stored("ct", 20)
    seen = await watched(chromium)
    page = seen.page
    await page.goto(f"{served.url}/viewer/")
    await expect(page).to_have_title("Sign in · Filmroom")
    await _sign_in(page, "admin", PASSWORD)
    await expect(page.get_by_text(study.patient_name.split("^")[0]).first).to_be_visible(timeout=PATIENCE_MS)
    await page.screenshot(path=tmp_path / "study-list.png")

    await page.goto(f"{served.url}/viewer/viewer?StudyInstanceUIDs={study.uid}")
    await page.wait_for_selector("canvas.cornerstone-canvas", timeout=PATIENCE_MS)
    for _ in range(PATIENCE_MS // 500):
        if (await _grey(page)).std() > 20:
            break
        await page.wait_for_timeout(500)
    else:
        pytest.fail("no image appeared")
    await page.screenshot(path=tmp_path / "ct.png")
    first = await _grey(page)
    assert first.max() > 200, "window and level make the brightest tissue bright"
    assert await page.evaluate("crossOriginIsolated")
    assert seen.hosts == {f"127.0.0.1:{served.port}"}, "everything comes from here"
    assert seen.faults == []


@pytest.mark.capability("6.3.1")
async def test_a_one_time_password_is_changed_by_keyboard_alone(served: Served, chromium: Browser) -> None:
    _, one_time = await served.services.accounts.add(SYSTEM, "rita", roles=["radiologist"])
    assert one_time is not None
    page = (await watched(chromium)).page
    await page.goto(f"{served.url}/login")
    await expect(page.locator("#name")).to_be_focused()
    await page.keyboard.type("rita")
    await page.keyboard.press("Tab")
    await page.keyboard.type(one_time)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading")).to_have_text("Choose your password")
    await expect(page.locator("#new")).to_be_focused()
    await page.keyboard.type("a long walk at dusk")
    await page.keyboard.press("Tab")
    await page.keyboard.type("a long walk at dusk")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert "/login" not in page.url


@pytest.mark.capability("6.3.1")
async def test_the_login_page_in_chinese_and_its_switch(served: Served, chromium: Browser) -> None:
    seen = await watched(chromium, locale="zh-CN")
    page = seen.page
    await page.goto(f"{served.url}/login")
    await expect(page.get_by_role("heading")).to_have_text("登录")
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading")).to_have_text("Sign in")
    await page.goto(f"{served.url}/login")
    await expect(page.get_by_role("heading")).to_have_text("Sign in")
    assert seen.faults == []


@pytest.mark.capability("6.3.1")
async def test_signing_out_from_the_viewer_closes_the_door(served: Served, chromium: Browser) -> None:
    page = (await watched(chromium)).page
    await page.goto(f"{served.url}/viewer/")
    await _sign_in(page, "admin", PASSWORD)
    await page.get_by_text("Sign out").click(timeout=PATIENCE_MS)
    await page.wait_for_url("**/login*")
    await page.goto(f"{served.url}/viewer/")
    await expect(page).to_have_title("Sign in · Filmroom")
