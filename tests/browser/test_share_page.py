"""What somebody without an account sees of a share link, in both languages."""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from bench.corpus import Study, fresh_run, objects
from playwright.async_api import Browser, expect
from tests.fixtures.served import multipart_of

from filmroom.app.server import open_server
from filmroom.security.principals import SYSTEM
from filmroom.settings import Settings, StorageSettings, WebSettings

pytestmark = [pytest.mark.timeout(300), pytest.mark.capability("6.3.3")]

SCRIPT = "<img src=x onerror=document.title='broken'>"


@dataclass
class Link:
    """A link with a PIN to one study, and the address of its site."""

    url: str
    path: str
    number: int
    client: httpx2.AsyncClient


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[Link]:
    settings = Settings(
        data=tmp_path,
        admin_password="correct horse battery staple",
        web=WebSettings(port=0),
        storage=StorageSettings(reserve_bytes=1 << 20),
    )
    async with open_server(settings, frozenset({"web", "work"})) as server:
        url = f"http://127.0.0.1:{server.http_port}"
        token = await server.core.tokens.issue(SYSTEM, "admin")
        async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=60) as client:
            study = Study(fresh_run(), 1)
            body, media = multipart_of([each.part10() for each in objects("tiny", study, 2)])
            assert (await client.post("/dicom-web/studies", content=body, headers={"content-type": media})).is_success
            asked = {"studies": [study.uid], "pin": "4711", "label": SCRIPT}
            made = (await client.post("/api/v1/shares", json=asked)).json()
            yield Link(url, made["path"], made["id"], client)


@pytest.mark.parametrize(("locale", "asks", "opens"), [("en-US", "PIN", "Open"), ("zh-CN", "PIN", "打开")])
async def test_the_recipient_reads_what_to_do_and_runs_nothing(
    link: Link, chromium: Browser, locale: str, asks: str, opens: str
) -> None:
    context = await chromium.new_context(locale=locale, viewport={"width": 412, "height": 732})
    try:
        page = await context.new_page()
        await page.goto(link.url + link.path)
        await expect(page.locator("html")).to_have_attribute("lang", re.compile(locale.split("-")[0]))
        await expect(page.get_by_text(asks).first).to_be_visible()
        button = page.get_by_role("button", name=opens)
        await expect(button).to_be_visible()
        if kept := os.environ.get("FILMROOM_SCREENSHOTS"):
            await page.screenshot(path=f"{kept}/share-{locale}.png")
        assert await page.title() != "broken"
        await page.locator("input[name=pin]").fill("0000")
        await button.click()
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "fits a telephone"
        assert (await link.client.delete(f"/api/v1/shares/{link.number}")).status_code == 204
        await page.goto(link.url + link.path)  # whether there is such a link is told to nobody
        await page.locator("input[name=pin]").fill("4711")
        await button.click()
        await expect(page.get_by_role("alert")).to_be_visible()
        assert not [each for each in await context.cookies() if each["name"] == "filmroom_share"]
        if kept:
            await page.screenshot(path=f"{kept}/share-ended-{locale}.png")
    finally:
        await context.close()
