"""``filmroom echo|send|find|move``: speak to another DICOM node from the terminal."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from filmroom.base.errors import FilmroomError, NotFound, RemoteFault
from filmroom.base.ids import AeTitle, ae_title
from filmroom.cli.files import Prepared, batches, prepare
from filmroom.cli.keys import identifier, rows_of, shown_keys
from filmroom.cli.running import with_core
from filmroom.cli.tables import Table
from filmroom.net.dimse import scu
from filmroom.net.dimse.models import PATIENT_ROOT, STUDY_ROOT, VERIFICATION
from filmroom.net.dimse.tls import Certificates
from filmroom.settings import load
from filmroom.wire.dimse.messages import CFindRsp, CMoveRsp
from filmroom.wire.dimse.status import (
    C_FIND,
    C_MOVE,
    C_STORE,
    PENDING,
    PENDING_OPTIONAL_KEYS,
    PROCESSING_FAILURE,
    SUCCESS,
    status_name,
)

screen = Console(highlight=False)

Peer = Annotated[str, typer.Argument(metavar="PEER", help="AETITLE@HOST:PORT, or the AE title of a known device.")]
Calling = Annotated[str, typer.Option("--as", metavar="AETITLE", help="The AE title to call as; ours by default.")]
PatientRoot = Annotated[bool, typer.Option("--patient-root", help="Use the Patient Root information model.")]
Keys = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE...", help="Keywords or tags: PatientName='ZHANG*' StudyDate=20260101-."),
]


class BadCommand(FilmroomError):
    """The command names something that it cannot mean."""


class PeerFailed(FilmroomError):
    """The peer did not do all it was asked."""


def echo(peer: Peer, calling: Calling = "") -> None:
    """Ask a node whether it is there (C-ECHO)."""

    async def ask() -> tuple[int, float, float]:
        began = time.perf_counter()
        async with await _open(peer, "echo", [scu.Proposal(VERIFICATION)], calling) as association:
            opened = time.perf_counter()
            status = await association.echo()
            return status, opened - began, time.perf_counter() - opened

    status, opening_s, answering_s = asyncio.run(ask())
    if status != SUCCESS:
        raise PeerFailed(f"{peer} answered {status:04X}H: {status_name(status)}")
    screen.print(f"{peer} answers: association in {opening_s * 1000:.1f} ms, C-ECHO in {answering_s * 1000:.1f} ms")


def send(
    peer: Peer,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.", exists=True)],
    calling: Calling = "",
) -> None:
    """Send files and folders to a node (C-STORE)."""
    files, strange = prepare(paths)
    for path, why in strange:
        screen.print(f"[yellow]passed over[/yellow] {path}: {why}")
    failed = asyncio.run(_send_all(peer, files, calling))
    screen.print(f"{len(files) - len(failed)} of {len(files)} accepted by {peer}")
    for path, why in failed[:20]:
        screen.print(f"[red]refused[/red] {path}: {why}")
    if failed:
        raise PeerFailed(f"{len(failed)} objects were not accepted")


def find(
    peer: Peer,
    keys: Keys = None,
    level: Annotated[str, typer.Option(help="PATIENT, STUDY, SERIES or IMAGE.")] = "STUDY",
    patient_root: PatientRoot = False,
    as_json: Annotated[bool, typer.Option("--json", help="One DICOM JSON object a line.")] = False,
    calling: Calling = "",
) -> None:
    """Search another node (C-FIND)."""
    model = PATIENT_ROOT if patient_root or level.upper() == "PATIENT" else STUDY_ROOT
    dataset = identifier(level, keys or [])

    async def ask() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with await _open(peer, "find", [scu.Proposal(model.find)], calling) as association:
            syntax = association.line.context_for(model.find).transfer_syntax
            async for answer in association.find(model.find, dataset.encode(syntax)):
                assert isinstance(answer.response, CFindRsp)
                if answer.response.status in (PENDING, PENDING_OPTIONAL_KEYS):
                    found.append(rows_of(answer.data, syntax))
                elif answer.response.status != SUCCESS:
                    raise PeerFailed(_told(answer.response.status, answer.response.comment, C_FIND))
        return found

    found = asyncio.run(ask())
    if as_json:
        for each in found:
            typer.echo(json.dumps(each, ensure_ascii=False))
        return
    table = Table(*dataset.titles)
    for each in found:
        table.add_row(*shown_keys(each, dataset))
    table.print()
    screen.print(f"{len(found)} found")


def move(
    peer: Peer,
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="AE title that is to receive.")],
    keys: Keys = None,
    level: Annotated[str, typer.Option(help="PATIENT, STUDY, SERIES or IMAGE.")] = "STUDY",
    patient_root: PatientRoot = False,
    calling: Calling = "",
) -> None:
    """Ask a node to send objects to a third one (C-MOVE)."""
    model = PATIENT_ROOT if patient_root or level.upper() == "PATIENT" else STUDY_ROOT
    dataset = identifier(level, keys or [], bare=True)

    async def ask() -> CMoveRsp:
        with progress() as shown:
            task = shown.add_task("moving", total=None)
            async with await _open(peer, "move", [scu.Proposal(model.move)], calling) as association:
                syntax = association.line.context_for(model.move).transfer_syntax
                last = CMoveRsp(responding_to=0, status=PROCESSING_FAILURE)
                async for answer in association.move(model.move, dataset.encode(syntax), ae_title(destination)):
                    assert isinstance(answer.response, CMoveRsp)
                    last = answer.response
                    done = (last.completed or 0) + (last.failed or 0) + (last.warning or 0)
                    shown.update(task, completed=done, total=done + (last.remaining or 0))
                return last

    last = asyncio.run(ask())
    screen.print(f"{last.completed or 0} moved, {last.failed or 0} failed, {last.warning or 0} with warnings")
    if last.status != SUCCESS:
        raise PeerFailed(_told(last.status, last.comment, C_MOVE))


async def _send_all(peer: str, files: list[Prepared], calling: str) -> list[tuple[Path, str]]:
    failed: list[tuple[Path, str]] = []
    with progress() as shown:
        task = shown.add_task("sending", total=len(files))
        for batch, proposals in batches(files):
            async with await _open(peer, "store", proposals, calling) as association:
                for file in batch:
                    if why := await _send_one(association, file):
                        failed.append((file.path, why))
                    shown.advance(task)
    return failed


async def _send_one(association: scu.Association, file: Prepared) -> str:
    """Why the peer did not take it; '' when it did."""
    try:
        answer = await association.store(file.sop_class, file.sop_uid, file.transfer_syntax, file.chunks())
    except RemoteFault as fault:
        return str(fault)
    except FilmroomError as fault:
        if type(fault).__name__ != "ContextMissing":
            raise
        return "the peer does not accept this SOP class in its transfer syntax"
    if answer.status == SUCCESS or answer.status >> 12 == 0xB:
        return ""
    return _told(answer.status, answer.comment, C_STORE)


async def _open(peer: str, service: str, proposals: list[scu.Proposal], calling: str) -> scu.Association:
    ours = ae_title(calling or load().dimse.ae_title)
    return await scu.Association.open(await asyncio.to_thread(open_peer, peer, service), proposals, calling_ae=ours)


def open_peer(text: str, service: str) -> scu.Peer:
    """A node as it was written, or a device that the service may be asked of. Raises NotFound, NotAsked."""
    if "@" not in text:
        device = with_core(lambda core: core.devices.find(AeTitle(text)))
        if device is None:
            raise NotFound(f"no device is registered as {text}; write AETITLE@HOST:PORT")
        return scu.Peer.of(device, Certificates.of(load().dimse), service)
    title, _, rest = text.partition("@")
    host, _, port = rest.rpartition(":")
    try:
        return scu.Peer(host.strip("[]"), int(port), ae_title(title))
    except ValueError as error:
        raise BadCommand(f"{text!r} is not AETITLE@HOST:PORT") from error


def _told(status: int, comment: str | None, service: tuple[tuple[int, int, str], ...]) -> str:
    sentence = f"{status:04X}H {status_name(status, service)}"
    return f"{sentence}: {comment}" if comment else sentence


def progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
