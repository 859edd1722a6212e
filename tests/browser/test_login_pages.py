"""Signing in as people do: by keyboard, in both languages, with codes and with passkeys."""

import os
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import Watched, watched
from tests.fixtures.served import PASSWORD, Served

from filmroom.security.principals import SYSTEM

pytestmark = [pytest.mark.timeout(180), pytest.mark.capability("6.3.1")]
# Where pictures of the pages go, for looking at them.
PICTURES = os.environ.get("FILMROOM_TEST_PICTURES", "")


def address(served: Served, path: str) -> str:
    """Passkeys are bound to names, never to numbers."""
    return f"http://localhost:{served.port}{path}"


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def authenticator(seen: Watched) -> None:
    """A virtual authenticator that knows its user."""
    session = await seen.context.new_cdp_session(seen.page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def sign_in(page: Page, name: str = "admin") -> None:
    await page.fill("#name", name)
    await page.fill("#password", PASSWORD)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def test_a_passkey_instead_of_a_password_and_as_the_second_step(served: Served, chromium: Browser) -> None:
    seen = await watched(chromium)
    page = seen.page
    await authenticator(seen)
    await page.goto(address(served, "/login?next=/login/factors"))
    await sign_in(page)
    await expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_text("Passkeys set up: 1")).to_be_visible()
    await picture(page, "factors-passkey")
    assert (await served.client.get("/api/v1/me/factors")).json()["passkeys"][0]["label"] == "Linux"

    await seen.context.clear_cookies()
    await page.goto(address(served, "/login?next=/login/factors"))
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    methods = [each["method"] for each in (await served.client.get("/api/v1/sessions")).json()["sessions"]]
    assert "passkey" in methods

    await seen.context.clear_cookies()
    await page.goto(address(served, "/login?next=/login/factors"))
    await sign_in(page)
    await expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    await picture(page, "second-step-passkey")
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_text("Passkeys set up: 1")).to_be_visible()
    assert seen.faults == []


async def test_a_passkey_that_nobody_knows_is_refused_in_words(served: Served, chromium: Browser) -> None:
    seen = await watched(chromium)
    page = seen.page
    await authenticator(seen)
    await page.goto(address(served, "/login?next=/login/factors"))
    await sign_in(page)
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_text("Passkeys set up: 1")).to_be_visible()
    await served.client.delete("/api/v1/accounts/admin/factors")
    await seen.context.clear_cookies()
    await page.goto(address(served, "/login"))
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page.get_by_role("alert")).to_have_text("The passkey was not accepted.")
    await picture(page, "passkey-refused")


async def test_an_authenticator_by_keyboard(served: Served, chromium: Browser) -> None:
    seen = await watched(chromium)
    page = seen.page
    await page.goto(address(served, "/login?next=/login/factors"))
    await picture(page, "login-en")
    await sign_in(page)
    await page.get_by_text("I cannot scan it").click()
    secret = (await page.locator("details code").inner_text()).replace(" ", "")
    await picture(page, "factors-en")
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    recovery = await page.locator(".codes code").first.inner_text()
    await picture(page, "recovery-en")
    await seen.context.clear_cookies()
    await page.goto(address(served, "/login?next=/login/factors"))
    await sign_in(page)
    await expect(page.locator("#code")).to_be_focused()
    await picture(page, "second-step-en")
    await page.keyboard.type(recovery)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Recovery codes left: 9")).to_be_visible()
    await picture(page, "factors-done-en")
    assert seen.faults == []


async def test_the_pages_in_chinese_and_in_daylight(served: Served, chromium: Browser) -> None:
    _, one_time = await served.services.accounts.add(SYSTEM, "wang", roles=["radiologist"])
    assert one_time is not None
    seen = await watched(chromium, locale="zh-CN")
    page = seen.page
    await page.emulate_media(color_scheme="light")
    await page.goto(address(served, "/login?next=/login/factors"))
    await expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    await page.fill("#name", "wang")
    await page.fill("#password", "wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    await picture(page, "login-wrong-zh-light")
    await page.fill("#password", one_time)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="设置您的密码")).to_be_visible()
    await picture(page, "choose-zh-light")
    await page.fill("#new", "Wang2026Filmroom")
    await page.fill("#repeat", "Wang2026Filmroom")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("密码太容易被猜到。")
    await page.fill("#new", "窗外的雨下了一整夜还没停")
    await page.fill("#repeat", "窗外的雨下了一整夜还没停")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="双重验证")).to_be_visible()
    await picture(page, "factors-zh-light")
