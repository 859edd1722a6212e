"""``filmroom user``: people and programs that sign in."""

import sys
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from filmroom.app import Core
from filmroom.cli.running import with_core
from filmroom.security.principals import SYSTEM

app = typer.Typer(help="People and programs that sign in.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The account's name.")]


@app.command()
def add(
    name: Name,
    role: Annotated[
        list[str] | None,
        typer.Option(help="A role, may be given more than once: viewer, technologist, radiologist, administrator ..."),
    ] = None,
    display_name: Annotated[str, typer.Option(help="The name people read.")] = "",
) -> None:
    """Add an account. Its password is asked for, or made and shown once when left empty."""
    password = _secret("Password (empty: one is made)", default="")

    async def work(core: Core) -> str | None:
        roles = role or ["viewer"]
        _, one_time = await core.accounts.add(SYSTEM, name, roles=roles, password=password, display_name=display_name)
        return one_time

    one_time = with_core(work)
    if one_time is not None:
        typer.echo(f"One-time password of {name}: {one_time}")


@app.command("list")
def list_() -> None:
    """List the accounts."""

    async def work(core: Core) -> Table:
        table = Table("name", "shown as", "roles", "state")
        for account in await core.accounts.list(SYSTEM):
            state = "enabled" if account.enabled else "disabled"
            table.add_row(account.name, account.display_name, ", ".join(sorted(account.roles)), state)
        return table

    Console().print(with_core(work))


@app.command()
def password(name: Name) -> None:
    """Set an account's password; it is asked for twice."""
    fresh = _secret("New password", twice=True)
    with_core(lambda core: core.accounts.set_password(SYSTEM, name, fresh))


@app.command()
def disable(name: Name) -> None:
    """Keep an account from signing in; its sessions and tokens end."""
    with_core(lambda core: core.accounts.set_enabled(SYSTEM, name, False))


@app.command()
def enable(name: Name) -> None:
    """Let an account sign in again."""
    with_core(lambda core: core.accounts.set_enabled(SYSTEM, name, True))


@app.command()
def token(
    name: Name,
    days: Annotated[int, typer.Option(help="Days until it expires; 0: never.")] = 365,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Print a fresh bearer token of an account, and nothing else."""
    lasts = timedelta(days=days) if days else None
    typer.echo(with_core(lambda core: core.tokens.issue(SYSTEM, name, label=label, lasts=lasts)))


def _secret(question: str, *, default: str | None = None, twice: bool = False) -> str:
    """Asked for without echo; where there is no terminal, the next line of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    answer: str = typer.prompt(
        question, default=default, hide_input=True, show_default=False, confirmation_prompt=twice
    )
    return answer
