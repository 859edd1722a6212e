"""Whose address counts behind proxies."""

import pytest
from starlette.types import Receive, Scope, Send

from filmroom.net.web.proxies import Forwarded
from filmroom.settings import BadSetting


@pytest.mark.capability("6.3.1")
@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("10.0.0.5", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.5", "6.6.6.6, 192.0.2.1, 10.0.0.6", "192.0.2.1"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "192.0.2.1, nonsense", "10.0.0.5"),
        ("192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ("::ffff:10.0.0.5", "2001:db8::7", "2001:db8::7"),
    ],
)
async def test_only_trusted_proxies_are_believed(client: str, forwarded: str, expected: str) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope = {"type": "http", "client": (client, 1), "headers": headers}
    await Forwarded(app, "10.0.0.0/24")(scope, None, None)  # type: ignore[arg-type]
    assert seen[0]["client"][0] == expected


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(BadSetting, match="trusted_proxies"):
        Forwarded(lambda *_: None, "10.0.0.300")  # type: ignore[arg-type]
