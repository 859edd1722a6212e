"""Which passwords are taken."""

import pytest

from filmroom.security.password_policy import MIN_WORTH, PasswordRefused, accept_new, worth
from filmroom.security.passwords import one_time_password
from filmroom.security.vouching import mapping, roles_of

pytestmark = pytest.mark.capability("7.3.3")


@pytest.mark.parametrize(
    "guessed",
    [
        "Password123!",
        "P4ssw0rd2024",
        "letmein12345",
        "radiology-2026",
        "Filmroom2026!!",
        "qwertyuiop12",
        "abcabcabcabc",
        "zyxwvutsrq",
        "administrator",
        "wangxiaoming1",
        "woaini5201314",
        "Summer2025!!",
        "0987654321",
        "passwordpassword",
    ],
)
def test_what_guessing_programs_try_first_is_refused(guessed: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        accept_new(guessed, "administrator", "Wang Xiaoming")
    assert refused.value.why == "guessed"


@pytest.mark.parametrize(
    "fine",
    ["correct horse battery staple", "一句话比符号更容易记住呢", "j7Kd-9sPq-2mNv", "nina reads here", "Tr0ub4dor&3"],
)
def test_what_nobody_guesses_is_taken(fine: str) -> None:
    accept_new(fine, "nina")


def test_one_time_passwords_are_always_taken() -> None:
    assert min(worth(one_time_password()) for _ in range(300)) >= MIN_WORTH


def test_a_short_and_a_long_one_are_refused_for_what_they_are() -> None:
    for password, why in (("x7!kQ", "short"), ("ab7!" * 300, "long"), ("eleven char", "")):
        if not why:
            accept_new(password, min_length=11)
            continue
        with pytest.raises(PasswordRefused) as refused:
            accept_new(password)
        assert refused.value.why == why


@pytest.mark.capability("6.3.1")
def test_groups_have_roles_by_their_whole_name_or_its_first_part() -> None:
    rules = mapping("doctors=radiologist; CN=Admins,OU=Groups,DC=x=administrator;")
    assert roles_of(frozenset({"cn=Doctors,ou=groups,dc=x"}), rules, "") == {"radiologist"}
    assert roles_of(frozenset({"cn=admins,ou=groups,dc=x", "doctors"}), rules, "") == {"administrator", "radiologist"}
    # Another branch's group of the same first name is another group.
    assert roles_of(frozenset({"cn=admins,ou=elsewhere,dc=x"}), rules, "viewer") == {"viewer"}
    assert roles_of(frozenset(), rules, "") == frozenset()
    for wrong in ("doctors", "doctors=wizard", "=x"):
        with pytest.raises(ValueError, match="is not GROUP=ROLE"):
            mapping(wrong)
