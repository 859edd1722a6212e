"""Objects on their way in: C-STORE and STOW-RS, counted by what was acknowledged and by what is found after."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench import jobs, measure
from bench.corpus import Study, fresh_run, objects
from bench.framework import Bench, Sample, Scenario
from bench.jobs import Load
from bench.servers import Server


def _c_store(kind: str, associations: int, full: int, quick: int, target: float | None, **more: bool) -> Scenario:
    def run(bench: Bench, server: Server) -> Sample:
        run_number = fresh_run()
        studies = [Study(run_number, number) for number in range(associations)]
        each = bench.scale.count(full, quick)
        work = [(bench.target(server), Load(kind, study, each)) for study in studies]
        done = bench.measured(server, jobs.store, work)
        value = len(done.acknowledged) / done.seconds
        return done.sample(value, found=bench.found(server, done.acknowledged, studies))

    name = f"C-STORE {kind}, {associations} association{'s' if associations > 1 else ''}"
    return Scenario(name, "objects/s", "more", run, target, **more)


def _cine(bench: Bench, server: Server) -> Sample:
    study = Study(fresh_run(), 0)
    kind = "cine-small" if bench.scale.quick else "cine"
    done = bench.measured(server, jobs.store, [(bench.target(server), Load(kind, study, 1))])
    value = done.size_bytes / 1e6 / done.seconds
    return done.sample(value, found=bench.found(server, done.acknowledged, [study]))


def _stock_storescu(bench: Bench, server: Server) -> Sample:
    """DCMTK's own sender, nothing tuned: the one that stalls on delayed acknowledgements."""
    study = Study(fresh_run(), 0)
    count = bench.scale.count(100, 20)
    program = shutil.which("storescu", path="/usr/bin")
    if program is None:
        raise AssertionError("storescu is missing: apt-get install dcmtk")
    with tempfile.TemporaryDirectory() as folder:
        for number, item in enumerate(objects("tiny", study, count)):
            Path(folder, f"{number:04d}.dcm").write_bytes(item.part10())
        host, port = server.dicom
        with measure.watch(server.processes) as cost:
            begun = time.perf_counter()
            subprocess.run([program, "+sd", "-aec", server.ae, host, str(port), folder], check=True, timeout=120)
            seconds = time.perf_counter() - begun
    uids = {study.sop_uid(number) for number in range(1, count + 1)}
    return Sample(seconds, (), cost, count, bench.found(server, uids, [study]))


def _stow(kind: str, per_request: int, clients: int, requests: int, target: float | None) -> Scenario:
    def run(bench: Bench, server: Server) -> Sample:
        run_number = fresh_run()
        studies = [Study(run_number, number) for number in range(clients)]
        count = per_request * bench.scale.count(requests, 2)
        work = [(bench.target(server), Load(kind, study, count), per_request) for study in studies]
        done = bench.measured(server, jobs.stows, work)
        value = len(done.acknowledged) / done.seconds
        return done.sample(value, found=bench.found(server, done.acknowledged, studies))

    name = f"STOW {kind} x {per_request}, {clients} client{'s' if clients > 1 else ''}"
    return Scenario(name, "objects/s", "more", run, target)


SCENARIOS = (
    _c_store("ct", 1, 200, 10, 2.0),
    _c_store("ct", 4, 100, 5, 1.7),
    _c_store("ct", 8, 75, 5, 1.7, restart=True),
    _c_store("mr", 1, 300, 10, None),
    _c_store("mr", 4, 200, 5, 2.0),
    _c_store("tiny", 1, 400, 20, None),
    _c_store("tiny", 4, 400, 10, 2.5),
    _c_store("tiny", 8, 300, 10, 2.5),
    Scenario("C-STORE cine 304 MB", "MB/s", "more", _cine, 3.0, restart=True),
    Scenario("stock storescu, 100 tiny", "s", "less", _stock_storescu, 10.0),
    _stow("ct", 10, 1, 15, 1.7),
    _stow("ct", 10, 4, 8, 1.7),
    _stow("tiny", 50, 1, 8, 2.5),
    _stow("tiny", 50, 4, 6, 2.5),
)
