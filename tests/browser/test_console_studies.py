"""The rooms of studies, patients and the schedule in a real browser: found, uploaded, corrected, deleted, ordered."""

import pytest
from bench.corpus import Study, fresh_run, objects
from playwright.async_api import Browser, FilePayload, Page, expect
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


@pytest.mark.capability("6.1.1")
async def test_the_search_box_finds_by_identifier_and_accession(served: Served, chromium: Browser) -> None:
    study, _ = await served.stored("tiny", 1)
    await served.stored("tiny", 1)
    whole = (await served.client.get(f"/api/v1/studies/{study.uid}")).json()["study"]
    seen = await _signed_in(served, chromium, "/console/studies")
    page = seen.page
    await expect(_rows(page)).to_have_count(2)
    for typed in (whole["patient"]["id"], whole["accession"], study.uid):
        await page.keyboard.press("/")
        await page.locator("header input").fill(typed)
        await expect(_rows(page)).to_have_count(1)
        await page.keyboard.press("Escape")
        await expect(_rows(page)).to_have_count(2)
        await page.get_by_test_id("rows").focus()
    assert seen.faults == []


@pytest.mark.capability("6.1.1")
async def test_studies_ticked_by_keyboard_are_deleted_with_a_reason_and_brought_back(
    served: Served, chromium: Browser
) -> None:
    for _ in range(3):
        await served.stored("tiny", 2)
    seen = await _signed_in(served, chromium, "/console/studies")
    page = seen.page
    await expect(_rows(page)).to_have_count(3)
    await page.get_by_test_id("rows").focus()
    for key in ("ArrowDown", "Space", "Shift+ArrowDown"):
        await page.keyboard.press(key)
    await expect(page.get_by_role("toolbar")).to_contain_text("2 selected")
    await page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("2 studies: 4 images")
    await dialog.get_by_label("Reason").fill("sent twice")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(_rows(page)).to_have_count(1)
    await page.get_by_role("button", name="Undo").click()
    await expect(_rows(page)).to_have_count(3)
    past = (await served.client.get("/api/v1/deletions")).json()["deletions"]
    assert [each["why"] for each in past] == ["sent twice", "sent twice"]
    assert seen.faults == []


@pytest.mark.capability("6.1.1")
async def test_a_row_appears_by_itself_when_a_study_arrives(served: Served, chromium: Browser) -> None:
    seen = await _signed_in(served, chromium, "/console/studies")
    page = seen.page
    await expect(page.get_by_text("No studies yet")).to_be_visible()
    async with page.expect_response(lambda answer: "/api/v1/events" in answer.url):
        await page.reload()
    await served.stored("tiny", 1)
    await expect(_rows(page)).to_have_count(1, timeout=15_000)
    assert seen.faults == []


@pytest.mark.capability("1.6.1")
async def test_uploaded_files_are_told_apart_in_the_result(served: Served, chromium: Browser) -> None:
    data = [item.part10() for item in objects("tiny", Study(fresh_run(), 0), 2)]
    there = await served.client.post("/api/v1/uploads", content=data[0])
    assert there.json()["filed"] == 1
    seen = await _signed_in(served, chromium, "/console/studies")
    page = seen.page
    files = [("old.dcm", data[0]), ("new.dcm", data[1]), ("torn.dcm", data[1][:400]), ("letter.txt", b"no image")]
    payload = [FilePayload(name=name, mimeType="application/octet-stream", buffer=body) for name, body in files]
    await page.get_by_test_id("upload-files").set_input_files(payload)
    result = page.get_by_role("region", name="What became of the files")
    await expect(result).to_contain_text("4 files uploaded")
    for told in ("1 filed", "1 already there", "1 in quarantine", "1 no DICOM"):
        await expect(result).to_contain_text(told)
    assert seen.faults == []


@pytest.mark.capability("2.2.1")
async def test_a_correction_is_shown_and_taken_back_from_the_history(served: Served, chromium: Browser) -> None:
    study, _ = await served.stored("tiny", 1)
    seen = await _signed_in(served, chromium, f"/console/studies?study={study.uid}")
    page = seen.page
    panel = page.get_by_role("complementary")
    await panel.get_by_role("button", name="Correct attributes").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Description", exact=True).fill("Knee, left")
    await dialog.get_by_label("Reason").fill("was the other side")
    await dialog.get_by_role("button", name="Correct", exact=True).click()
    await expect(panel).to_contain_text("Knee, left")
    await panel.get_by_role("button", name="History of changes").click()
    await expect(dialog).to_contain_text("was the other side")
    await dialog.get_by_role("button", name="Undo").click()
    again = page.get_by_role("dialog", name="Undo")
    await again.get_by_label("Reason").fill("it was right")
    await again.get_by_role("button", name="Undo").click()
    await expect(panel).not_to_contain_text("Knee, left")
    assert seen.faults == []


@pytest.mark.capability("4.3.1")
async def test_an_order_is_placed_and_called_off_in_chinese(served: Served, chromium: Browser) -> None:
    seen = await _signed_in(served, chromium, "/console/schedule?from=any", locale="zh-CN")
    page = seen.page
    await page.get_by_role("button", name="新建申请单").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("患者编号").fill("P1")
    await dialog.get_by_label("患者姓名").fill("ZHANG^WEI=张^伟")
    await dialog.get_by_label("检查项目").fill("腹部 CT")
    await dialog.get_by_role("combobox", name="设备类型").click()
    await page.get_by_role("option", name="CT", exact=True).click()
    await dialog.get_by_role("button", name="提交申请单").click()
    await expect(_rows(page)).to_contain_text(["张伟"])
    await _rows(page).first.click()
    await page.get_by_role("button", name="患者已到达").click()
    await expect(_rows(page)).to_contain_text(["已到达"])
    await page.get_by_role("button", name="取消申请单").click()
    await dialog.get_by_text("患者未到").click()
    await dialog.get_by_role("button", name="取消申请单").click()
    await expect(page.get_by_text("申请单已取消")).to_be_visible()
    await expect(_rows(page)).to_have_count(0)  # the modality sees it no more, and neither does the list of the day
    assert seen.faults == []


@pytest.mark.capability("6.1.1")
async def test_a_patient_is_opened_with_all_studies(served: Served, chromium: Browser) -> None:
    study, _ = await served.stored("tiny", 1)
    seen = await _signed_in(served, chromium, "/console/patients")
    page = seen.page
    await _rows(page).first.click()
    await page.get_by_role("complementary").get_by_role("link").first.click()
    await expect(page).to_have_url(f"{served.url}/console/studies/{study.uid}")
    assert seen.faults == []
