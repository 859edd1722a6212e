"""Debian's Chromium in front of a served archive."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from tests.fixtures.served import Served, serve

from filmroom.db.pool import Database

# Quiet, without a sandbox (tests may run as root), WebGL in software.
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]


@dataclass
class Watched:
    """A page, and everything that went wrong or left the site while it was open."""

    page: Page
    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(database, tmp_path) as running:
        yield running


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "Debian's chromium is not installed"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


async def watched(browser: Browser, *, locale: str = "en-US") -> Watched:
    """A fresh profile with one page."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, locale=locale)
    seen = Watched(await context.new_page(), context)
    page = seen.page
    page.on("pageerror", lambda error: seen.faults.append(f"error in page: {error}"))
    page.on("console", lambda said: seen.faults.append(said.text) if said.type == "error" else None)
    page.on("response", lambda got: seen.faults.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on("request", lambda asked: seen.hosts.add(asked.url.split("/")[2]) if asked.url.startswith("http") else None)
    return seen
