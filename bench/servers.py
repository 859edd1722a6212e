"""Filmroom and Orthanc as processes: start, stop, kill, what they cost, and where they answer."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from bench import measure
from bench.http import BadAnswer, Connection
from bench.waiting import until

ROOT = Path(__file__).resolve().parent.parent
_PLUGINS = (Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc"))


# Below the range from which the system takes the ports of outgoing connections: none of those can get in between.
_SERVER_PORTS = range(12_000, 32_000)


def free_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    while True:
        port = random.choice(_SERVER_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A DICOM archive in a folder of its own, on loopback, as a child process in its own process group."""

    name = ""
    ae = ""
    ready_path = "/"
    start_timeout_s = 60.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dicom_port, self.http_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.authorization: dict[str, str] = {}

    @property
    def dicom(self) -> tuple[str, int]:
        return "127.0.0.1", self.dicom_port

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def version(self) -> str:
        raise NotImplementedError

    def add_destination(self, ae: str, port: int) -> None:
        """Make ``ae`` at 127.0.0.1:``port`` a destination of C-MOVE."""
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it is ready; raises with the end of its log when it is not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        until(self._ready, what=f"{self.name} ready", timeout_s=self.start_timeout_s, every_s=0.05)

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"{self.name} ended with {self.process.returncode} while starting:\n{tail}")
        with contextlib.suppress(OSError, BadAnswer):
            with Connection(("127.0.0.1", self.http_port), self.authorization, timeout_s=5) as connection:
                status = connection.get(self.ready_path).status
            with socket.create_connection(self.dicom, timeout=1):
                return status == 200
        return False

    def web(self) -> Connection:
        """A connection to the HTTP listener, signed in."""
        return Connection(("127.0.0.1", self.http_port), self.authorization)

    def processes(self) -> measure.Tree:
        assert self.process is not None
        return measure.tree(self.process.pid, self.folder)

    def stop(self, timeout_s: float = 30.0) -> int:
        """End it politely; its exit code. Kills after ``timeout_s``."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9 of every process of the server at once, its database included."""
        if self.process is None:
            return
        pids = self.processes().all()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        until(lambda: not any(map(psutil.pid_exists, pids)), what="the killed processes gone")


class Filmroom(Server):
    """This repository's server."""

    name = "filmroom"
    ae = "FILMROOM"
    ready_path = "/readyz"

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.hl7_port = free_port()
        self.settings = dict(settings or {})

    @property
    def program(self) -> str:
        return str(ROOT / ".venv/bin/filmroom")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def command(self) -> list[str]:
        return [self.program, "serve"]

    def environment(self) -> Mapping[str, str]:
        return {
            "FILMROOM_DATA": str(self.data),
            "FILMROOM_DICOM_PORT": str(self.dicom_port),
            "FILMROOM_HTTP_PORT": str(self.http_port),
            "FILMROOM_HL7_PORT": str(self.hl7_port),
            "FILMROOM_ADMIN_PASSWORD": "correct horse battery staple",
            **self.settings,
        }

    def start(self) -> None:
        super().start()
        if not self.authorization:
            self.authorization = {"Authorization": f"Bearer {self.cli('user', 'token', 'admin').strip()}"}

    def cli(self, *arguments: str, timeout_s: float = 60.0, check: bool = True) -> str:
        """Run a ``filmroom`` command beside the server; what it printed."""
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"filmroom {' '.join(arguments)} ended with {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout if check else done.stdout + done.stderr

    def add_destination(self, ae: str, port: int) -> None:
        self.cli("device", "add", ae, "127.0.0.1", str(port))

    def version(self) -> str:
        return (self.cli("--version", check=False).strip().splitlines() or ["unknown"])[0][:40]


class Orthanc(Server):
    """Debian's Orthanc: default SQLite index, synced files, DICOMweb plug-in."""

    name = "orthanc"
    ae = "ORTHANC"
    ready_path = "/system"

    def __init__(self, folder: Path, options: Mapping[str, object] | None = None) -> None:
        super().__init__(folder)
        self.options = dict(options or {})

    def command(self) -> list[str]:
        program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
        plugin = next((file for place in _PLUGINS for file in place.glob("libOrthancDicomWeb*")), None)
        if not Path(program).exists() or plugin is None:
            raise AssertionError("Orthanc is missing: apt-get install orthanc orthanc-dicomweb")
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(self._configuration(plugin)))
        return [program, str(path)]

    def _configuration(self, plugin: Path) -> dict[str, object]:
        return {
            "Name": "peer",
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "StorageCompression": False,
            "SyncStorageArea": True,
            "Plugins": [str(plugin)],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": self.ae,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": False,
            "DicomModalitiesInDatabase": True,
            "UnknownSopClassAccepted": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **self.options,
        }

    def add_destination(self, ae: str, port: int) -> None:
        body = json.dumps([ae, "127.0.0.1", port]).encode()
        with self.web() as connection:
            answer = connection.request("PUT", f"/modalities/{ae}", body=body)
        if answer.status != 200:
            raise AssertionError(f"Orthanc did not take the destination: {answer.status}")

    def version(self) -> str:
        with self.web() as connection:
            return str(connection.get("/system").json()["Version"])
