"""Console and viewer below a path of a reverse proxy: everything is asked for below that path, and nothing fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from tests.browser.conftest import watched
from tests.fixtures.nginx import nginx
from tests.fixtures.served import PASSWORD, Served, serve

from filmroom.db.pool import Database
from filmroom.settings import WebSettings

# Software rendering on a crowded machine.
PATIENCE_MS = 90_000

pytestmark = [pytest.mark.timeout(300), pytest.mark.capability("6.1.1")]


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path, web=WebSettings(trusted_proxies="127.0.0.1")) as running:
        yield running


async def test_console_and_viewer_below_a_path(served: Served, chromium: Browser, tmp_path: Path) -> None:
    study, _ = await served.stored("ct", 3)
    with nginx(tmp_path / "nginx", served.port) as port:
        seen = await watched(chromium)
        page, root = seen.page, f"http://127.0.0.1:{port}/pacs"
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{root}/")
        await page.fill("#name", "admin")
        await page.fill("#password", PASSWORD)
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await page.wait_for_url(f"{root}/console/**", timeout=PATIENCE_MS)
        await expect(page.get_by_text(study.patient_name.split("^")[0]).first).to_be_visible(timeout=PATIENCE_MS)
        await page.screenshot(path=tmp_path / "console.png")

        await page.goto(f"{root}/viewer?requestType=STUDY&studyUID={study.uid}")
        await expect(page.locator("[data-cy=viewport-overlay-bottom-right]").first).to_contain_text(
            "I:", timeout=PATIENCE_MS
        )
        await page.screenshot(path=tmp_path / "viewer.png")
        assert seen.faults == []  # after signing out, what the viewer still asks for is refused
        await page.get_by_text("Sign out").click()
        await page.wait_for_url(f"{root}/login*")
        outside = [url for url in asked if url.startswith("http") and not url.startswith(f"{root}/")]
        assert outside == []
        await page.goto("about:blank")
