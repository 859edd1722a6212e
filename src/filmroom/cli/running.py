"""How a command gets at the archive: the same composition as the server, without its listeners."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from filmroom.app.core import Core, open_core
from filmroom.security.audit import ORIGIN, Origin
from filmroom.settings import Settings, load

T = TypeVar("T")


def with_core(work: Callable[[Core], Awaitable[T]], settings: Settings | None = None) -> T:
    """Run ``work`` with the archive of the settings in force, whether or not the server is running beside it."""

    async def run() -> T:
        ORIGIN.set(Origin("cli", ""))
        async with open_core(settings or load()) as core:
            return await work(core)

    return asyncio.run(run())
