"""Where webhooks may go, how they are signed, and what they are told."""

import base64
import hashlib
import hmac
import ipaddress
from datetime import UTC, datetime

import orjson
import pytest

from filmroom.integration.webhooks_model import (
    BadWebhook,
    WebhookDelivery,
    check_url,
    event,
    matches,
    secret_text,
    signed_headers,
)
from filmroom.net.notify.webhook import may_reach, networks

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
@pytest.mark.capability("3.3.3")
def test_private_addresses_are_refused(address: str) -> None:
    assert not may_reach(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_reached(address: str) -> None:
    assert may_reach(ipaddress.ip_address(address))


def test_the_settings_allow_networks() -> None:
    allowed = networks("10.1.0.0/16, fd00::/8,")
    assert may_reach(ipaddress.ip_address("10.1.2.3"), allowed)
    assert may_reach(ipaddress.ip_address("::ffff:10.1.2.3"), allowed)
    assert may_reach(ipaddress.ip_address("fd12::1"), allowed)
    assert not may_reach(ipaddress.ip_address("10.2.0.1"), allowed)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "http://",
        "https://user:pw@a/",
        "https://a/#x",
        "/path",
        "http://a b/",
        "http://a\r\nX: y/",
        "http://[::1",
        "http://a:99999/",
        "javascript:1",
    ],
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(BadWebhook):
        check_url(url)


def test_the_signature_is_that_of_the_standard_webhooks_convention() -> None:
    key = bytes(range(32))
    headers = signed_headers([key, b"former"], "evt_1", NOW, b"{}")
    again = base64.b64decode(secret_text(key).removeprefix("whsec_"))
    moment = headers["webhook-timestamp"]
    expected = hmac.new(again, f"evt_1.{moment}.{{}}".encode(), hashlib.sha256).digest()
    first, second = headers["webhook-signature"].split()
    assert first == "v1," + base64.b64encode(expected).decode()
    assert second.startswith("v1,")
    assert int(moment) == NOW.timestamp()


def test_the_event_is_a_cloud_event_and_the_same_each_time() -> None:
    delivery = WebhookDelivery(
        pk=7, webhook_pk=1, seq=42, kind="StudyQuiet", at=NOW, body={"study_uid": "1.2"}, state="waiting", attempts=0,
        status=None, trouble="", took_ms=None, job_pk=None, created_at=NOW, finished_at=None,
    )  # fmt: skip
    body = event(delivery, "urn:x")
    assert body == event(delivery, "urn:x")
    told = orjson.loads(body)
    assert (told["specversion"], told["id"], told["type"]) == ("1.0", "evt_7", "filmroom.StudyQuiet")
    assert (told["sequence"], told["data"]) == ("42", {"study_uid": "1.2"})


def test_a_condition_looks_at_fields_and_into_lists() -> None:
    body = {"source": "CT1", "sop_uids": ["1.1", "1.2"], "n": 3, "final": True}
    assert matches({}, body)
    assert matches({"source": ["MR1", "CT1"], "n": ["3"], "final": ["true"]}, body)
    assert matches({"sop_uids": ["1.2"]}, body)
    assert not matches({"source": ["MR1"]}, body)
    assert not matches({"source": ["CT1"], "missing": ["x"]}, body)
