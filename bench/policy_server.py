"""A whole server for bench.policy: as it is, or with rights and the record of looks taken out of it.

``python -m bench.policy_server on|off FOLDER`` prints one line of JSON (ports, bearer tokens by name) and serves
until its input ends. There is no setting that turns rights off; here they are replaced before the server is built.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from filmroom.app.core import Core
from filmroom.app.server import open_server
from filmroom.archive.looks import AuditLooks
from filmroom.security.principals import SYSTEM, Principal
from filmroom.security.roles_book import RoleBook
from filmroom.security.scopes import Scope
from filmroom.settings import DimseSettings, Settings, StorageSettings, WebSettings

# What the narrowed see is all there is, so that all do the same work: only the decision differs.
NARROWED = {
    "by study": Scope(max_sensitivity=5),
    "by series": Scope(modalities=frozenset({"CT", "SR"})),
}


def take_rights_out() -> None:
    """Principals stay as they signed in, which sees everything, and nobody keeps account of looks."""

    async def dress(self: RoleBook, who: Principal) -> Principal:
        return who

    async def unseen(*_: Any, **__: Any) -> None:
        return

    RoleBook.dress = dress  # type: ignore[method-assign]
    AuditLooks.__call__ = unseen  # type: ignore[method-assign]
    AuditLooks.asked = unseen  # type: ignore[method-assign]


async def serve(rights: bool, folder: Path) -> None:
    """Build it, say where it is, and wait."""
    settings = Settings(
        data=folder,
        admin_password="correct horse battery staple",
        web=WebSettings(port=0),
        dimse=DimseSettings(port=0),
        storage=StorageSettings(reserve_bytes=1 << 20),
    )
    async with open_server(settings, frozenset({"web", "dimse", "work"})) as server:
        tokens = {"administrator": await _somebody(server.core, "ada", "administrator", None)}
        if rights:
            for name, scope in NARROWED.items():
                tokens[name] = await _somebody(server.core, name.replace(" ", "-"), "viewer", scope)
        print(json.dumps({"http": server.http_port, "dicom": server.dicom_port, "tokens": tokens}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def _somebody(core: Core, name: str, role: str, scope: Scope | None) -> str:
    account, _ = await core.accounts.add(SYSTEM, name, roles=[role], password=f"a long secret of {name}")
    if scope is not None:
        await core.keeping.book.give(SYSTEM, f"person:{account.pk}", role, scope)
    token: str = await core.tokens.issue(SYSTEM, name)
    return token


def main() -> None:
    """As the command line says."""
    import uvloop

    rights, folder = sys.argv[1] == "on", Path(sys.argv[2])
    if not rights:
        take_rights_out()
    uvloop.run(serve(rights, folder))


if __name__ == "__main__":
    main()
