"""``/api/v1/devices``: who may call, where images can be sent, and what each may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom.archive.devices import BadDevice, ChangedSince, Device, NoSuchDevice, described
from filmroom.base.ids import AeTitle, ae_title
from filmroom.net.web.api.answers import answer, demand_match, nothing, tagged
from filmroom.net.web.api.describe import Asked, Moment, Shape, operation
from filmroom.net.web.bodies import json_object
from filmroom.net.web.door import who
from filmroom.net.web.errors import Misfit, Refused, Unfit
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action

MAX_HOST = 253

Policy = Annotated[
    dict[str, Any], Meta(description="Keys of the device's policy; those that are absent mean defaults.")
]


class DeviceAnswer(Shape):
    """A registered device."""

    ae_title: str
    host: str
    port: int
    description: str
    enabled: bool
    site: str
    department: str
    policy: Policy
    changed_at: Moment | None


class DeviceList(Shape):
    """All devices."""

    devices: list[DeviceAnswer]


class DeviceAsked(Asked):
    """A device as it is to be. Without ``policy`` it keeps its own."""

    host: Annotated[str, Meta(min_length=1, max_length=MAX_HOST, description="Name or address.")]
    port: Annotated[int, Meta(ge=1, le=65535)]
    description: Annotated[str, Meta(max_length=200)] = ""
    enabled: bool = True
    site: Annotated[str, Meta(max_length=200)] = ""
    department: Annotated[str, Meta(max_length=200)] = ""
    policy: Policy | None = None


class DevicePatch(Asked):
    """What of a device is to change (a JSON merge patch): null takes a key away."""

    host: str | None = None
    port: int | None = None
    description: str | None = None
    enabled: bool | None = None
    site: str | None = None
    department: str | None = None
    policy: Policy | None = None


class DeviceChange(Shape):
    """One change of a device: ``before`` and ``after`` are null where there was, or is, none."""

    at: Moment
    who: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class DeviceChanges(Shape):
    """A device's journal, newest first."""

    changes: list[DeviceChange]


class Devices:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._devices = services.devices
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        one = "/api/v1/devices/{title}"
        return [
            Route("/api/v1/devices", self.show),
            Route(one, self.get),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.patch, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(one + "/changes", self.changes),
        ]

    @operation("List devices", tag="devices", returns=DeviceList, permission=Action.ADMINISTER)
    async def show(self, request: Request) -> Response:
        return answer(DeviceList(devices=[device_shape(each) for each in await self._devices.list()]))

    @operation(
        "One device", tag="devices", returns=DeviceAnswer, errors=[404], permission=Action.ADMINISTER, tagged=True
    )
    async def get(self, request: Request) -> Response:
        return tagged(request, device_shape(await self._devices.get(title_of(request))))

    @operation(
        "Register a device, or change it",
        tag="devices",
        body=DeviceAsked,
        returns=DeviceAnswer,
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def put(self, request: Request) -> Response:
        title = title_of(request)
        body = await json_object(request, most_bytes=self._most_bytes)
        expected = await self._expected(request, title)
        with told():
            device = await self._devices.replace(title, body, expected=expected, who=who(request))
        return tagged(request, device_shape(device))

    @operation(
        "Change a device",
        tag="devices",
        text="A JSON merge patch (RFC 7396): what is not named stays, null takes a key of the policy away.",
        body=DevicePatch,
        returns=DeviceAnswer,
        errors=[404],
        permission=Action.ADMINISTER,
        tagged=True,
    )
    async def patch(self, request: Request) -> Response:
        title = title_of(request)
        body = await json_object(request, most_bytes=self._most_bytes)
        expected = await self._expected(request, title)
        with told():
            device = await self._devices.patch(title, body, expected=expected, who=who(request))
        return tagged(request, device_shape(device))

    @operation("Remove a device", tag="devices", errors=[404], permission=Action.ADMINISTER, tagged=True)
    async def remove(self, request: Request) -> Response:
        title = title_of(request)
        expected = await self._expected(request, title)
        with told():
            await self._devices.remove(title, expected=expected, who=who(request))
        return nothing()

    @operation("Who changed a device", tag="devices", returns=DeviceChanges, permission=Action.ADMINISTER)
    async def changes(self, request: Request) -> Response:
        found = await self._devices.changes(title_of(request), who=who(request))
        changes = [
            DeviceChange(
                at=each.at,
                who=each.who,
                action=each.action,
                before=None if each.before is None else dict(each.before),
                after=None if each.after is None else dict(each.after),
            )
            for each in found
        ]
        return answer(DeviceChanges(changes=changes))

    async def _expected(self, request: Request, title: AeTitle) -> int | None:
        """The version that a change was made on, when it names one. Raises Refused (412)."""
        if "if-match" not in request.headers and "if-none-match" not in request.headers:
            return None
        try:
            present = await self._devices.get(title)
        except NoSuchDevice:
            present = None
        demand_match(request, None if present is None else device_shape(present))
        if present is not None and request.headers.get("if-none-match", "").strip() == "*":
            raise Refused(412, f"{title} is registered already")
        return 0 if present is None else present.version


def device_shape(device: Device) -> DeviceAnswer:
    """A device as everybody is shown it."""
    return DeviceAnswer(**described(device), changed_at=device.changed_at)


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with a change, said with its keys (422) or as what came between (412)."""
    try:
        yield
    except BadDevice as error:
        raise Unfit([Misfit(fault.pointer, fault.detail) for fault in error.faults]) from error
    except ChangedSince as error:
        raise Refused(412, str(error)) from error


def title_of(request: Request) -> AeTitle:
    """The AE title in the address."""
    try:
        return ae_title(request.path_params["title"])
    except ValueError as error:
        raise Refused(422, str(error)) from error
