"""``filmroom ups``: work items (unified procedure steps), as performers and requesters see them."""

import io
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from rich.console import Console

from filmroom.app.core import Core
from filmroom.base.errors import FilmroomError
from filmroom.base.ids import new_uid
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.dicom.dictionary import keyword_of
from filmroom.dicom.question import JsonDataset
from filmroom.security.principals import SYSTEM
from filmroom.workflow import ups_rules as rules
from filmroom.workflow.attributes import element
from filmroom.workflow.ups import Workitems
from filmroom.workflow.ups_events import Subscriptions
from filmroom.workflow.ups_model import GLOBAL, Done, State

T = TypeVar("T")
app = typer.Typer(help="Work items (UPS): list, show, create, claim, end, cancel, subscriptions.", no_args_is_help=True)
screen = Console(highlight=False, soft_wrap=True)

Item = Annotated[str, typer.Argument(help="SOP Instance UID of the work item.")]
Key = Annotated[str, typer.Option(help="Transaction UID with which it was claimed.")]
Target = Annotated[str, typer.Argument(help="SOP Instance UID of a work item, or all.")]
Receiver = Annotated[str, typer.Argument(help="AE title of a device.")]
_COLUMNS = (rules.SOP_INSTANCE, rules.STATE, rules.PRIORITY, rules.LABEL, rules.WORKLIST_LABEL, rules.START)
_PATIENT = (0x00100020, 0x00100010)


@app.command("list")
def list_items(
    state: Annotated[str, typer.Option(help="SCHEDULED, IN PROGRESS, COMPLETED or CANCELED.")] = "",
    worklist: Annotated[str, typer.Option(help="Worklist Label.")] = "",
    patient_id: Annotated[str, typer.Option(help="Patient ID.")] = "",
) -> None:
    """List work items."""
    asked: JsonDataset = {f"{tag:08X}": {"vr": "LO"} for tag in (*_COLUMNS, *_PATIENT)}
    for tag, value in ((rules.STATE, state.upper()), (rules.WORKLIST_LABEL, worklist), (0x00100020, patient_id)):
        asked |= element(tag, value) if value else {}

    async def work(core: Core) -> list[JsonDataset]:
        return [each async for each in _items(core).find(SYSTEM, asked)]

    table = Table("work item", "state", "priority", "label", "worklist", "start", "patient id", "patient")
    for each in _run(work):
        table.add_row(*(_shown(each, tag) for tag in (*_COLUMNS, *_PATIENT)))
    table.print()


@app.command()
def show(item: Item) -> None:
    """Show every attribute of a work item."""
    done = _run(lambda core: _items(core).get(SYSTEM, item))
    _settled(done)
    _print(done.attributes or {}, "")


@app.command()
def create(
    file: Annotated[Path, typer.Argument(help="A DICOM JSON object, or a DICOM file; - for standard input.")],
    item: Annotated[str, typer.Option("--uid", help="SOP Instance UID; one is made when left out.")] = "",
) -> None:
    """Create a work item from a file. It is SCHEDULED then."""
    data = typer.get_binary_stream("stdin").read() if str(file) == "-" else file.read_bytes()
    given = _data_set(data)
    done = _run(lambda core: _items(core).create(SYSTEM, item, given, source="command line"))
    _settled(done)
    screen.print(done.sop_uid)


@app.command()
def claim(item: Item, key: Key = "") -> None:
    """Take a work item in progress; prints the transaction UID, without which nobody can change or end it."""
    lock = key or new_uid(lambda: uuid.uuid4().int)
    _settled(_run(lambda core: _become(core, item, State.IN_PROGRESS, lock)))
    screen.print(lock)


@app.command()
def complete(item: Item, key: Key) -> None:
    """End a work item that was performed."""
    _settled(_run(lambda core: _become(core, item, State.COMPLETED, key)))


@app.command()
def discontinue(item: Item, key: Key) -> None:
    """End a work item that was claimed and is not performed to its end."""
    _settled(_run(lambda core: _become(core, item, State.CANCELED, key)))


@app.command("set")
def set_attributes(
    item: Item,
    file: Annotated[Path, typer.Argument(help="A DICOM JSON object with what is to be changed.", exists=True)],
    key: Key = "",
) -> None:
    """Change attributes of a work item; one in progress needs its transaction UID."""
    given = _data_set(file.read_bytes())
    _settled(_run(lambda core: _items(core).set(SYSTEM, item, given, transaction_uid=key)))


