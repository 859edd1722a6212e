"""The server: the core, and the doors and the work of the roles asked for."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from filmroom.app.core import Core, open_core
from filmroom.app.dimse import open_dimse
from filmroom.app.web import open_web
from filmroom.app.wire import open_wire
from filmroom.app.work import open_work
from filmroom.base.allocator import collect_seldom
from filmroom.base.errors import FilmroomError
from filmroom.settings import Settings

ROLES = frozenset({"dimse", "web", "work"})


class BadRole(FilmroomError):
    """There is no such role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. ``first_password`` is set the first time only."""

    core: Core
    roles: frozenset[str]
    dicom_port: int
    http_port: int
    first_password: str | None


@asynccontextmanager
async def open_server(settings: Settings, roles: frozenset[str]) -> AsyncIterator[Server]:
    """The whole server, or the roles of it asked for; ready when yielded. Raises FilmroomError."""
    if unknown := roles - ROLES:
        raise BadRole(f"{min(unknown)!r} is not a role; the roles are {', '.join(sorted(ROLES))}")
    async with AsyncExitStack() as closing:
        core = await closing.enter_async_context(open_core(settings, log_from="info", follows="work" in roles))
        await closing.enter_async_context(_on_record(core))
        first_password = await _first_administrator(core)
        wire = await closing.enter_async_context(open_wire(core))
        dicom_port = http_port = 0
        await closing.enter_async_context(_warming(core))
        if "work" in roles:
            await closing.enter_async_context(open_work(core, wire))
        if "web" in roles:
            http_port = await closing.enter_async_context(open_web(core, wire))
        if "dimse" in roles:
            dicom_port = await closing.enter_async_context(open_dimse(core, wire))
        collect_seldom()
        yield Server(core=core, roles=roles, dicom_port=dicom_port, http_port=http_port, first_password=first_password)


@asynccontextmanager
async def _on_record(core: Core) -> AsyncIterator[None]:
    """The audit trail says when the server ran."""
    await core.keeping.opened("started")
    try:
        yield
    finally:
        await core.keeping.opened("stopped")


@asynccontextmanager
async def _warming(core: Core) -> AsyncIterator[None]:
    """Make ready beside everything else what the first object and the first picture would wait for."""
    tasks = [asyncio.create_task(core.ingest.warm()), asyncio.create_task(core.pixels.warm())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_administrator(core: Core) -> str | None:
    made = await core.accounts.ensure_first_administrator(core.settings.admin_password)
    path = core.settings.data / "admin-password"
    if made is not None:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        os.write(descriptor, f"{made}\n".encode())
        os.close(descriptor)
    return made
