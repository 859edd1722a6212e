"""Every room of the console as pictures, in both themes and languages, at two widths: to be looked at.

``python -m tests.browser.console_shots http://127.0.0.1:8080 --out /tmp/shots`` signs in as the administrator of a
running server (FILMROOM_ADMIN_PASSWORD); ``--seed`` fills it first with what rooms show.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import httpx2
from playwright.async_api import Page, TimeoutError, async_playwright
from tests.browser.conftest import FLAGS

ROOMS: dict[str, str] = {
    "studies": "/studies",
    "studies-open": "/studies?study={study}",
    "studies-none": "/studies?q=nobody",
    "study": "/studies/{study}",
    "schedule": "/schedule?from=20200101",
    "patients": "/patients",
    "shares": "/shares",
    "exports": "/exports",
    "exports-open": "/exports?export=1",
    "projects": "/exports/projects",
    "project-new": "/exports/projects?form=new",
    "queues": "/queues",
    "destinations": "/queues/destinations",
    "jobs": "/queues/jobs",
    "quarantine": "/quarantine",
    "devices": "/devices",
    "devices-open": "/devices?device=CT1",
    "devices-edit": "/devices?device=CT1&form=edit",
    "pending": "/devices/pending",
    "associations": "/devices/associations",
    "recorder": "/devices/recorder",
    "worklist": "/devices/worklist",
    "local": "/devices/local",
    "rules": "/rules",
    "rules-open": "/rules?rule=hospital-name",
    "rules-new": "/rules?form=new",
    "forward": "/rules/forward",
    "forward-open": "/rules/forward?rule=night-ct",
    "storing": "/rules/storing",
    "webhooks": "/webhooks",
    "users": "/users",
    "users-open": "/users?user=lee",
    "roles": "/users/roles",
    "roles-open": "/users/roles?role=trauma-reader",
    "roles-new": "/users/roles?form=new&like=clinician",
    "given": "/users/given",
    "given-new": "/users/given?form=new",
    "sessions": "/users/sessions",
    "protected": "/users/protected",
    "glass": "/users/glass",
    "audit": "/audit",
    "audit-open": "/audit?record={record}",
    "audit-patient": "/audit/patient?patient={patient}",
    "audit-alerts": "/audit/alerts",
    "audit-trail": "/audit/trail",
    "account": "/account",
}


async def shoot(
    url: str, out: Path, password: str, only: Sequence[str], sizes: Sequence[tuple[int, int]], *, quick: bool
) -> None:
    """All rooms; a file is named room.theme.language.width.png."""
    out.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        for language in ("en", "zh"):
            context = await browser.new_context(base_url=url, locale="zh-CN" if language == "zh" else "en-US")
            page = await context.new_page()
            await sign_in(page, url, password)
            known = await known_of(page)
            for theme in ("dark", "light"):
                if quick and (theme == "dark") == (language == "zh"):
                    continue
                await page.evaluate(
                    "([theme, language]) => { localStorage.setItem('mantine-color-scheme-value', theme);"
                    " localStorage.setItem('filmroom.language', language); }",
                    [theme, language],
                )
                await page.goto(f"{url}/console/account")
                for name, address in ROOMS.items():
                    if only and not any(name.startswith(each) for each in only):
                        continue
                    await go(page, f"/console{address.format(**known)}")
                    for width, height in sizes:
                        await page.set_viewport_size({"width": width, "height": height})
                        await settled(page, name)
                        await page.screenshot(path=out / f"{name}.{theme}.{language}.{width}.png")
            await context.close()
        await browser.close()


async def sign_in(page: Page, url: str, password: str) -> None:
    await page.goto(f"{url}/login")
    await page.fill("#name", "admin")
    await page.fill("#password", password)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def go(page: Page, address: str) -> None:
    """To another room, without loading the console anew."""
    await page.evaluate(
        "to => { history.pushState({}, '', to); dispatchEvent(new PopStateEvent('popstate')); }", address
    )
    await page.wait_for_timeout(100)


async def settled(page: Page, name: str) -> None:
    """Nothing is loading any more."""
    with contextlib.suppress(TimeoutError):
        await page.wait_for_function(
            "() => document.querySelector('main h1, main [role=grid], main aside, main [role=alert]') !== null"
            " && document.querySelector('[class*=Skeleton], [aria-busy=true]') === null",
            timeout=15_000,
        )
        await page.wait_for_timeout(150)
        return
    sys.stderr.write(f"{name} did not come to rest\n")


async def known_of(page: Page) -> dict[str, str]:
    """What addresses are made with: a study, its patient, a record of the trail."""
    studies = (await (await page.request.get("/api/v1/studies?limit=5")).json())["studies"]
    audit = await (await page.request.get("/api/v1/audit?limit=5")).json()
    return {
        "study": studies[0]["uid"],
        "patient": quote(studies[0]["patient"]["id"]),
        "record": str(audit["records"][-1]["seq"]) if audit.get("records") else "1",
    }


async def seed(url: str, password: str) -> None:
    """Devices, rules, people, roles, links, exports: what makes rooms worth a look."""
    async with httpx2.AsyncClient(base_url=url, timeout=60, follow_redirects=True) as client:
        await client.post("/login", data={"name": "admin", "password": password}, headers={"origin": url})
        api = "/api/v1"

        async def put(path: str, body: object, method: str = "PUT") -> dict[str, object]:
            answer = await client.request(method, api + path, json=body, headers={"origin": url})
            if answer.status_code >= 400:
                sys.stderr.write(f"{method} {path} {answer.status_code} {answer.text[:200]}\n")
            return answer.json() if answer.content and answer.status_code < 400 else {}

        for title, description, site, department in (
            ("CT1", "CT of the emergency room", "Main campus", "Emergency"),
            ("MR_NEURO_3T", "神经科 3T 磁共振", "东院区", "神经内科"),
            ("ARCHIVE2", "Archive of the second site, reached by the slow line at night only", "East", "IT"),
            ("WS_RAD_07", "Workstation in reading room 7", "Main campus", "Radiology"),
        ):
            body = {"host": "127.0.0.1", "port": 9, "description": description, "site": site, "department": department}
            await put(f"/devices/{title}", body)
        rule = {"condition": 'calling = "CT1"', "actions": [{"set": "InstitutionName", "value": "General Hospital"}]}
        await put("/rules/coercion/hospital-name", rule)
        many = [
            {"prefix": "AccessionNumber", "value": "E-"},
            {"map": "BodyPartExamined", "table": {"HEAD": "HEAD", "KOPF": "HEAD"}, "otherwise": "keep"},
        ]
        await put("/rules/coercion/body-parts", {"condition": "Modality in (CT, MR)", "actions": many, "priority": 10})
        night = {"event": "complete", "condition": "Modality = CT and hour >= 20", "destinations": ["ARCHIVE2"]}
        await put("/rules/forward/night-ct", night)
        await put("/store-policies/CT1/*", {"policy": {"replacing": "if-different", "missing_id": "reject"}})
        hook = {
            "url": "https://ris.example.org/filmroom",
            "description": "RIS: study complete",
            "kinds": ["StudyComplete"],
        }
        await put("/webhooks", hook, "POST")
        for name, display, roles in (
            ("lee", "Lee Min-ho", ["radiologist"]),
            ("zhang", "张伟", ["clinician"]),
            ("audit.team", "Internal audit", ["auditor"]),
            (
                "a.very.long.account.name.of.somebody",
                "Prof. Dr. Maximiliane von Hohenstein-Schwarzenberg",
                ["resident"],
            ),
        ):
            await put("/accounts", {"name": name, "display_name": display, "roles": roles}, "POST")
        role = {
            "actions": ["view", "report", "break-glass"],
            "scopes": [
                {"modalities": ["CT", "DX"], "departments": ["Emergency"], "priors": True},
                {"assigned_to_me": True},
            ],
            "help": "Reads trauma at night",
        }
        await put("/roles/trauma-reader", role)
        await put(
            "/grants", {"principal": "person:2", "role": "trauma-reader", "scope": {"sites": ["Main campus"]}}, "POST"
        )
        await put(
            "/grants", {"principal": "device:WS_RAD_07", "role": "viewer", "scope": {"modalities": ["MR"]}}, "POST"
        )
        studies = (await client.get(f"{api}/studies?limit=5")).json()["studies"]
        first = studies[0]
        protect = {
            "patient_id": studies[-1]["patient"]["id"],
            "issuer": studies[-1]["patient"]["issuer"],
            "why": "Minister",
        }
        await put("/protected-patients", protect, "POST")
        glass = {"patient_id": studies[-1]["patient"]["id"], "reason": "Emergency, unconscious", "hours": 2}
        await put("/broken-glass", glass, "POST")
        link = {"studies": [first["uid"]], "label": "Dr Lee, City Hospital", "pin": "482913", "max_opens": 5}
        await put("/shares", link, "POST")
        await put(
            "/shares", {"studies": [each["uid"] for each in studies[:3]], "label": "市医院 李医生", "days": 30}, "POST"
        )
        project = {"name": "Lung nodules 2026", "options": ["retain-patient-characteristics", "retain-modified-dates"]}
        await put("/deidentification-projects", project, "POST")
        export = {"reason": "Research under vote 12/2026", "studies": [first["uid"]], "project": "Lung nodules 2026"}
        await put("/exports", export, "POST")
        await put("/audit/verification", None, "POST")
        delivery = {"to": "ARCHIVE2", "studies": [first["uid"]]}
        await put("/deliveries", delivery, "POST")
        step = {"modality": "CT", "start": "2026-11-23T09:30", "stations": ["CT1"], "location": "CT 1"}
        for person, procedure in (
            ("ZHANG^WEI=张^伟", "腹部 CT 增强扫描"),
            ("Hohenstein^Maximiliane", "CT Abdomen with contrast"),
        ):
            order = {
                "patient": {"id": "P-7781", "name": person},
                "procedures": [{"description": procedure, "steps": [step]}],
            }
            await put("/orders", order, "POST")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, default=Path("/tmp/shots"))
    parser.add_argument("--seed", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--quick", action="store_true", help="dark English and light Chinese only")
    parser.add_argument("--widths", nargs="*", type=int, default=[1280, 1920])
    given = parser.parse_args()
    password = os.environ["FILMROOM_ADMIN_PASSWORD"]
    if given.seed:
        asyncio.run(seed(given.url, password))
    sizes = [(width, 720 if width <= 1280 else 1080) for width in given.widths]
    asyncio.run(shoot(given.url, given.out, password, given.only, sizes, quick=given.quick))


if __name__ == "__main__":
    main()
