"""A scenario, what one run of it gives, and the running of scenarios on both servers in turn."""

import json
import multiprocessing
import socket
import statistics
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench import jobs, measure
from bench.corpus import Study, fresh_run
from bench.http import Connection
from bench.jobs import Load, Target
from bench.servers import Server, free_port
from bench.waiting import until
from bench.workers import Clients, Job, Lap

SINK = "BENCHSINK"


class NotOffered(Exception):
    """The server does not have what the scenario asks for."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run on one server. ``value`` is in the scenario's unit; ``objects`` divides the CPU time."""

    value: float
    laps: Sequence[Lap] = ()
    cost: measure.Cost | None = None
    objects: int = 0
    found: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A question asked of both servers.

    ``target`` is the ratio to Debian's Orthanc that we want; ``restart`` begins with fresh processes, where the peak of
    memory is the point.
    """

    name: str
    unit: str
    better: Literal["more", "less"]
    run: Callable[["Bench", Server], Sample]
    target: float | None = None
    restart: bool = False


@dataclass(slots=True)
class Result:
    """The samples of one scenario on one server."""

    samples: list[Sample] = field(default_factory=list)
    problem: str = ""

    @property
    def value(self) -> float | None:
        return statistics.median(each.value for each in self.samples) if self.samples else None

    def latency_ms(self, share: float) -> float | None:
        """The latency that ``share`` of all single operations stayed under."""
        every = sorted(s for sample in self.samples for lap in sample.laps for s in lap.latencies_s)
        return every[min(len(every) - 1, int(share * len(every)))] * 1000 if every else None

    def cpu_ms(self) -> float | None:
        """Server CPU milliseconds per object, work put off included."""
        each = [s.cost.cpu_s * 1000 / s.objects for s in self.samples if s.cost and s.objects]
        return statistics.median(each) if each else None

    def peak(self, what: str) -> int:
        """The highest of one of Cost's memory figures, in bytes."""
        return max((getattr(each.cost, what) for each in self.samples if each.cost), default=0)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: full, or just enough to see that it runs."""

    quick: bool
    archive: int

    def count(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Measured:
    """The laps of the clients, and what they cost the server."""

    laps: list[Lap]
    cost: measure.Cost

    @property
    def seconds(self) -> float:
        return max(each.ended for each in self.laps) - min(each.begun for each in self.laps)

    @property
    def count(self) -> int:
        return sum(each.count for each in self.laps)

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self.laps)

    @property
    def acknowledged(self) -> set[str]:
        return {uid for each in self.laps for uid in each.acknowledged}

    @property
    def p50_ms(self) -> float:
        return statistics.median(s for each in self.laps for s in each.latencies_s) * 1000

    def sample(self, value: float, *, found: str = "", objects: int = 0) -> Sample:
        failures = [text for each in self.laps for text in each.failures]
        if failures and len(failures) == self.count and failures[0].isdecimal() and len(failures[0]) == 3:
            raise NotOffered(f"HTTP {failures[0]}")
        note = f"{len(failures)} failed ({failures[0]})" if failures else ""
        return Sample(value, self.laps, self.cost, objects or self.count, found, note)


class Bench:
    """The servers, the clients, and what has been loaded into each server so far."""

    def __init__(self, servers: Sequence[Server], scale: Scale) -> None:
        self.servers = servers
        self.scale = scale
        self.clients = Clients(8)
        self.run = fresh_run()
        self._loaded: set[tuple[str, str, int]] = set()
        self._sink = multiprocessing.get_context("spawn").Process(
            target=jobs.sink, args=(port := free_port(),), daemon=True
        )
        self._sink.start()
        until(lambda: _listens(port), what="the move destination listening")
        for server in servers:
            server.add_destination(SINK, port)

    def close(self) -> None:
        self.clients.close()
        self._sink.kill()
        self._sink.join()

    def target(self, server: Server) -> Target:
        return Target(server.dicom, server.ae, ("127.0.0.1", server.http_port), dict(server.authorization))

    def play(self, scenario: Scenario, rounds: int) -> dict[str, Result]:
        """Run ``scenario`` ``rounds`` times on every server, in turn and in alternating order."""
        results = {server.name: Result() for server in self.servers}
        for number in range(rounds):
            for server in self.servers if number % 2 == 0 else reversed(self.servers):
                result = results[server.name]
                if result.problem:
                    continue
                try:
                    if scenario.restart and number == 0:
                        server.stop()
                        server.start()
                    result.samples.append(scenario.run(self, server))
                except NotOffered as reason:
                    result.problem = f"not offered: {reason}"
                except Exception:
                    result.problem = traceback.format_exc()
        return results

    def measured(self, server: Server, job: Job, arguments: Sequence[tuple[object, ...]]) -> Measured:
        """Run a job in client processes while the server's cost is watched."""
        with measure.watch(server.processes) as cost:
            laps = self.clients.run(job, arguments)
        return Measured(laps, cost)

    def ensure(self, server: Server, kind: str, number: int, count: int) -> Study:
        """The study ``number`` with ``count`` objects of ``kind``, stored in ``server`` (once)."""
        study = Study(self.run, number)
        key = (server.name, kind, number)
        if key not in self._loaded:
            laps = self.clients.run(jobs.store, [(self.target(server), Load(kind, study, count))])
            if laps[0].failures:
                raise AssertionError(f"{server.name} refused the corpus: {laps[0].failures[:3]}")
            self._loaded.add(key)
        return study

    def ensure_archive(self, server: Server) -> list[Study]:
        """A population of small studies to search in: ``scale.archive`` objects, three to a study."""
        studies = [Study(self.run, 10_000 + number) for number in range(max(40, self.scale.archive // 3))]
        key = (server.name, "archive", 0)
        if key not in self._loaded:
            shares = [studies[at::4] for at in range(4)]
            self.clients.run(jobs.store_many, [(self.target(server), "tiny", share, 3) for share in shares])
            self._loaded.add(key)
        return studies

    def found(self, server: Server, acknowledged: set[str], studies: Sequence[Study]) -> str:
        """How many of the acknowledged objects a search shows afterwards, as ``found/acknowledged``."""
        seen: set[str] = set()
        with server.web() as connection:
            for study in studies:
                seen |= set(instances_of(connection, study.uid))
        return f"{len(acknowledged & seen)}/{len(acknowledged)}"


def instances_of(connection: Connection, study_uid: str) -> list[str]:
    """SOP Instance UIDs of a study by QIDO-RS, page by page."""
    uids: list[str] = []
    while True:
        path = f"/dicom-web/studies/{study_uid}/instances?limit=1000&offset={len(uids)}"
        answer = connection.get(path, accept="application/dicom+json")
        page = json.loads(answer.body) if answer.status == 200 and answer.body else []
        uids += [item["00080018"]["Value"][0] for item in page]
        if len(page) < 1000:
            return uids


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
