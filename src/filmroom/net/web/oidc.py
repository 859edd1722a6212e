"""An OpenID Connect provider as we talk to it: its configuration and keys, codes for tokens, what a token says.

OpenID Connect Core 1.0 (code flow, section 3.1), Discovery 1.0, PKCE (RFC 7636), Back-Channel Logout 1.0.
"""

import asyncio
import base64
import hashlib
import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.security.model import SignInRefused
from filmroom.security.ports import Vouched
from filmroom.security.vouching import mapping, roles_of
from filmroom.settings import OidcSettings

log = structlog.get_logger()

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1 << 20
REMEMBERED_FOR = timedelta(hours=1)
# A key that nobody knows makes us look again, but not with every forged token.
LOOK_AGAIN = timedelta(seconds=30)
CLOCKS_APART_S = 60
# Signatures of the provider's own key only: with a shared secret, or none, everybody could sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class BadProvider(FilmroomError):
    """The settings of an identity provider cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A provider's configuration and keys, as read at a time."""

    authorization: str
    token: str
    userinfo: str
    end_session: str
    keys: KeySet
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """Somebody who came back from the provider, with the roles of their groups and its number of the session."""

    person: Vouched
    roles: frozenset[str]
    sid: str


class OidcProvider:
    """One provider. Raises BadProvider when its settings cannot be."""

    def __init__(self, name: str, settings: OidcSettings, clock: Clock) -> None:
        if not _trusted(settings.issuer):
            raise BadProvider(f"people.oidc.{name}.issuer must be an https address")
        if not settings.client_id:
            raise BadProvider(f"people.oidc.{name}.client_id must be given")
        try:
            self._roles = mapping(settings.roles)
        except ValueError as error:
            raise BadProvider(f"people.oidc.{name}.roles: {error}") from error
        self.name = name
        self.label = settings.label or name
        self._settings = settings
        self._clock = clock
        self._tls = ssl.create_default_context(cafile=settings.ca or None)
        self._known: Known | None = None
        self._asking = asyncio.Lock()

    async def address(self, *, state: str, nonce: str, verifier: str, back: str) -> str:
        """Where to send the browser. Raises Unavailable."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": back,
            "scope": self._settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with((await self._configuration()).authorization, asked)

    async def sign_out_address(self, back: str) -> str:
        """Where to sign out there as well (RP-Initiated Logout 1.0); '' when there is no such place."""
        try:
            place = (await self._configuration()).end_session
        except Unavailable:
            return ""
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": back}
        return _with(place, asked) if place else ""

    async def redeem(self, *, code: str, nonce: str, verifier: str, back: str) -> Came:
        """Who came back with this code. Raises SignInRefused, Unavailable."""
        known = await self._configuration()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        secret = self._settings.client_secret
        auth = httpx2.BasicAuth(_coded(self._settings.client_id), _coded(secret)) if secret else None
        if auth is None:
            form["client_id"] = self._settings.client_id
        tokens = await self._json("POST", known.token, data=form, auth=auth)
        claims = await self._claims(_text(tokens, "id_token"), nonce=nonce)
        if known.userinfo and self._settings.groups_claim and _at(claims, self._settings.groups_claim) is None:
            bearer = {"authorization": f"Bearer {_text(tokens, 'access_token')}"}
            more = await self._json("GET", known.userinfo, headers=bearer)
            if more.get("sub") != claims["sub"]:
                raise SignInRefused("the provider speaks of two people")
            claims = more | claims
        return self._came(claims)

    async def signed_out(self, token: str) -> tuple[str, str]:
        """The session and the subject of a back-channel logout token (section 2.4). Raises SignInRefused."""
        claims = await self._claims(token, nonce=None)
        events = claims.get("events")
        if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims:
            raise SignInRefused("this is no logout token")
        sid, subject = claims.get("sid", ""), claims.get("sub", "")
        if not isinstance(sid, str) or not isinstance(subject, str) or not (sid or subject):
            raise SignInRefused("this logout token names nobody")
        return sid, subject

    def _came(self, claims: Mapping[str, Any]) -> Came:
        found = _at(claims, self._settings.groups_claim)
        listed = found if isinstance(found, list) else [found] if isinstance(found, str) else []
        groups = frozenset(str(each).removeprefix("/") for each in listed[:1000])
        if found is None and self._settings.groups_claim.partition(".")[0] in _elsewhere(claims):
            # Entra ID leaves groups out of a token when they are many, and says where they could be asked for.
            log.warning("the provider left the groups out: use application roles", provider=self.name)
            raise SignInRefused("the provider did not say the groups of this person")
        name = claims.get(self._settings.name_claim) or claims.get("email") or claims["sub"]
        person = Vouched(
            provider=self.name,
            subject=str(claims["sub"]),
            name=str(name),
            display_name=str(claims.get("name") or ""),
            groups=groups,
        )
        sid = claims.get("sid")
        roles = roles_of(groups, self._roles, self._settings.default_role)
        return Came(person=person, roles=roles, sid=sid if isinstance(sid, str) else "")

    async def _claims(self, token: str, *, nonce: str | None) -> dict[str, Any]:
        """What a token of the provider says, its signature and every promise checked (Core 3.1.3.7).

        Raises SignInRefused.
        """
        try:
            decoded = await self._decoded(token)
            wanted: dict[str, Any] = {
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
                "iat": {"essential": True},
            }
            if nonce is not None:
                wanted |= {"exp": {"essential": True}, "sub": {"essential": True}}
                wanted |= {"nonce": {"essential": True, "value": nonce}}
            now = int(self._clock.now().timestamp())
            registry = jwt.JWTClaimsRegistry(now=now, leeway=CLOCKS_APART_S, **wanted)
            registry.validate(decoded.claims)
        except (JoseError, ValueError, KeyError) as error:
            log.warning("a provider's token is refused", provider=self.name, error=type(error).__name__)
            raise SignInRefused("the provider's answer is not right") from error
        audience = decoded.claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and decoded.claims.get("azp") != self._settings.client_id:
            raise SignInRefused("the provider's answer is for somebody else")
        return dict(decoded.claims)

    async def _decoded(self, token: str) -> jwt.Token:
        known = await self._configuration()
        try:
            return jwt.decode(token, known.keys, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            # The provider may have new keys.
            if self._clock.now() - known.at < LOOK_AGAIN:
                raise
            self._known = None
            return jwt.decode(token, (await self._configuration()).keys, algorithms=list(ALGORITHMS))

    async def _configuration(self) -> Known:
        async with self._asking:
            if self._known is None or self._clock.now() - self._known.at > REMEMBERED_FOR:
                self._known = await self._read()
            return self._known

    async def _read(self) -> Known:
        issuer = self._settings.issuer
        said = await self._json("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            log.warning("a provider calls itself otherwise", provider=self.name)
            raise Unavailable("the provider calls itself otherwise than people.oidc says")
        keys = await self._json("GET", _place(said, "jwks_uri"))
        try:
            parsed = KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("the provider's keys cannot be read") from error
        return Known(
            authorization=_place(said, "authorization_endpoint"),
            token=_place(said, "token_endpoint"),
            userinfo=_place(said, "userinfo_endpoint") if "userinfo_endpoint" in said else "",
            end_session=_place(said, "end_session_endpoint") if "end_session_endpoint" in said else "",
            keys=parsed,
            at=self._clock.now(),
        )

    async def _json(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """A JSON object of the provider. Raises Unavailable, SignInRefused when it refuses."""
        try:
            async with (
                httpx2.AsyncClient(verify=self._tls, timeout=TIMEOUT_S, follow_redirects=False) as client,
                client.stream(method, url, **more) as answer,
            ):
                body = await _limited(answer)
            if answer.status_code in {400, 401, 403}:
                log.warning("a provider refuses", provider=self.name, status=answer.status_code)
                raise SignInRefused("the provider refuses")
            answer.raise_for_status()
            value = json.loads(body)
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("a provider cannot be asked", provider=self.name, error=type(error).__name__)
            raise Unavailable("the identity provider does not answer") from error
        if not isinstance(value, dict):
            raise Unavailable("the identity provider does not answer as it should")
        return value


async def _limited(answer: httpx2.Response) -> bytes:
    """The body, which may be squeezed: what it grows to counts. Raises Unavailable."""
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise Unavailable("the provider's answer is too long")
    return body


def _trusted(address: str) -> bool:
    """Whether what comes from an address can be believed: over TLS, or from this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


def _elsewhere(claims: Mapping[str, Any]) -> frozenset[str]:
    """Claims that are not in the token, but said to be elsewhere (OpenID Connect Core 5.6.2)."""
    named = claims.get("_claim_names")
    return frozenset(named) if isinstance(named, dict) else frozenset()


def _place(said: Mapping[str, Any], key: str) -> str:
    address = said.get(key)
    if not isinstance(address, str) or not _trusted(address):
        raise Unavailable(f"the provider's {key} cannot be used")
    return address


def _with(address: str, query: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def _coded(text: str) -> str:
    """As RFC 6749 2.3.1 wants names and secrets in the header."""
    return urlencode({"": text})[1:]


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise SignInRefused(f"the provider gave no {key}")
    return value


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, else by its path (realm_access.roles)."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
