"""The console's first rooms in a real browser, in both languages, by mouse and by keyboard."""

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Watched, watched
from tests.fixtures.served import PASSWORD, Served

pytestmark = pytest.mark.timeout(180)


async def _signed_in(served: Served, browser: Browser, path: str, *, locale: str = "en-US") -> Watched:
    seen = await watched(browser, locale=locale)
    page = seen.page
    await page.goto(f"{served.url}{path}")
    await page.fill("#name", "admin")
    await page.fill("#password", PASSWORD)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    seen.faults.clear()  # what the signed-out page was refused
    return seen


def _rows(page: Page):  # type: ignore[no-untyped-def]
    return page.locator("[role=row][aria-rowindex]")


@pytest.mark.capability("6.1.1", "4.3.1")
async def test_a_study_is_listed_opened_beside_the_list_and_its_address_kept(served: Served, chromium: Browser) -> None:
    study, _ = await served.stored("ct", 3)
    seen = await _signed_in(served, chromium, "/console/studies")
    page = seen.page
    await expect(_rows(page)).to_have_count(1)
    await page.get_by_test_id("rows").focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("complementary")).to_contain_text(study.uid)
    assert f"study={study.uid}" in page.url
    await page.reload()
    await expect(page.get_by_role("complementary").get_by_role("img", include_hidden=True).first).to_be_visible()
    await page.get_by_role("complementary").locator("button[aria-expanded=false]").first.click()
    await page.get_by_role("button", name="Attributes 1", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("(0008,0018)")
    assert seen.faults == []


@pytest.mark.capability("6.1.1")
async def test_the_console_speaks_chinese_and_switches_at_once(served: Served, chromium: Browser) -> None:
    seen = await _signed_in(served, chromium, "/console/studies", locale="zh-CN")
    page = seen.page
    await expect(page.get_by_text("暂无检查")).to_be_visible()
    await expect(page.get_by_role("link", name="隔离区")).to_be_visible()
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_text("No studies yet")).to_be_visible()
    assert seen.faults == []


@pytest.mark.capability("6.1.1")
async def test_a_search_that_finds_nothing_says_what_to_do(served: Served, chromium: Browser) -> None:
    await served.stored("ct", 1)
    seen = await _signed_in(served, chromium, "/console/studies")
    page = seen.page
    await expect(_rows(page)).to_have_count(1)
    await page.keyboard.press("/")
    await page.keyboard.type("nobody")
    await expect(page.get_by_text("No study matches")).to_be_visible()
    assert "q=nobody" in page.url
    await page.get_by_role("button", name="Clear filters").first.click()
    await expect(_rows(page)).to_have_count(1)


@pytest.mark.capability("1.0.1", "7.1.1")
async def test_a_device_is_registered_and_forgotten(served: Served, chromium: Browser) -> None:
    seen = await _signed_in(served, chromium, "/console/devices")
    page = seen.page
    await page.get_by_role("button", name="Register a device").first.click()
    await page.get_by_label("AE title", exact=True).fill("CT1")
    await page.get_by_label("Host name or address").fill("127.0.0.1")
    await page.get_by_role("button", name="Save").click()
    await expect(_rows(page)).to_contain_text(["CT1"])
    await page.get_by_role("button", name="Remove", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No device is registered")).to_be_visible()
    assert not [fault for fault in seen.faults if "error in page" in fault]
