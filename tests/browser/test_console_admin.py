"""The console's administration rooms in a real browser."""

import re

import pytest
from playwright.async_api import Browser, Locator, Page, expect
from tests.browser.conftest import Watched, watched
from tests.fixtures.served import PASSWORD, Served

from filmroom.archive.devices_callers import Attempt, Proposed, Reason

pytestmark = pytest.mark.timeout(180)

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


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


def _faults(seen: Watched) -> list[str]:
    """What went wrong; this fixture has no flight recorder, so that asking it is no fault."""
    return [fault for fault in seen.faults if "/api/v1/recordings" not in fault and "404 (Not Found)" not in fault]


def _rows(page: Page) -> Locator:
    return page.locator("[role=row][aria-rowindex]")


async def _put(served: Served, title: str, **more: object) -> None:
    answer = await served.client.put(f"/api/v1/devices/{title}", json={"host": "127.0.0.1", "port": 9, **more})
    assert answer.status_code == 200, answer.text


@pytest.mark.capability("1.0.1", "7.1.1")
async def test_a_device_is_registered_changed_and_removed(served: Served, chromium: Browser) -> None:
    seen = await _signed_in(served, chromium, "/console/devices")
    page = seen.page
    await page.get_by_role("button", name="Register a device").first.click()
    await page.get_by_label("AE title", exact=True).fill("CT1")
    await page.get_by_label("Host name or address").fill("127.0.0.1")
    await page.get_by_role("checkbox", name="find", exact=True).first.uncheck()
    await page.get_by_role("button", name="Save").click()
    await expect(_rows(page)).to_contain_text(["CT1"])
    device = (await served.client.get("/api/v1/devices/CT1")).json()
    assert "find" not in device["policy"]["services"]
    assert "store" in device["policy"]["services"]

    await page.get_by_role("complementary").get_by_role("button", name="Edit").click()
    await page.get_by_label("Description", exact=True).fill("CT of the emergency room")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("complementary")).to_contain_text("CT of the emergency room")
    assert (await served.client.get("/api/v1/devices/CT1")).json()["policy"] == device["policy"]

    await page.get_by_role("button", name="Remove", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("can no longer call this archive")
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No device is registered")).to_be_visible()
    assert _faults(seen) == []


@pytest.mark.capability("7.1.1")
async def test_what_the_server_refuses_is_said_at_its_field(served: Served, chromium: Browser) -> None:
    await _put(served, "CT1")
    seen = await _signed_in(served, chromium, "/console/devices?device=CT1&form=edit")
    page = seen.page
    addresses = page.get_by_role("combobox", name="Addresses it calls from")
    await addresses.fill("not an address")
    await addresses.press("Enter")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("policy/addresses/0")
    await expect(page.locator(".mantine-TagsInput-error")).to_contain_text("must be")


@pytest.mark.capability("7.1.1")
async def test_a_caller_is_approved_with_what_will_happen_said_first(served: Served, chromium: Browser) -> None:
    assert served.services.callers is not None
    proposed = Proposed(sop_class=CT_IMAGE, syntaxes=(EXPLICIT,))
    for title in ("NEWCT", "STRANGER"):
        served.services.callers.note(
            Attempt(
                calling_ae=title,
                called_ae="FILMROOM",
                address="10.1.2.3",
                reason=Reason.CALLING_UNKNOWN,
                services=frozenset({"store"}),
                proposal=(proposed,),
            )
        )
    await served.services.callers.stop()
    seen = await _signed_in(served, chromium, "/console/devices/pending")
    page = seen.page
    await expect(_rows(page)).to_have_count(2)
    await expect(page.get_by_role("link", name=re.compile("Pending callers"))).to_contain_text("2")
    await page.get_by_role("button", name="Approve NEWCT").click()
    await expect(page.get_by_role("dialog")).to_contain_text("from this address only, and may use: echo, store")
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await expect(_rows(page)).to_have_count(1)
    device = (await served.client.get("/api/v1/devices/NEWCT")).json()
    assert (device["host"], device["policy"]["services"]) == ("10.1.2.3", ["echo", "store"])

    await page.get_by_text("STRANGER").click()
    await expect(page.get_by_role("complementary")).to_contain_text("CT Image Storage")
    await page.get_by_role("complementary").get_by_role("button", name="Dismiss").click()
    await page.get_by_role("dialog").get_by_role("button", name="Dismiss").click()
    await expect(page.get_by_text("Nobody was turned away")).to_be_visible()
    assert _faults(seen) == []


@pytest.mark.capability("7.1.1")
async def test_an_object_in_quarantine_is_discarded_with_a_reason_only(served: Served, chromium: Browser) -> None:
    assert served.services.quarantine is not None
    await served.services.quarantine.take(  # type: ignore[attr-defined]
        door="stow",
        source="CT1",
        reason="not-readable",
        detail="no DICOM",
        sop_class="",
        sop_uid="",
        transfer_syntax="",
        parts=[b"no dicom at all"],
        spool=None,
    )
    held = (await served.client.get("/api/v1/quarantine")).json()["items"][0]["id"]
    file = await served.client.get(f"/api/v1/quarantine/{held}/file")
    assert (file.status_code, file.content) == (200, b"no dicom at all")
    assert f'filename="quarantine-{held}.dcm"' in file.headers["content-disposition"]

    seen = await _signed_in(served, chromium, "/console/quarantine")
    page = seen.page
    await _rows(page).first.click()
    await expect(page.get_by_role("complementary")).to_contain_text("damaged or no DICOM")
    await page.get_by_role("button", name="Discard…").click()
    sure = page.get_by_role("dialog").get_by_role("button", name="Discard…")
    await expect(sure).to_be_disabled()
    await page.get_by_label("Reason").last.fill("sent by mistake")
    await sure.click()
    await expect(page.get_by_text("Nothing in quarantine")).to_be_visible()
    assert _faults(seen) == []


@pytest.mark.capability("7.1.1")
async def test_a_condition_is_checked_while_it_is_written(served: Served, chromium: Browser) -> None:
    await served.stored("ct", 1)
    seen = await _signed_in(served, chromium, "/console/rules?form=new")
    page = seen.page
    await page.get_by_role("button", name="Expert view").click()
    await page.get_by_label("When", exact=True).fill("Modality = ")
    await expect(page.get_by_text("The condition cannot be read")).to_be_visible()
    await page.get_by_label("When", exact=True).fill("Modality = CT")
    await expect(page.get_by_text("The condition can be read.")).to_be_visible()
    await page.get_by_role("combobox", name="On the first object of").click()
    await page.get_by_role("option").first.click()
    await expect(page.get_by_text("It holds for this object")).to_be_visible()
    await page.get_by_role("button", name="Plain form").click()
    await page.get_by_role("combobox", name="Attribute (keyword) 1").fill("InstitutionName")
    await page.get_by_label("Value", exact=True).fill("General Hospital")
    await expect(page.get_by_test_id("sentence")).to_contain_text("InstitutionName becomes “General Hospital”")
    await page.get_by_label("Name", exact=True).fill("institution")
    await page.get_by_role("button", name="Save").click()
    await expect(_rows(page)).to_contain_text(["institution"])
    await page.get_by_role("button", name="Turn off institution").click()
    await expect(page.get_by_role("button", name="Turn on institution")).to_be_visible()
    assert _faults(seen) == []


@pytest.mark.capability("7.1.1")
async def test_a_token_is_shown_once_and_revoked(served: Served, chromium: Browser) -> None:
    seen = await _signed_in(served, chromium, "/console/account")
    page = seen.page
    await page.get_by_label("What it is for").fill("nightly export")
    await page.get_by_role("button", name="Make a token").click()
    await expect(page.get_by_text(re.compile(r"^fr_[\w-]{20,}$"))).to_be_visible()
    await page.get_by_role("button", name="Revoke nightly export").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(page.get_by_role("button", name="Revoke nightly export")).to_have_count(0)


@pytest.mark.capability("6.1.1")
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("devices", "尚未登记设备"),
        ("devices/pending", "没有被拒绝的呼叫方"),
        ("devices/associations", "当前没有关联"),
        ("devices/local", "来自系统设置"),
        ("queues", "尚未发送任何内容"),
        ("queues/destinations", "尚无目的地"),
        ("queues/jobs", "此列表中没有任务"),
        ("quarantine", "隔离区为空"),
        ("rules", "尚无规则"),
        ("rules/storing", "对所有发送方一视同仁"),
        ("webhooks", "尚未设置推送"),
    ],
)
async def test_a_room_without_anything_says_so_in_chinese(
    served: Served, chromium: Browser, path: str, words: str
) -> None:
    seen = await _signed_in(served, chromium, f"/console/{path}", locale="zh-CN")
    await expect(seen.page.get_by_text(words).first).to_be_visible()
    assert not [fault for fault in seen.faults if "error in page" in fault]
