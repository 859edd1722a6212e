"""What a client process does: prepare, wait for the start, then work against the clock."""

import contextlib
import itertools
import os
import socket
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from bench import dimse, http
from bench.corpus import Object, Study, objects
from bench.workers import Lap

clock = time.perf_counter


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server answers."""

    dicom: tuple[str, int]
    ae: str
    web: tuple[str, int]
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Load:
    """Objects to send: ``count`` of ``kind`` in one study."""

    kind: str
    study: Study
    count: int

    def objects(self) -> list[Object]:
        return list(objects(self.kind, self.study, self.count))


@dataclass(frozen=True, slots=True)
class Fetch:
    """One HTTP GET."""

    path: str
    accept: str
    encoding: str = ""


def store(target: Target, load: Load) -> Generator[None, None, Lap]:
    """C-STORE over one association."""
    items = load.objects()
    syntaxes = sorted({item.transfer_syntax for item in items})
    classes = sorted({item.sop_class for item in items})
    association = dimse.Association.open(target.dicom, target.ae, classes, syntaxes=syntaxes, timeout_s=300)
    ready = [(item.sop_uid, association.encode_store(item)) for item in items]
    sizes = sum(item.size_bytes for item in items)
    del items
    yield
    lap = Lap(begun=clock(), size_bytes=sizes)
    for uid, pdus in ready:
        begun = clock()
        status = association.store_encoded(pdus)
        lap.latencies_s.append(clock() - begun)
        if status == dimse.SUCCESS:
            lap.acknowledged.append(uid)
        else:
            lap.failures.append(f"{status:04X}")
    lap.ended = clock()
    lap.count = len(ready)
    association.release()
    return lap


def store_many(target: Target, kind: str, studies: Sequence[Study], each: int) -> Generator[None, None, Lap]:
    """C-STORE of ``each`` objects into every study, encoded as they go: for filling, not for timing."""
    lap = Lap()
    first = next(objects(kind, studies[0], 1))
    association = dimse.Association.open(target.dicom, target.ae, [first.sop_class], timeout_s=300)
    yield
    for study in studies:
        for item in objects(kind, study, each):
            status = association.store(item)
            if status:
                raise dimse.Refused(f"C-STORE status {status:04X}")
            lap.count += 1
    association.release()
    return lap


def associations(target: Target, count: int) -> Generator[None, None, Lap]:
    """Open, C-ECHO, release, again and again."""

    def once() -> int:
        association = dimse.Association.open(target.dicom, target.ae, [dimse.VERIFICATION])
        status = association.echo()
        association.release()
        return status

    yield
    return _repeat(once, count)


def echoes(target: Target, count: int) -> Generator[None, None, Lap]:
    """C-ECHO on one open association."""
    association = dimse.Association.open(target.dicom, target.ae, [dimse.VERIFICATION])
    association.echo()
    yield
    lap = _repeat(association.echo, count)
    association.release()
    return lap


def finds(target: Target, identifiers: Sequence[bytes], expected: int) -> Generator[None, None, Lap]:
    """C-FIND each identifier; each must match at least ``expected`` times."""
    association = dimse.Association.open(target.dicom, target.ae, [dimse.STUDY_FIND])
    waiting = iter(identifiers)
    yield

    def once() -> int:
        found = len(association.find(next(waiting)))
        return 0 if found >= expected else found + 1

    lap = _repeat(once, len(identifiers))
    association.release()
    return lap


def gets(target: Target, identifiers: Sequence[bytes], sop_class: str) -> Generator[None, None, Lap]:
    """C-GET each identifier over one association."""
    association = dimse.Association.open(target.dicom, target.ae, [dimse.STUDY_GET], store_roles=[sop_class])
    yield
    lap = Lap(begun=clock())
    for identifier in identifiers:
        begun = clock()
        tally = association.get(identifier)
        lap.latencies_s.append(clock() - begun)
        lap.count += tally.objects
        lap.size_bytes += tally.size_bytes
        if tally.final is None or tally.final.status:
            lap.failures.append("C-GET")
    lap.ended = clock()
    association.release()
    return lap


def moves(target: Target, identifiers: Sequence[bytes], destination: str) -> Generator[None, None, Lap]:
    """C-MOVE each identifier to ``destination``."""
    association = dimse.Association.open(target.dicom, target.ae, [dimse.STUDY_MOVE], timeout_s=120)
    yield
    lap = Lap(begun=clock())
    for identifier in identifiers:
        begun = clock()
        final = association.move(identifier, destination)
        lap.latencies_s.append(clock() - begun)
        lap.count += final.number(0x1021)
        if final.status:
            lap.failures.append(f"{final.status:04X}")
    lap.ended = clock()
    association.release()
    return lap


def stows(target: Target, load: Load, per_request: int) -> Generator[None, None, Lap]:
    """STOW-RS in requests of ``per_request`` objects; what the answer names as stored is what counts."""
    connection = http.Connection(target.web, target.headers)
    items = load.objects()
    batches = [items[at : at + per_request] for at in range(0, len(items), per_request)]
    requests = [http.multipart([item.part10() for item in batch]) for batch in batches]
    sizes = sum(item.size_bytes for item in items)
    del items, batches
    connection.get("/dicom-web/studies?limit=1", accept="application/dicom+json")
    yield
    lap = Lap(begun=clock(), size_bytes=sizes)
    for content_type, body in requests:
        begun = clock()
        headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
        answer = connection.request("POST", "/dicom-web/studies", headers=headers, body=body)
        lap.latencies_s.append(clock() - begun)
        if answer.status in (200, 202):
            stored = answer.json().get("00081199", {}).get("Value", [])
            lap.acknowledged += [item["00081155"]["Value"][0] for item in stored]
        if answer.status != 200:
            lap.failures.append(str(answer.status))
    lap.ended = clock()
    lap.count = load.count
    return lap


def fetches(target: Target, requests: Sequence[Fetch]) -> Generator[None, None, Lap]:
    """HTTP GETs over one connection."""
    connection = http.Connection(target.web, target.headers)
    connection.get("/dicom-web/studies?limit=1", accept="application/dicom+json")
    yield
    lap = Lap(begun=clock())
    for fetch in requests:
        extra = {"Accept-Encoding": fetch.encoding} if fetch.encoding else {}
        begun = clock()
        answer = connection.request("GET", fetch.path, headers={"Accept": fetch.accept, **extra}, keep=False)
        lap.latencies_s.append(clock() - begun)
        lap.size_bytes += answer.size_bytes
        lap.count += 1
        if answer.status not in (200, 206):
            lap.failures.append(str(answer.status))
    lap.ended = clock()
    return lap


def sink(port: int) -> None:
    """A move destination that takes everything and keeps nothing; a process per association. Never returns."""
    import signal

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        for _ in itertools.count():
            connection, _peer = listener.accept()
            if os.fork() == 0:
                with contextlib.suppress(dimse.Refused, dimse.Released, OSError):
                    dimse.Association.accept(connection).serve_stores()
                os._exit(0)
            connection.close()


def _repeat(action: Callable[[], int], count: int) -> Lap:
    lap = Lap(begun=clock(), count=count)
    for _ in range(count):
        begun = clock()
        if status := action():
            lap.failures.append(f"{status:04X}")
        lap.latencies_s.append(clock() - begun)
    lap.ended = clock()
    return lap
