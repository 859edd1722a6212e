"""Webhooks as values: subscriptions, deliveries, the event and its signature. Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from filmroom.base.errors import FilmroomError, Retry

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"
MAX_URL = 2000


class BadWebhook(FilmroomError):
    """The subscription cannot be used as it is."""


class NotDelivered(FilmroomError):
    """The receiver could not be reached, or asked to be tried again."""

    retry = Retry.SAFE


class RefusedByReceiver(FilmroomError):
    """The receiver does not take this event; sending it again would change nothing."""


class AddressRefused(FilmroomError):
    """The webhook's address is private, or this machine's own, and not in the networks that the settings allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A subscription. ``kinds`` empty: all; ``condition``: field of the fact -> values, one of which it must have.
    ``seq``: the last fact that was looked at for it; ``waiting``: events on their way."""

    pk: int
    url: str
    description: str
    kinds: Sequence[str]
    condition: Mapping[str, Sequence[str]]
    enabled: bool
    owner: str
    seq: int
    version: int
    created_at: datetime
    former_until: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One event for one subscription, and what became of it. ``status`` is the receiver's last answer; ``seq`` 0: a
    test. ``state``: waiting, delivered, failed."""

    pk: int
    webhook_pk: int
    seq: int
    kind: str
    at: datetime
    body: Mapping[str, Any]
    state: str
    attempts: int
    status: int | None
    trouble: str
    took_ms: int | None
    job_pk: int | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver answered."""

    status: int
    took_ms: int


def matches(condition: Mapping[str, Sequence[str]], body: Mapping[str, Any]) -> bool:
    """Whether a fact has, in each field named, one of the values; in a list, anywhere in it."""
    for name, values in condition.items():
        found = body.get(name)
        present = found if isinstance(found, list) else [found]
        if not any(_text(each) in values for each in present):
            return False
    return True


def _text(value: object) -> str:
    return "true" if value is True else "false" if value is False else str(value)


def check_url(url: str) -> None:
    """Raises BadWebhook unless it is an absolute http or https address without credentials."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or len(url) > MAX_URL or any(c <= " " or c > "~" for c in url):
        raise BadWebhook("url is an http or https address in ASCII")
    if parts.username is not None or parts.fragment:
        raise BadWebhook("url has no user name, password or fragment: the signature says who we are")


def event(delivery: WebhookDelivery, source: str) -> bytes:
    """The body: a CloudEvents 1.0 event in its structured JSON form; the same bytes at each attempt."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id(delivery),
            "source": source,
            "type": f"filmroom.{delivery.kind}",
            "time": delivery.at,
            "datacontenttype": "application/json",
            "sequence": str(delivery.seq),
            "data": delivery.body,
        }
    )


def event_id(delivery: WebhookDelivery) -> str:
    """The same at each attempt: a receiver that has seen it need do nothing."""
    return f"evt_{delivery.pk}"


def signed_headers(keys: Sequence[bytes], id_: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks convention: HMAC-SHA256 over id, time and body, once for each key."""
    moment = str(int(now.timestamp()))
    return {
        "content-type": "application/cloudevents+json",
        "webhook-id": id_,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{signature(key, id_, moment, body)}" for key in keys),
    }


def signature(key: bytes, id_: str, moment: str, body: bytes) -> str:
    """Base64 of the HMAC-SHA256 of ``id.timestamp.body``."""
    signed = f"{id_}.{moment}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(key: bytes) -> str:
    """The form in which a receiver is given the key."""
    return SECRET_PREFIX + base64.b64encode(key).decode()
