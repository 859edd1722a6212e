"""``filmroom user``: people and programs that sign in."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
import typer

from filmroom.app.core import Core
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.security.model import Account
from filmroom.security.policy import Action
from filmroom.security.principals import SYSTEM
from filmroom.security.scopes import WHOLE, scope_from

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

    async def work(core: Core) -> list[Account]:
        return await core.accounts.list(SYSTEM)

    table = _table("name", "shown as", "roles", "second factor", "kept by", "last sign-in", "state")
    for account in with_core(work):
        table.add_row(
            account.name,
            account.display_name,
            ", ".join(sorted(account.roles)),
            _factors(account),
            account.provider or "here",
            _moment(account.last_sign_in),
            _state(account),
        )
    table.print()


@app.command()
def password(name: Name) -> None:
    """Set an account's password; it is asked for twice."""
    fresh = _secret("New password", twice=True)
    with_core(lambda core: core.accounts.set_password(SYSTEM, name, fresh))


@app.command()
def reset(name: Name) -> None:
    """Print a one-time password in place of a forgotten one; sessions and locks of the account end."""
    typer.echo(with_core(lambda core: core.accounts.reset_password(SYSTEM, name)))


@app.command()
def roles(
    name: Name,
    role: Annotated[
        list[str] | None, typer.Argument(help="The roles it has from now on, instead of those it had.")
    ] = None,
) -> None:
    """Give an account these roles and no others."""
    account = with_core(lambda core: core.accounts.set_roles(SYSTEM, name, role or []))
    typer.echo(f"{account.name}: {', '.join(sorted(account.roles)) or 'no role'}")


@app.command()
def rename(name: Name, shown: Annotated[str, typer.Argument(help="The name people read.")]) -> None:
    """Change the name that people read of an account."""
    with_core(lambda core: core.accounts.set_display_name(SYSTEM, name, shown))


@app.command()
def grants(name: Annotated[str, typer.Argument(help="Of this account only.")] = "") -> None:
    """List roles that were given with a scope, beside those of accounts."""

    async def work(core: Core) -> Sequence[Mapping[str, Any]]:
        return await core.keeping.book.grants(SYSTEM, await _principal(core, name) if name else None)

    table = _table("to", "role", "where", "since")
    for row in with_core(work):
        scope = orjson.dumps(row["scope"]).decode() if row["scope"] else "everywhere"
        table.add_row(row["principal"], row["role"], scope, _moment(row["changed_at"]))
    table.print()


@app.command()
def give(
    name: Annotated[str, typer.Argument(help="The account's name, or device:<AE title>.")],
    role: Annotated[str, typer.Argument(help="A ready role, or one of this archive.")],
    scope: Annotated[
        str, typer.Option(help='Where it counts, as JSON: {"modalities": ["CT"], "priors": true}. Empty: everywhere.')
    ] = "",
) -> None:
    """Give a role to a person or a device, narrowed by a scope."""
    where = scope_from(orjson.loads(scope)) if scope else WHOLE

    async def work(core: Core) -> None:
        await core.keeping.book.give(SYSTEM, await _principal(core, name), role, where)

    with_core(work)


@app.command()
def take(
    name: Annotated[str, typer.Argument(help="The account's name, or device:<AE title>.")],
    role: Annotated[str, typer.Argument(help="A role that was given with a scope.")],
) -> None:
    """Take a role back that was given with ``give``."""

    async def work(core: Core) -> None:
        await core.keeping.book.take(SYSTEM, await _principal(core, name), role)

    with_core(work)


async def _principal(core: Core, name: str) -> str:
    return name if name.startswith("device:") else (await core.accounts.get(SYSTEM, name)).principal().id


@app.command()
def disable(name: Name) -> None:
    """Keep an account from signing in; its sessions and tokens end. The last administrator stays."""
    with_core(lambda core: core.accounts.set_enabled(SYSTEM, name, False))


