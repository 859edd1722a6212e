"""What is believed of a provider's tokens: those it signed, for us, now, in answer to this question."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from filmroom.base.clock import FixedClock
from filmroom.net.web.oidc import LOGOUT_EVENT, Came, OidcProvider
from filmroom.security.model import SignInRefused
from filmroom.settings import OidcSettings

pytestmark = pytest.mark.capability("6.3.1")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ISSUER = "https://id.example"
KEY = ECKey.generate_key("P-256", {"kid": "1"})
OTHER = ECKey.generate_key("P-256", {"kid": "1"})
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "filmroom",
    "sub": "w1",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 300,
    "nonce": "n",
    "realm_access": {"roles": ["/doctors"]},
}


class Answers(OidcProvider):
    """A provider whose answers stand here."""

    def __init__(self, clock: FixedClock, token: str = "", more: dict[str, Any] | None = None) -> None:
        settings = OidcSettings(
            issuer=ISSUER, client_id="filmroom", roles="doctors=radiologist", groups_claim="realm_access.roles"
        )
        super().__init__("house", settings, clock)
        self.token, self.more, self.keys, self.asked = token, more or {}, [KEY], list[str]()

    async def _json(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        self.asked.append(url.removeprefix(ISSUER))
        match self.asked[-1]:
            case "/.well-known/openid-configuration":
                names = ("authorization", "token", "userinfo")
                return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"} | {
                    f"{name}_endpoint": f"{ISSUER}/{name}" for name in names
                }
            case "/keys":
                return KeySet(self.keys).as_dict(private=False)  # type: ignore[return-value]
            case "/token":
                return {"id_token": self.token, "access_token": "a"}
            case _:
                return self.more


async def come(token: str, more: dict[str, Any] | None = None) -> Came:
    return await Answers(FixedClock(NOW), token, more).redeem(code="c", nonce="n", verifier="v", back="b")


def signed(claims: dict[str, Any], key: Any = KEY, alg: str = "ES256") -> str:
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key)


async def test_a_good_token_says_who_came_and_their_roles() -> None:
    came = await come(signed(GOOD))
    assert (came.person.provider, came.person.subject, came.roles) == ("house", "w1", {"radiologist"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["filmroom", "another"]},
        {"nonce": "old"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
        {"exp": int(NOW.timestamp()) - 120},
        {"iat": int(NOW.timestamp()) + 3600},
    ],
)
async def test_a_token_for_somebody_else_or_another_time_is_refused(wrong: dict[str, Any]) -> None:
    claims = {key: value for key, value in (GOOD | wrong).items() if value is not None}
    with pytest.raises(SignInRefused):
        await come(signed(claims))


async def test_only_the_provider_s_own_signature_counts() -> None:
    shared = OctKey.import_key(str(KEY.as_dict(private=False)["x"]))
    forged = [signed(GOOD, OTHER), jwt.encode({"alg": "HS256", "kid": "1"}, GOOD, shared), "", "a.b.c"]
    unsigned = "eyJhbGciOiJub25lIn0." + signed(GOOD).split(".")[1] + "."
    for token in (*forged, unsigned):
        with pytest.raises(SignInRefused):
            await come(token)


async def test_userinfo_of_another_person_is_refused() -> None:
    plain = {key: value for key, value in GOOD.items() if key != "realm_access"}
    came = await come(signed(plain), {"sub": "w1", "realm_access": {"roles": ["doctors"]}})
    assert came.roles == {"radiologist"}
    with pytest.raises(SignInRefused, match="two people"):
        await come(signed(plain), {"sub": "w2", "realm_access": {"roles": ["doctors"]}})


async def test_new_keys_are_looked_for_but_not_with_every_forged_token() -> None:
    clock = FixedClock(NOW)
    provider = Answers(clock, signed(GOOD))
    await provider.redeem(code="c", nonce="n", verifier="v", back="b")
    fresh = RSAKey.generate_key(2048, {"kid": "2"})
    provider.keys, provider.token = [fresh], jwt.encode({"alg": "RS256", "kid": "2"}, GOOD, fresh)
    for _ in range(3):
        with pytest.raises(SignInRefused):
            await provider.redeem(code="c", nonce="n", verifier="v", back="b")
    assert provider.asked.count("/keys") == 1
    clock.at += timedelta(seconds=31)
    assert (await provider.redeem(code="c", nonce="n", verifier="v", back="b")).person.subject == "w1"


async def test_a_logout_token_names_a_session_and_is_no_sign_in() -> None:
    provider = Answers(FixedClock(NOW))
    told = {key: GOOD[key] for key in ("iss", "aud", "iat", "exp")} | {"sid": "s1", "events": {LOGOUT_EVENT: {}}}
    assert await provider.signed_out(signed(told)) == ("s1", "")
    for wrong in ({"events": {}}, {"nonce": "n"}, {"sid": ""}):
        with pytest.raises(SignInRefused):
            await provider.signed_out(signed(told | wrong))