@app.command()
def cancel(
    item: Item,
    reason: Annotated[str, typer.Option(help="Why, for whoever performs it.")] = "",
    contact: Annotated[str, typer.Option(help="Whom to talk to about it.")] = "",
) -> None:
    """Ask that a work item be cancelled: done at once while nobody performs it, else its performer is told."""
    given: JsonDataset = element(rules.CANCEL_REASON, reason) if reason else {}
    given |= element(rules.CONTACT_NAME, contact) if contact else {}
    _settled(_run(lambda core: _items(core).request_cancel(SYSTEM, item, given, asked_by="FILMROOM")))


@app.command()
def subscribe(
    target: Target,
    receiver: Receiver,
    lock: Annotated[bool, typer.Option(help="Keep finished items until the receiver lets go of them.")] = False,
) -> None:
    """Have a device told of one work item, or of all."""
    uid = _target(target)
    _settled(
        _run(
            lambda core: _subscriptions(core).subscribe(SYSTEM, uid, receiver, deletion_lock=lock, must_be_device=True)
        )
    )


@app.command()
def unsubscribe(target: Target, receiver: Receiver) -> None:
    """Have a device told no more of one work item, or of any."""
    uid = _target(target)
    _settled(_run(lambda core: _subscriptions(core).unsubscribe(SYSTEM, uid, receiver, must_be_device=True)))


@app.command()
def subscriptions(
    receiver: Annotated[str, typer.Argument(help="AE title of a device; all when left out.")] = "",
) -> None:
    """List who is told of which work item."""
    table = Table("receiver", "work item", "deletion lock")
    for row in _run(lambda core: _subscriptions(core).listed(SYSTEM, receiver)):
        table.add_row(row["receiver"], row["sop_uid"], "yes" if row["deletion_lock"] else "")
    table.print()


async def _become(core: Core, item: str, state: State, key: str) -> Done:
    given = element(rules.STATE, state.value) | element(rules.TRANSACTION_UID, key)
    return await _items(core).change_state(SYSTEM, item, given)


def _items(core: Core) -> Workitems:
    return Workitems(core.database, core.clock, retry_hours=core.settings.workflow.notice_retry_hours)


def _subscriptions(core: Core) -> Subscriptions:
    settings = core.settings.workflow
    return Subscriptions(
        core.database, core.clock, retry_hours=settings.notice_retry_hours, event_reports=settings.event_reports
    )


def _target(text: str) -> str:
    return GLOBAL if text in ("all", GLOBAL) else text


def _data_set(data: bytes) -> JsonDataset:
    """A DICOM file or DICOM JSON; a JSON array has one object."""
    try:
        if data[128:132] == b"DICM":
            return dict(dcmread(io.BytesIO(data)).to_json_dict())
        found: Any = orjson.loads(data)
    except (InvalidDicomError, orjson.JSONDecodeError):
        raise typer.BadParameter("neither a DICOM file nor DICOM JSON") from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise typer.BadParameter("the DICOM JSON is no object of attributes")
    return found


def _settled(done: Done) -> None:
    """Say what is wrong, or merely noteworthy; leave with 1 when it was refused."""
    finding = done.finding
    if finding is None:
        return
    names = ", ".join(keyword_of(tag) or f"{tag:08X}" for tag in finding.tags)
    text = finding.comment or finding.fault.value
    screen.print(f"{text}: {names}" if names and names not in text else text, markup=False)
    if not finding.warns:
        raise typer.Exit(1)


def _print(held: JsonDataset, indent: str) -> None:
    for name, one in sorted(held.items()):
        word = keyword_of(int(name, 16)) or name
        values = one.get("Value") or []
        if one.get("vr") == "SQ":
            screen.print(f"{indent}{word}", markup=False)
            for number, each in enumerate(values, 1):
                screen.print(f"{indent}  {number}.", markup=False)
                _print(each, indent + "     ")
        else:
            screen.print(f"{indent}{word}: {', '.join(map(_text, values))}", markup=False)


def _shown(held: JsonDataset, tag: int) -> str:
    values = (held.get(f"{tag:08X}") or {}).get("Value") or [""]
    return _text(values[0])


def _text(value: Any) -> str:
    return "=".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _run(work: Callable[[Core], Awaitable[T]]) -> T:
    try:
        return with_core(work)
    except FilmroomError as fault:
        screen.print(str(fault), markup=False)
        raise typer.Exit(1) from None
