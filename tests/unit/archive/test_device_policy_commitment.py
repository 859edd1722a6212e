"""What a device's policy says of storage commitment."""

import pytest

from filmroom.archive.devices import COMMIT_CHECKS, COMMIT_MODES, DevicePolicy


def test_the_default_is_either_association_and_the_digest() -> None:
    policy = DevicePolicy.from_row({})
    assert (policy.commit, policy.commit_check, "commit" in policy.services) == ("auto", "digest", True)
    assert policy.to_row() == {}


@pytest.mark.parametrize("mode", sorted(COMMIT_MODES))
@pytest.mark.parametrize("check", COMMIT_CHECKS)
@pytest.mark.capability("1.6.2", "1.6.3")
def test_a_policy_survives_its_row(mode: str, check: str) -> None:
    policy = DevicePolicy(commit=mode, commit_check=check)
    assert DevicePolicy.from_row(policy.to_row()) == policy


def test_words_that_mean_nothing_mean_the_default() -> None:
    policy = DevicePolicy.from_row({"commit": "never", "commit_check": ["x"]})
    assert policy == DevicePolicy()
