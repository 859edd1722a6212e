"""kill -9 of every process at any moment of a many-association ingest.

``FILMROOM_CRASH_KILLS=100`` makes the night's version of it.
"""

import os
import random

import pytest
from tests.crash.conftest import Starter
from tests.crash.senders import Senders, echo_seconds, random_pause, reckon

_KILLS = int(os.environ.get("FILMROOM_CRASH_KILLS", "4"))


@pytest.mark.timeout(120 + 20 * _KILLS)
@pytest.mark.capability("1.1.4", "1.1.5", "2.1.2")
def test_what_was_answered_with_success_is_there_after_kill_9(start: Starter) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    server = start()
    with Senders(server) as senders:
        for _ in range(_KILLS):
            senders.wait_for(40)
            random_pause(chance, 0.5)
            server.kill()
            server.start()
            echo_seconds(server)
        senders.wait_for(20)
    result = reckon(server, senders.sent)
    assert result.clean, f"seed {seed}: {result}"
    assert not senders.refusals, senders.refusals
