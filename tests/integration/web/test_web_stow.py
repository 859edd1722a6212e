"""STOW-RS (PS3.18 10.5) against the real archive."""

import asyncio

import pytest
from bench.corpus import Study, fresh_run, objects
from tests.fixtures.served import Served, multipart_of


def _items(answer: dict[str, object], key: str) -> list[dict[str, object]]:
    return answer.get(key, {}).get("Value", [])  # type: ignore[attr-defined, no-any-return]


@pytest.mark.capability("6.2.4")
async def test_stored_objects_are_named_with_their_addresses(served: Served) -> None:
    study = Study(fresh_run(), 0)
    items = list(objects("tiny", study, 3))
    answer = await served.store(items)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    body = answer.json()
    assert body["00081190"]["Value"] == [f"{served.url}/dicom-web/studies/{study.uid}"]
    stored = _items(body, "00081199")
    assert [each["00081155"]["Value"] for each in stored] == [[item.sop_uid] for item in items]
    for each in stored:
        found = await served.client.get(
            each["00081190"]["Value"][0], headers={"accept": "application/dicom; transfer-syntax=*"}
        )
        assert found.status_code == 200
    assert (await served.store(items)).status_code == 200, "storing the same again is a success"


@pytest.mark.capability("6.2.4")
async def test_a_file_alone_may_be_the_body(served: Served) -> None:
    item = next(objects("ct", Study(fresh_run(), 0), 1))
    answer = await served.client.post(
        "/dicom-web/studies", content=item.part10(), headers={"content-type": "application/dicom"}
    )
    assert answer.status_code == 200


@pytest.mark.capability("6.2.4")
async def test_an_object_of_another_study_is_refused_and_not_kept(served: Served) -> None:
    study, other = Study(fresh_run(), 0), Study(fresh_run(), 1)
    mine, theirs = next(objects("tiny", study, 1)), next(objects("tiny", other, 1))
    answer = await served.store([mine, theirs], study.uid)
    assert answer.status_code == 202
    failed = _items(answer.json(), "00081198")
    assert [(each["00081155"]["Value"], each["00081197"]["Value"]) for each in failed] == [([theirs.sop_uid], [0xA900])]
    assert (await served.client.get(f"/dicom-web/studies/{other.uid}/metadata")).status_code == 404
    assert (await served.store([theirs], study.uid)).status_code == 409


@pytest.mark.capability("6.2.4")
async def test_what_cannot_be_read_fails_alone(served: Served) -> None:
    item = next(objects("tiny", Study(fresh_run(), 0), 1))
    body, media = multipart_of([b"no image at all", item.part10()])
    answer = await served.client.post("/dicom-web/studies", content=body, headers={"content-type": media})
    assert answer.status_code == 202
    assert _items(answer.json(), "0008119A")[0]["00081197"]["Value"] == [0xC000]
    held = (await served.client.get("/api/v1/quarantine")).json()["items"]
    assert [(each["door"], each["reason"]) for each in held] == [("stow", "not-readable")]


@pytest.mark.capability("6.2.4")
async def test_the_same_uid_with_other_content_is_a_conflict(served: Served) -> None:
    _, items = await served.stored()
    changed = items[0].part10().replace(b"Mueller", b"Meuller")
    assert changed != items[0].part10()
    answer = await served.client.post(
        "/dicom-web/studies", content=changed, headers={"content-type": "application/dicom"}
    )
    assert answer.status_code == 409
    assert _items(answer.json(), "00081198")[0]["00081197"]["Value"] == [0x0111]


@pytest.mark.capability("6.2.4")
@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"x", "text/plain", 415),
        (b"x", 'multipart/related; type="application/dicom+json"; boundary=b', 400),
        (b"x", 'multipart/related; type="image/jpeg"; boundary=b', 415),
        (b"x", 'multipart/related; type="application/dicom"', 400),
        (b"x", "", 415),
        (b"--b\r\n\r\nunended", "multipart/related; type=application/dicom; boundary=b", 400),
        (b"--b--\r\n", "multipart/related; type=application/dicom; boundary=b", 400),
        (b"--b\r\nContent-Type: text/plain\r\n\r\nA\r\n--b--", "multipart/related; boundary=b", 415),
    ],
)
async def test_requests_that_cannot_be_taken(content: bytes, media: str, status: int, served: Served) -> None:
    answer = await served.client.post("/dicom-web/studies", content=content, headers={"content-type": media})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.capability("6.2.4")
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(served: Served) -> None:
    item = next(objects("ct", Study(fresh_run(), 0), 1))
    body, media = multipart_of([item.part10()])
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
        f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode() + body[:200_000])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    ingest = served.services.ingest
    async with asyncio.timeout(10):
        while ingest.held_bytes:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
    assert (await served.client.get(f"/dicom-web/studies/{item.study_uid}")).status_code == 404


async def test_a_length_that_is_only_claimed_costs_nothing(served: Served) -> None:
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
        "Content-Type: application/dicom\r\nContent-Length: 1000000000000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.encode())
    async with asyncio.timeout(10):
        assert b" 413 " in await reader.readline()
    writer.close()


@pytest.mark.capability("6.2.4")
async def test_the_answer_may_be_xml(served: Served) -> None:
    item = next(objects("tiny", Study(fresh_run(), 0), 1))
    answer = await served.client.post(
        "/dicom-web/studies",
        content=item.part10(),
        headers={"content-type": "application/dicom", "accept": 'multipart/related; type="application/dicom+xml"'},
    )
    assert answer.status_code == 200
    assert b'keyword="ReferencedSOPSequence"' in answer.content
