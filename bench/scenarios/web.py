"""WADO-RS as viewers use it: metadata, frames, studies, rendered images."""

from collections.abc import Callable

from bench import jobs
from bench.corpus import Study, fresh_run
from bench.framework import Bench, Sample, Scenario
from bench.jobs import Fetch, Load
from bench.scenarios.query import JSON, series_of_500
from bench.scenarios.retrieve import ct_studies
from bench.servers import Server

RAW = 'multipart/related; type="application/octet-stream"'
RAW_LITTLE_ENDIAN = RAW + "; transfer-syntax=1.2.840.10008.1.2.1"
DICOM = 'multipart/related; type="application/dicom"'
JPEG = "image/jpeg"
BROWSER = "gzip, deflate, br, zstd"


def _instance(study: Study, number: int) -> str:
    return f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/instances/{study.sop_uid(number)}"


def _metadata(study: Study) -> str:
    return f"/dicom-web/studies/{study.uid}/series/{study.series_uid}/metadata"


def _metadata_first(bench: Bench, server: Server) -> Sample:
    """Right after the last image has been acknowledged; a series of its own each time."""
    study = Study(fresh_run(), 0)
    load = Load("ct", study, bench.scale.count(500, 50))
    bench.clients.run(jobs.store, [(bench.target(server), load)])
    done = bench.measured(server, jobs.fetches, [(bench.target(server), [Fetch(_metadata(study), JSON)])])
    return done.sample(done.p50_ms)


def _metadata_warm(encoding: str = "") -> Callable[[Bench, Server], Sample]:
    def run(bench: Bench, server: Server) -> Sample:
        study = series_of_500(bench, server)
        fetch = Fetch(_metadata(study), JSON, encoding)
        bench.clients.run(jobs.fetches, [(bench.target(server), [fetch])])
        work = [(bench.target(server), [fetch] * bench.scale.count(8, 3))]
        done = bench.measured(server, jobs.fetches, work)
        return done.sample(done.p50_ms)

    return run


def _images(
    name: str,
    tail: str,
    accept: str,
    clients: int,
    target: float | None,
    count: tuple[int, int] = (60, 5),
    kind: str = "ct",
) -> Scenario:
    """Requests for one image each: median time for one client, rate for several."""

    def run(bench: Bench, server: Server) -> Sample:
        size = bench.scale.count(500, 50)
        study = series_of_500(bench, server) if kind == "ct" else bench.ensure(server, kind, 3, 20)
        images = size if kind == "ct" else 20
        work = []
        for client in range(clients):
            numbers = [1 + (client * 61 + each * 7) % images for each in range(bench.scale.count(*count))]
            work.append((bench.target(server), [Fetch(_instance(study, n) + tail, accept) for n in numbers]))
        done = bench.measured(server, jobs.fetches, work)
        return done.sample(done.p50_ms if clients == 1 else done.count / done.seconds)

    several = clients > 1
    title = f"{name}, {clients} clients" if several else name
    return Scenario(title, "requests/s" if several else "ms", "more" if several else "less", run, target)


def _cine_frame(bench: Bench, server: Server) -> Sample:
    study = bench.ensure(server, "cine-small" if bench.scale.quick else "cine", 2, 1)
    frames = [Fetch(f"{_instance(study, 1)}/frames/{number}", RAW) for number in (7, 20, 31)]
    done = bench.measured(server, jobs.fetches, [(bench.target(server), frames)])
    return done.sample(done.p50_ms)


def _study(clients: int) -> Scenario:
    def run(bench: Bench, server: Server) -> Sample:
        studies = ct_studies(bench, server, clients)
        repeat = bench.scale.count(5, 2)
        work = [(bench.target(server), [Fetch(f"/dicom-web/studies/{each.uid}", DICOM)] * repeat) for each in studies]
        done = bench.measured(server, jobs.fetches, work)
        return done.sample(done.size_bytes / 1e6 / done.seconds)

    name = f"WADO study of 100 CT, {clients} client{'s' if clients > 1 else ''}"
    return Scenario(name, "MB/s", "more", run, 0.6)


SCENARIOS = (
    Scenario("series metadata of 500, first", "ms", "less", _metadata_first, 10.0),
    Scenario("series metadata of 500, warm", "ms", "less", _metadata_warm(), 14.0),
    Scenario("series metadata of 500, warm, as a browser", "ms", "less", _metadata_warm(BROWSER)),
    _images("WADO frame CT", "/frames/1", RAW, 1, 1.5),
    _images("WADO frame CT", "/frames/1", RAW, 8, 1.5),
    Scenario("WADO frame of the cine", "ms", "less", _cine_frame, 60.0, restart=True),
    _study(1),
    _study(4),
    _images("WADO instance CT", "", DICOM, 1, None),
    _images("rendered CT", "/rendered", JPEG, 1, 1.0),
    _images("rendered CT", "/rendered", JPEG, 8, 1.0),
    _images("thumbnail CT", "/thumbnail", JPEG, 1, 1.0),
    _images("J2K frame to raw", "/frames/1", RAW_LITTLE_ENDIAN, 1, 1.0, (20, 3), "j2k"),
    _images("J2K frame to raw", "/frames/1", RAW_LITTLE_ENDIAN, 8, 1.0, (15, 2), "j2k"),
)
