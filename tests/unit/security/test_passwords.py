"""Passwords and what is remembered of who somebody is."""

from datetime import UTC, datetime, timedelta

import pytest

from filmroom.base.clock import FixedClock
from filmroom.security.model import SignedIn
from filmroom.security.passwords import PasswordRefused, Passwords, accept_new, one_time_password
from filmroom.security.principals import SYSTEM
from filmroom.security.remembered import KEPT_FOR, Remembered

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.capability("6.3.1")
async def test_what_is_stored_is_argon2id_and_opens_for_its_password_alone():
    passwords = Passwords(memory_kib=64, passes=1)
    stored = await passwords.make("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.check("correct horse", stored)
    for wrong in ("", "correct hors", "x" * 5000, "\udc80"):
        assert not await passwords.check(wrong, stored)
    assert not await passwords.check("correct horse", None)
    assert not await passwords.check("correct horse", "$argon2id$garbage")


@pytest.mark.parametrize("weak", ["", "short", "aaaaaaaaaaaa", "administrator", "Administrator", "x" * 2000])
def test_weak_passwords_are_refused(weak: str):
    with pytest.raises(PasswordRefused):
        accept_new(weak, "administrator")


def test_a_sentence_is_taken():
    accept_new("一句话比符号更容易记住呢", "admin")
    accept_new(one_time_password(), "admin")


def test_one_time_passwords_differ_and_are_readable():
    made = {one_time_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) == 19 and not set(each) & set("0O1Il") for each in made)


@pytest.mark.capability("6.3.4")
def test_nothing_is_remembered_longer_than_seconds_or_its_own_end():
    clock = FixedClock(NOW)
    known: Remembered[SignedIn] = Remembered(clock)
    known.put(b"a", SignedIn(principal=SYSTEM, must_change=False, expires_at=None))
    known.put(b"b", SignedIn(principal=SYSTEM, must_change=False, expires_at=NOW + timedelta(seconds=1)))
    assert known.get(b"a") is not None
    assert known.get(b"b") is not None
    clock.at = NOW + timedelta(seconds=1)
    assert known.get(b"a") is not None
    assert known.get(b"b") is None
    clock.at = NOW + KEPT_FOR
    assert known.get(b"a") is None
