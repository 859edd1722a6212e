"""Addresses at which there is no DICOM node: judged after the name is resolved, at every connection."""

import pytest

from filmroom.net.dimse.scu import connect_tcp, no_peer

pytestmark = pytest.mark.capability("6.3.1")

NONE = ["0.0.0.0", "::", "169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "224.0.0.1", "ff02::1%eth0"]


@pytest.mark.parametrize("address", NONE)
async def test_what_is_no_node_is_not_called(address: str):
    assert no_peer(address)
    with pytest.raises(OSError, match="no DICOM node"):
        await connect_tcp(address.partition("%")[0], 104)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.0.9", "127.0.0.1", "169.254.3.4", "fe80::1%eth0", "2001:db8::1"]
)
def test_a_hospital_s_own_addresses_are(address: str):
    assert not no_peer(address)
