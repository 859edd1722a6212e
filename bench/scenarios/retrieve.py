"""C-GET and C-MOVE of CT studies."""

from bench import jobs
from bench.corpus import CT_IMAGE, US_CINE, Study, dataset
from bench.framework import SINK, Bench, Sample, Scenario
from bench.servers import Server

STUDY_SIZE = 100


def ct_studies(bench: Bench, server: Server, count: int) -> list[Study]:
    """Studies of 100 CT that several scenarios share."""
    size = bench.scale.count(STUDY_SIZE, 10)
    return [bench.ensure(server, "ct", 100 + number, size) for number in range(count)]


def _identifier(study: Study) -> bytes:
    return dataset({0x00080052: ("CS", "STUDY"), 0x0020000D: ("UI", study.uid)})


def _get(clients: int) -> Scenario:
    def run(bench: Bench, server: Server) -> Sample:
        studies = ct_studies(bench, server, clients)
        repeat = bench.scale.count(4, 2)
        work = [(bench.target(server), [_identifier(study)] * repeat, CT_IMAGE) for study in studies]
        done = bench.measured(server, jobs.gets, work)
        return done.sample(done.size_bytes / 1e6 / done.seconds)

    return Scenario(f"C-GET CT, {clients} association{'s' if clients > 1 else ''}", "MB/s", "more", run, 1.0)


def _get_cine(bench: Bench, server: Server) -> Sample:
    study = bench.ensure(server, "cine-small" if bench.scale.quick else "cine", 2, 1)
    done = bench.measured(server, jobs.gets, [(bench.target(server), [_identifier(study)], US_CINE)])
    return done.sample(done.size_bytes / 1e6 / done.seconds)


def _move(clients: int) -> Scenario:
    def run(bench: Bench, server: Server) -> Sample:
        studies = ct_studies(bench, server, clients)
        repeat = bench.scale.count(3, 1)
        work = [(bench.target(server), [_identifier(study)] * repeat, SINK) for study in studies]
        done = bench.measured(server, jobs.moves, work)
        expected = clients * repeat * bench.scale.count(STUDY_SIZE, 10)
        return done.sample(done.count / done.seconds, found=f"{done.count}/{expected}")

    return Scenario(f"C-MOVE CT, {clients} association{'s' if clients > 1 else ''}", "objects/s", "more", run, 1.0)


SCENARIOS = (
    _get(1),
    _get(4),
    Scenario("C-GET cine", "MB/s", "more", _get_cine, 1.0, restart=True),
    _move(1),
    _move(4),
)
