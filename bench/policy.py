"""What rights cost: the same QIDO-RS and WADO-RS load with rights taken out, as administrator, and in narrowed roles.

``python -m bench.policy``: two servers (bench.policy_server) with the same objects; short blocks of every asker in
turn, so that whatever else the machine does meets all alike. Printed are the processor time of server and database for
each request, what it is above the server without rights, and requests per second of one client (medians of the
blocks). The target is below 5 % more.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import dimse, measure
from bench.corpus import BASIC_SR, CT_IMAGE, Study, fresh_run, objects
from bench.http import Connection
from bench.servers import ROOT
from bench.waiting import pause

STUDIES, SLICES = 200, 60
JSON = "application/dicom+json"
RAW = 'multipart/related; type="application/octet-stream"'
# The trail is written some 50 ms after what it tells of: a block's cost has that in it.
SETTLE_S = 0.3

Address = Callable[[int], tuple[str, str]]  # the n-th request: address and Accept


@dataclass(slots=True)
class Asker:
    """Somebody at one of the servers, and what the blocks measured, by load."""

    name: str
    server: "Served"
    connection: Connection
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    process: "subprocess.Popen[str]"
    folder: Path
    http: int
    dicom: int
    tokens: dict[str, str]

    def cpu_s(self) -> float:
        return measure.cpu_seconds(measure.tree(self.process.pid, self.folder).all())


def main() -> None:
    """Serve twice, fill, ask in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=60, help="requests of one block")
    parser.add_argument("--folder", type=Path, default=ROOT / "data/policy")
    options = parser.parse_args()
    run = fresh_run()
    with contextlib.ExitStack() as stack:
        servers = {mode: stack.enter_context(_served(mode, options.folder / mode)) for mode in ("off", "on")}
        for server in servers.values():
            _fill(server, run)
        off = [_asker("rights taken out", servers["off"], "administrator")]
        askers = off + [_asker(name, servers["on"], name) for name in servers["on"].tokens]
        loads = _loads(run)
        for number in range(options.rounds + 1):  # the first round warms up
            for name, path in loads.items():
                for asker in askers:
                    _block(asker, name, path, options.requests, number)
    _report(askers, list(loads))


@contextlib.contextmanager
def _served(mode: str, folder: Path) -> Iterator[Served]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.policy_server", mode, str(folder)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            said = ""
            while not said.startswith('{"http"'):
                said = process.stdout.readline()
                if not said:
                    raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()[-2000:]}")
            where = json.loads(said)
            yield Served(process, folder, where["http"], where["dicom"], where["tokens"])
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
            shutil.rmtree(folder, ignore_errors=True)


def _fill(server: Served, run: int) -> None:
    with dimse.Association.open(("127.0.0.1", server.dicom), "FILMROOM", [CT_IMAGE, BASIC_SR], timeout_s=300) as open_:
        for number in range(STUDIES):
            for item in objects("tiny", Study(run, number), 1):
                open_.store(item)
        for item in objects("ct", Study(run, STUDIES), SLICES):
            open_.store(item)


def _asker(name: str, server: Served, token: str) -> Asker:
    headers = {"Authorization": f"Bearer {server.tokens[token]}"}
    return Asker(name, server, Connection(("127.0.0.1", server.http), headers))


def _loads(run: int) -> dict[str, Address]:
    ct = Study(run, STUDIES)
    series = f"/dicom-web/studies/{ct.uid}/series/{ct.series_uid}"
    return {
        "QIDO by id": lambda n: (f"/dicom-web/studies?PatientID={Study(run, n * 37 % STUDIES).patient_id}", JSON),
        "QIDO 20 studies": lambda n: ("/dicom-web/studies?limit=20", JSON),
        "QIDO series of a study": lambda n: (f"/dicom-web/studies/{Study(run, n * 37 % STUDIES).uid}/series", JSON),
        "WADO frame": lambda n: (f"{series}/instances/{ct.sop_uid(1 + n % SLICES)}/frames/1", RAW),
        "WADO metadata": lambda n: (f"{series}/metadata", JSON),
    }


def _block(asker: Asker, load: str, path: Address, requests: int, round_number: int) -> None:
    before, begun = asker.server.cpu_s(), time.perf_counter()
    for number in range(requests):
        address, accept = path(round_number * requests + number)
        answer = asker.connection.get(address, accept=accept, keep=False)
        if answer.status != 200:
            raise AssertionError(f"{asker.name}: {load} answered {answer.status}")
    took = time.perf_counter() - begun
    pause(SETTLE_S)
    if round_number:
        asker.cpu_ms.setdefault(load, []).append((asker.server.cpu_s() - before) * 1000 / requests)
        asker.rates.setdefault(load, []).append(requests / took)


def _report(askers: list[Asker], loads: list[str]) -> None:
    print(f"{'load':26}{'asker':20}{'CPU ms':>9}{'more':>9}{'requests/s':>12}{'fewer':>9}")
    for load in loads:
        base_cpu, base_rate = (statistics.median(of[load]) for of in (askers[0].cpu_ms, askers[0].rates))
        for asker in askers:
            cpu, rate = statistics.median(asker.cpu_ms[load]), statistics.median(asker.rates[load])
            more, fewer = (cpu / base_cpu - 1) * 100, (1 - rate / base_rate) * 100
            print(f"{load:26}{asker.name:20}{cpu:>9.2f}{more:>8.1f}%{rate:>12.0f}{fewer:>8.1f}%")


if __name__ == "__main__":
    main()
