"""``/api/v1/devices/{title}/test``: the connection test, in plain words of both languages."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices import NoSuchDevice
from filmroom.base.errors import NotFound
from filmroom.net.web.api.answers import answer
from filmroom.net.web.api.describe import Shape, operation
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action


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
        "is sent. Takes up to half a minute.",
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
        steps = [
            StepAnswer(
                step=each.name,
                outcome=each.outcome,
                code=each.code,
                ms=each.ms,
                text=Told(en=each.told("en"), zh=each.told("zh")),
            )
            async for each in self._test(device)
        ]
        return answer(TestAnswer(ok=all(each.outcome != "failed" for each in steps), steps=steps))
