"""The program of one pixel worker: calls come in on standard input, results go out on what was standard output.

A call is a pickle from the server, which the worker may trust. A result is never one: whoever takes over a worker by
way of a codec must not reach the server through it. So a result is bytes, JSON, or the name of an error.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pickle
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

from filmroom.base.errors import FilmroomError, LimitReached

BYTES, JSON, ERROR, READY = b"b", b"j", b"e", b"r"
LENGTH = struct.Struct("<Q")

_PIPE_BYTES = 2**20
_F_SETPIPE_SZ = 1031
_PR_SET_PDEATHSIG = 1


def main(memory_bytes: int) -> None:
    """Serve calls until standard input ends."""
    # Whatever a C library prints must not land among the results.
    results = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        fcntl.fcntl(results.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
    # A worker that hangs inside a codec would not notice the end of its input.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _warm()
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + memory_bytes,) * 2)
    _send(results, READY, b"")
    calls = sys.stdin.buffer
    while head := calls.read(LENGTH.size):
        _send(results, *_answer(calls.read(LENGTH.unpack(head)[0])))


def _warm() -> None:
    """Load what the first call would otherwise wait for."""
    import imagecodecs
    import numpy as np

    import filmroom.archive.pixeltasks  # noqa: F401

    sample = np.zeros((8, 8), np.uint8)
    imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(sample))
    imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(sample, level=0, codecformat="J2K", resolutions=1))
    imagecodecs.htj2k_decode(imagecodecs.htj2k_encode(sample, resolutions=1))
    imagecodecs.jpegls_decode(imagecodecs.jpegls_encode(sample))
    imagecodecs.packbits_decode(imagecodecs.packbits_encode(sample))
    imagecodecs.png_encode(sample)


def _address_space() -> int:
    """Bytes of address space in use now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _answer(call: bytes) -> tuple[bytes, Any]:
    try:
        function, args = pickle.loads(call)
        result = function(*args)
        return (BYTES, result) if isinstance(result, bytes) else (JSON, json.dumps(result).encode())
    except FilmroomError as error:
        return _error(type(error).__name__, str(error))
    except MemoryError:
        return _error(LimitReached.__name__, "the work takes more memory than it may")
    except OSError as error:
        return _error("Unavailable", f"the stored object cannot be read ({error.errno})")
    except Exception as error:
        return _error("NotReadable", f"the work failed ({type(error).__name__})")


def _error(name: str, message: str) -> tuple[bytes, bytes]:
    return ERROR, json.dumps([name, message]).encode()


def _send(results: BinaryIO, kind: bytes, payload: bytes) -> None:
    head = kind + LENGTH.pack(len(payload))
    if len(payload) < 4096:
        _write_all(results, head + payload)
    else:
        _write_all(results, head)
        _write_all(results, payload)


def _write_all(results: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[results.write(rest) or 0 :]


if __name__ == "__main__":
    main(int(sys.argv[1]))
