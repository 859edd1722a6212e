"""``/api/v1``: who am I, tokens, devices, quarantine, status."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from filmroom import __version__
from filmroom.archive.devices import Device
from filmroom.base.errors import NotFound, NotReadable
from filmroom.base.ids import AeTitle, ae_title
from filmroom.net.web.bodies import json_object, text_field
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.net.web.ports import WebServices
from filmroom.security.policy import Action, demand, may

MAX_HOST = 253
MAX_TOKEN_DAYS = 3650


class Api:
    """The handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._most_bytes = services.settings.web.max_json_bytes

    def routes(self) -> list[Route]:
        """Everything below ``/api/v1``."""
        return [
            Route("/api/v1/me", self.me),
            Route("/api/v1/status", self.status),
            Route("/api/v1/tokens", self.tokens),
            Route("/api/v1/tokens", self.issue_token, methods=["POST"]),
            Route("/api/v1/tokens/{pk:int}", self.revoke_token, methods=["DELETE"]),
            Route("/api/v1/devices", self.devices),
            Route("/api/v1/devices/{title}", self.put_device, methods=["PUT"]),
            Route("/api/v1/devices/{title}", self.remove_device, methods=["DELETE"]),
            Route("/api/v1/quarantine", self.quarantine),
        ]

    async def me(self, request: Request) -> Response:
        asking = who(request)
        account = await self._services.accounts.get(asking, asking.name)
        actions = sorted(action.value for action in Action if may(asking, action))
        return answer(
            {"name": account.name, "display_name": account.display_name, "roles": sorted(account.roles), "may": actions}
        )

    async def status(self, request: Request) -> Response:
        demand(who(request), Action.VIEW)
        services = self._services
        found: dict[str, object] = {"version": __version__, "ae_title": services.settings.dimse.ae_title}
        if services.counts is not None:
            found |= await services.counts()
        if may(who(request), Action.ADMINISTER):
            path = Path(services.settings.storage.path or services.settings.data)
            found["free_bytes"] = shutil.disk_usage(path).free
        return answer(found)

    async def tokens(self, request: Request) -> Response:
        rows = await self._services.tokens.list(who(request))
        return answer(
            {
                "tokens": [
                    {
                        "id": row.pk,
                        "account": row.account,
                        "label": row.label,
                        "created_at": row.created_at,
                        "expires_at": row.expires_at,
                        "revoked_at": row.revoked_at,
                    }
                    for row in rows
                ]
            }
        )

    async def issue_token(self, request: Request) -> Response:
        asking = who(request)
        body = await json_object(request, most_bytes=self._most_bytes)
        account = text_field(body, "account", asking.name)
        days = body.get("days", 365)
        if not isinstance(days, int) or isinstance(days, bool) or not 0 < days <= MAX_TOKEN_DAYS:
            raise NotReadable(f"days is a number from 1 to {MAX_TOKEN_DAYS}")
        label = text_field(body, "label", "")[:200]
        text = await self._services.tokens.issue(asking, account, label=label, lasts=timedelta(days=days))
        return answer({"token": text}, 201)

    async def revoke_token(self, request: Request) -> Response:
        await self._services.tokens.revoke(who(request), request.path_params["pk"])
        return Response(status_code=204)

    async def devices(self, request: Request) -> Response:
        demand(who(request), Action.ADMINISTER)
        return answer({"devices": [_device(each) for each in await self._services.devices.list()]})

    async def put_device(self, request: Request) -> Response:
        title = _title(request)
        body = await json_object(request, most_bytes=self._most_bytes)
        port, enabled = body.get("port"), body.get("enabled", True)
        if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            raise Refused(422, "port is a number from 1 to 65535")
        if not isinstance(enabled, bool):
            raise Refused(422, "enabled is true or false")
        device = await self._services.devices.put(
            title,
            _host(text_field(body, "host")),
            port,
            description=text_field(body, "description", "")[:500],
            enabled=enabled,
            who=who(request),
        )
        return answer(_device(device))

    async def remove_device(self, request: Request) -> Response:
        await self._services.devices.remove(_title(request), who=who(request))
        return Response(status_code=204)

    async def quarantine(self, request: Request) -> Response:
        if self._services.quarantine is None:
            raise NotFound
        entries = await self._services.quarantine.list(who(request))
        return answer(
            {
                "items": [
                    {
                        "id": each.pk,
                        "at": each.at,
                        "door": each.door,
                        "source": each.source,
                        "reason": each.reason,
                        "detail": each.detail,
                        "sop_uid": each.sop_uid or None,
                        "size_bytes": each.where.size_bytes,
                    }
                    for each in entries
                ]
            }
        )


def answer(body: Mapping[str, object], status: int = 200) -> Response:
    """A JSON answer that no cache keeps."""
    data = orjson.dumps(body, default=_plain)
    return Response(data, status, media_type="application/json", headers={"cache-control": "no-store"})


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _device(device: Device) -> dict[str, object]:
    return {
        "ae_title": device.ae_title,
        "host": device.host,
        "port": device.port,
        "description": device.description,
        "enabled": device.enabled,
    }


def _title(request: Request) -> AeTitle:
    try:
        return ae_title(request.path_params["title"])
    except ValueError as error:
        raise Refused(422, str(error)) from error


def _host(text: str) -> str:
    host = text.strip()
    if not 1 <= len(host) <= MAX_HOST or not all(c.isalnum() or c in "-._:[]%" for c in host):
        raise Refused(422, "host is a name or an address")
    return host
