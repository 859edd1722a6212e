"""DICOM over TLS beside DICOM in the clear, on one server: DCMTK's sender, nothing tuned, both ways."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench import measure
from bench.corpus import Study, fresh_run, objects
from bench.framework import Bench, Sample, Scenario
from bench.servers import Filmroom, Server, free_port


def _tls(bench: Bench, server: Server) -> Sample:
    """CT slices a second over TLS 1.3; the note tells the same in the clear, and CPU of the server for both."""
    if not isinstance(server, Filmroom):
        return Sample(0.0, note="not measured: only Filmroom's TLS is set up here")
    program = shutil.which("storescu", path="/usr/bin")
    if program is None:
        raise AssertionError("storescu is missing: apt-get install dcmtk")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _certificate(place)
        port = free_port()
        secured = Filmroom(
            place / "secured",
            {
                "FILMROOM_DICOM_TLS_PORT": str(port),
                "FILMROOM_DICOM_TLS_CERTIFICATE": str(place / "ours.pem"),
                "FILMROOM_DICOM_TLS_KEY": str(place / "ours.key"),
            },
        )
        secured.start()
        try:
            count = bench.scale.count(200, 20)
            plain_s, plain = _send(secured, [program], secured.dicom[1], place / "plain", count)
            options = [program, "+tla", "+cf", str(place / "ours.pem")]
            tls_s, cost = _send(secured, options, port, place / "tls", count)
        finally:
            secured.stop()
    note = f"in the clear {count / plain_s:.0f}/s; CPU {plain.cpu_s:.2f} s in the clear, {cost.cpu_s:.2f} s over TLS"
    return Sample(count / tls_s, (), cost, count, note=note)


def _send(server: Server, program: list[str], port: int, folder: Path, count: int) -> tuple[float, measure.Cost]:
    folder.mkdir()
    for number, each in enumerate(objects("ct", Study(fresh_run(), 0), count)):
        (folder / f"{number:04d}.dcm").write_bytes(each.part10())
    with measure.watch(server.processes) as cost:
        begun = time.perf_counter()
        command = [*program, "-aec", server.ae, "+sd", "127.0.0.1", str(port), str(folder)]
        subprocess.run(command, check=True, timeout=300, capture_output=True)
        seconds = time.perf_counter() - begun
    return seconds, cost


def _certificate(folder: Path) -> None:
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "ours.key"), "-out", str(folder / "ours.pem")]
    subprocess.run(["openssl", "req", *options, *names, *files], check=True, capture_output=True)


SCENARIOS = (Scenario("C-STORE ct over TLS, stock storescu", "objects/s", "more", _tls),)