@app.command()
def enable(name: Name) -> None:
    """Let an account sign in again."""
    with_core(lambda core: core.accounts.set_enabled(SYSTEM, name, True))


@app.command()
def unlock(name: Name) -> None:
    """Forget an account's wrong passwords and codes."""
    with_core(lambda core: core.accounts.unlock(SYSTEM, name))


@app.command("totp-off")
def totp_off(name: Name) -> None:
    """Take away the authenticator and recovery codes of somebody who lost them."""
    with_core(lambda core: core.people.totp.remove(SYSTEM, name))


@app.command("passkeys-off")
def passkeys_off(name: Name) -> None:
    """Remove every passkey of somebody who lost them."""
    with_core(lambda core: core.people.passkeys.remove_all(SYSTEM, name))


@app.command()
def sessions(
    end: Annotated[int, typer.Option(help="End the session with this number.")] = 0,
    end_all: Annotated[str, typer.Option(help="End every session of this account.")] = "",
) -> None:
    """List open browser sessions, or end some."""
    if end:
        with_core(lambda core: core.people.sessions.end(SYSTEM, end))
        return
    if end_all:
        count = with_core(lambda core: core.people.sessions.end_all(SYSTEM, end_all))
        typer.echo(f"{count} ended")
        return
    table = _table("number", "account", "from", "opened", "last seen", "ends", "by")
    for row in with_core(lambda core: core.people.sessions.list(SYSTEM, everybody=True)):
        times = (_moment(row.created_at), _moment(row.last_seen), _moment(row.expires_at))
        table.add_row(str(row.pk), row.account, row.peer, *times, row.method)
    table.print()


@app.command()
def token(
    name: Name,
    days: Annotated[int, typer.Option(help="Days until it expires; 0: never.")] = 365,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    action: Annotated[
        list[str] | None,
        typer.Option(help="What it may do at most (view, store, export ...), may be given more than once."),
    ] = None,
) -> None:
    """Print a fresh bearer token of an account, and nothing else."""
    lasts = timedelta(days=days) if days else None
    actions = None if action is None else [_action(each) for each in action]
    typer.echo(with_core(lambda core: core.tokens.issue(SYSTEM, name, label=label, lasts=lasts, actions=actions)))


@app.command()
def tokens(revoke: Annotated[int, typer.Option(help="Revoke the token with this number.")] = 0) -> None:
    """List bearer tokens, never their text; or revoke one."""
    if revoke:
        with_core(lambda core: core.tokens.revoke(SYSTEM, revoke))
        return
    table = _table("number", "account", "for", "may", "issued", "expires", "last used", "state")
    for row in with_core(lambda core: core.tokens.list(SYSTEM)):
        table.add_row(
            str(row.pk),
            row.account,
            row.label,
            "all" if row.actions is None else ", ".join(sorted(row.actions)),
            _moment(row.created_at),
            _moment(row.expires_at) or "never",
            f"{_moment(row.last_used)} {row.last_peer}".strip(),
            "in force" if row.revoked_at is None else "revoked",
        )
    table.print()


def _table(*names: str) -> Table:
    """A table that hides nothing where the terminal is narrow."""
    return Table(*names)


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise ValueError(f"{text!r} is no action; there are {', '.join(each.value for each in Action)}") from None


def _factors(account: Account) -> str:
    found = (["code"] if account.has_totp else []) + ([f"{account.passkeys} passkeys"] if account.passkeys else [])
    return ", ".join(found)


def _state(account: Account) -> str:
    if not account.enabled:
        return "disabled"
    if account.locked_until is not None:
        return f"locked until {_moment(account.locked_until)}"
    return "must change its password" if account.must_change else "enabled"


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M")


def _secret(question: str, *, default: str | None = None, twice: bool = False) -> str:
    """Asked for without echo; where there is no terminal, the next line of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    answer: str = typer.prompt(
        question, default=default, hide_input=True, show_default=False, confirmation_prompt=twice
    )
    return answer
