"""``filmroom ae``: the AE titles this archive answers to, each with its own rules and view."""

import json
from typing import Annotated

import typer
from rich.console import Console

from filmroom.app.core import Core
from filmroom.archive.devices_local import LocalAe, LocalPolicy, described
from filmroom.base.ids import ae_title
from filmroom.cli.devices import Title, patch_of
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.principals import SYSTEM

app = typer.Typer(help="AE titles this archive answers to, each with its own rules and view.", no_args_is_help=True)
screen = Console(highlight=False)

Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE...",
        help="description, enabled, and keys of its rules: services=echo,find read_only=true modalities=CT,MR "
        "max_age_days=365. Nothing after the sign takes the key away.",
    ),
]


@app.command()
def add(title: Title, keys: Keys = None) -> None:
    """Answer to an AE title from now on."""
    _show(
        with_core(lambda core: core.local_aes.replace(ae_title(title), patch_of(keys or [], LocalPolicy), who=SYSTEM))
    )


@app.command("set")
def set_(title: Title, keys: Keys = None) -> None:
    """Change what is offered and seen at an AE title of ours."""
    _show(with_core(lambda core: core.local_aes.patch(ae_title(title), patch_of(keys or [], LocalPolicy), who=SYSTEM)))


@app.command()
def remove(title: Title) -> None:
    """Answer to an AE title no more."""
    with_core(lambda core: core.local_aes.remove(ae_title(title), who=SYSTEM))


@app.command("list")
def list_() -> None:
    """List the AE titles this archive answers to."""

    async def work(core: Core) -> Table:
        table = Table("AE title", "description", "state", "rules")
        for each in await core.local_aes.list():
            state = "enabled" if each.enabled else "disabled"
            table.add_row(each.ae_title, each.description, state, json.dumps(each.policy.to_row(), ensure_ascii=False))
        return table

    with_core(work).print()


def _show(local: LocalAe) -> None:
    screen.print_json(json.dumps(described(local), ensure_ascii=False))
