"""Clients that vanish in the middle, and clients that crawl."""

import contextlib
import socket
import struct
from collections.abc import Iterator

import psutil
import pytest
from bench import dimse
from bench.corpus import CT_IMAGE, Object, Study, fresh_run, objects
from bench.servers import Server
from bench.waiting import until
from tests.crash.conftest import Starter
from tests.crash.senders import echo_seconds
from tests.fixtures.proxy import Fault, proxy
from tests.fixtures.server import new_archive, stored_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = new_archive(tmp_path_factory.mktemp("gone"))
    made.start()
    yield made
    made.stop()


def _cut(server: Server, item: Object, pdus: int, *, reset: bool) -> None:
    """Send the first PDUs of an object, half of the next one, and vanish."""
    association = dimse.Association.open(server.dicom, server.ae, [item.sop_class])
    encoded = association.encode_store(item)
    for pdu in encoded[:pdus]:
        association.sock.sendall(pdu)
    association.sock.sendall(encoded[pdus][: len(encoded[pdus]) // 2])
    if reset:
        association.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    association.sock.close()


@pytest.mark.capability("1.1.4", "1.0.11")
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("pdus", [0, 1, 3])
def test_an_object_cut_short_leaves_nothing_and_can_be_sent_again(pdus: int, reset: bool, server: Server) -> None:
    study = Study(fresh_run(), 0)
    whole, cut = objects("ct", study, 2)
    with dimse.Association.open(server.dicom, server.ae, [CT_IMAGE]) as association:
        assert association.store(whole) == dimse.SUCCESS
    _cut(server, cut, pdus, reset=reset)
    assert echo_seconds(server) < 2
    assert stored_in(server, study.uid) == {whole.sop_uid}
    with dimse.Association.open(server.dicom, server.ae, [CT_IMAGE]) as association:
        assert association.store(cut) == dimse.SUCCESS
    assert stored_in(server, study.uid) == {whole.sop_uid, cut.sop_uid}


@pytest.mark.capability("1.1.4")
def test_a_network_that_fails_keeps_what_was_acknowledged(server: Server) -> None:
    """The proxy cuts the line in the third of five objects: the first two stay (1.1.4: keep all earlier)."""
    study = Study(fresh_run(), 0)
    items = list(objects("mr", study, 5))
    fault = Fault(cut_after_bytes=2 * items[0].size_bytes + 60_000)
    acknowledged = set()
    with proxy(server.dicom, fault) as address, contextlib.suppress(OSError, dimse.Refused):
        association = dimse.Association.open(address, server.ae, [items[0].sop_class])
        for item in items:
            if association.store(item) == dimse.SUCCESS:
                acknowledged.add(item.sop_uid)
    association.sock.close()
    assert len(acknowledged) == 2
    assert stored_in(server, study.uid) == acknowledged


@pytest.mark.capability("1.0.8", "1.0.11")
def test_a_crawling_sender_does_not_slow_the_others(server: Server) -> None:
    study = Study(fresh_run(), 0)
    item = next(objects("tiny", study, 1))
    with proxy(server.dicom, Fault(delay_s=0.02, chunk_bytes=128)) as address:
        association = dimse.Association.open(address, server.ae, [item.sop_class])
        for pdu in association.encode_store(item):
            association.sock.sendall(pdu)
        assert max(echo_seconds(server) for _ in range(5)) < 1
        assert association.read_command().status == dimse.SUCCESS
        association.release()


@pytest.mark.capability("1.0.8", "1.0.11")
def test_a_thousand_silent_connections_do_not_stop_the_echo(start: Starter) -> None:
    """They are closed when ARTIM expires (PS3.8 9.1.4, Sta2), and the descriptors come back."""
    server = start("[dimse]\nartim_timeout_s = 4.0\n")
    before = _descriptors(server)
    silent: list[socket.socket] = []
    try:
        for _ in range(1000):
            silent.append(socket.create_connection(server.dicom, 10))
        assert max(echo_seconds(server) for _ in range(5)) < 1
        until(lambda: _descriptors(server) <= before + 20, what="silent connections closed by ARTIM", timeout_s=20)
    finally:
        for each in silent:
            each.close()
    assert echo_seconds(server) < 1


def _descriptors(server: Server) -> int:
    assert server.process is not None
    return int(psutil.Process(server.process.pid).num_fds())
