"""``/api/v1/devices/{title}/test``: the connection test, in plain words of both languages."""

from collections.abc import AsyncIterator
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices import Device, NoSuchDevice
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Shape, operation
from filmroom.net.web.errors import NO_STORE
from filmroom.net.web.ports import DeviceTest, Finding, WebServices
from filmroom.net.web.streams import Stream
from filmroom.security.policy import Action

LINES = "application/x-ndjson"


class Told(Shape):
    """A finding as people read it."""

    en: str
    zh: str


class StepAnswer(Shape):
    """One step of the test. ``code`` stays the same whatever the sentences become."""

    step: str
    outcome: Literal["ok", "warning", "failed"]
    code: str
    ms: float
    text: Told


class TestAnswer(Shape):
    """The steps in their order; the last one is the one that failed, or nothing did."""

    ok: bool
    steps: list[StepAnswer]


class Probe:
    """The handler."""

    def __init__(self, services: WebServices) -> None:
        self._devices = services.devices
        self._test = services.device_test

    def routes(self) -> list[Route]:
        return [Route("/api/v1/devices/{title}/test", self.test, methods=["POST"])]

    @operation(
        "Test the connection to a device",
        tag="devices",
        text="TCP, TLS where the device has it, association, C-ECHO, C-FIND, and which images it would take; nothing "
        "is sent. Takes up to half a minute; asked for `application/x-ndjson`, each step is a line, sent when it ends.",
        returns=TestAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
    )
    async def test(self, request: Request) -> Response:
        if self._test is None:
            raise NotFound("connection tests are not offered here")
        device = await self._devices.find(request.path_params["title"])
        if device is None:
            raise NoSuchDevice(f"no device is registered as {request.path_params['title']}")
        if LINES in request.headers.get("accept", ""):
            return Stream(_lines(self._test, device), headers=NO_STORE, media_type=LINES)
        steps = [_step(each) async for each in self._test(device)]
        return answer(TestAnswer(ok=all(each.outcome != "failed" for each in steps), steps=steps))


async def _lines(test: DeviceTest, device: Device) -> AsyncIterator[bytes]:
    async for each in test(device):
        yield msgspec.json.encode(_step(each)) + b"\n"


def _step(found: Finding) -> StepAnswer:
    return StepAnswer(
        step=found.name,
        outcome=found.outcome,
        code=found.code,
        ms=found.ms,
        text=Told(en=found.told("en"), zh=found.told("zh")),
    )
