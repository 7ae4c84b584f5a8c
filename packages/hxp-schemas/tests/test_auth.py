"""Scopes open what they name, tokens end, and no secret gets out by accident."""

import contextlib
import copy
import json
import pickle
import traceback
from datetime import UTC, datetime, timedelta

import pydantic
import pytest
from hxp_schemas import ApiKey, ErrorInfoError, Permission, Principal, Secret, SecretReference, TokenClaims, is_id
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CANARY = "sk-canary-0123456789"


class Holder(pydantic.BaseModel):
    """What a user might write, without any precaution."""

    key: ApiKey
    password: Secret | None = None


class Deployed(pydantic.BaseModel):
    credential: SecretReference


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("models:read", True),
        ("models:*", True),
        ("*:*", True),
        ("*:read", True),
        ("models:read:tiny", True),
        ("models:read:other", False),
        ("models:write", False),
        ("keys:read", False),
        ("models", False),
        ("", False),
        ("models:read:tiny:more", False),
    ],
)
def test_a_scope_opens_what_it_names(scope: str, *, granted: bool) -> None:
    assert Permission(resource="models", action="read", name="tiny").granted_by(scope) is granted


def test_a_principal_without_the_scope_is_told_which_one() -> None:
    principal = Principal(id="key_1", kind="key", scopes=frozenset({"models:read"}))
    principal.require(Permission(resource="models", action="read"))
    with pytest.raises(ErrorInfoError, match="403 permission_denied: This needs the scope 'keys:create'") as caught:
        principal.require(Permission(resource="keys", action="create"))
    assert caught.value.info.status == 403
    assert not Principal(id="x", kind="anonymous").allows(Permission(resource="models", action="read"))


@pytest.mark.parametrize(
    "scope", ["models", "Models:read", "models:read:", "a:b:c d", "models:read\n", "x" * 300 + ":read"]
)
def test_a_malformed_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValidationError):
        Principal.model_validate({"id": "x", "kind": "user", "scopes": [scope]})


def claims(**change: object) -> TokenClaims:
    good = {
        "iss": "hxp",
        "sub": "user_1",
        "aud": ["gateway", "x"],
        "exp": NOON.timestamp() + 60,
        "scope": "models:read chat:*",
    }
    return TokenClaims.model_validate({**good, **change})


def test_a_token_speaks_for_its_subject_within_its_scopes() -> None:
    token = claims(tenant="acme", custom={"kept": True})
    token.check(now=NOON, audience="gateway", issuer="hxp")
    assert token.principal() == Principal(
        id="user_1", kind="user", tenant="acme", scopes=frozenset({"chat:*", "models:read"})
    )
    written = json.loads(token.model_dump_json(exclude_none=True))
    assert written["scope"] == "chat:* models:read"
    assert written["exp"] == int(NOON.timestamp()) + 60
    assert written["custom"] == {"kept": True}
    assert TokenClaims.model_validate(written) == token


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"exp": NOON.timestamp() - 31}, "expired"),
        ({"nbf": NOON.timestamp() + 31}, "not_yet_valid"),
        ({"aud": "other"}, "wrong_audience"),
        ({"iss": "other"}, "wrong_issuer"),
    ],
)
def test_a_token_for_others_or_another_time_is_one_401(change: dict[str, object], reason: str) -> None:
    """A8: the caller learns nothing of the reason; the log does."""
    with pytest.raises(ErrorInfoError) as caught:
        claims(**change).check(now=NOON, audience="gateway", issuer="hxp")
    info = caught.value.info
    assert (info.status, info.code, info.message) == (401, "invalid_token", "The token is not valid here.")
    assert info.metadata == {"reason": reason}


def test_clocks_may_differ_a_little() -> None:
    claims(exp=NOON.timestamp() - 29, nbf=NOON + timedelta(seconds=29)).check(now=NOON, audience="x", issuer="hxp")


@pytest.mark.parametrize(
    "wrong", [{"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": 1e300}, {"aud": []}, {"scope": "a"}]
)
def test_a_malformed_token_is_refused_without_quoting_it(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        claims(**wrong)
    assert "user_1" not in str(caught.value)


def everything_said_of(holder: Holder) -> str:
    return "\n".join(
        [
            repr(holder),
            str(holder),
            f"{holder.key}",
            holder.model_dump_json(),
            str(holder.model_dump(mode="json")),
            repr(holder.model_dump()),
        ]
    )


def test_a_secret_is_shown_only_when_it_is_asked_for() -> None:
    """L4, C7."""
    holder = Holder(key=ApiKey(CANARY), password=Secret(CANARY))
    assert CANARY not in everything_said_of(holder)
    assert holder.key.reveal() == CANARY
    assert Holder.model_validate({"key": CANARY}).key == holder.key
    assert Holder.model_validate({"key": holder.key}).key is holder.key
    assert Holder.model_validate({"key": Secret(CANARY)}).key == holder.key
    assert {ApiKey(CANARY), ApiKey(CANARY)} == {ApiKey(CANARY)}
    assert holder.key != CANARY
    assert copy.deepcopy(holder.key) is copy.copy(holder.key) is holder.key


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    for secret in (ApiKey(CANARY), Holder(key=ApiKey(CANARY))):
        with pytest.raises(TypeError, match="is not pickled; hand a reference"):
            pickle.dumps(secret, protocol)


def test_a_traceback_shows_no_secret() -> None:
    def fail(holder: Holder) -> None:
        raise RuntimeError(f"cannot use {holder} with {holder.key!r}")

    try:
        fail(Holder(key=ApiKey(CANARY)))
    except RuntimeError as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        assert CANARY not in "".join(lines)


@pytest.mark.parametrize(
    "wrong", [CANARY + " with space", CANARY + "\n", CANARY * 20, f"é{CANARY}", [CANARY], {"k": CANARY}]
)
def test_a_refused_secret_is_not_quoted_by_the_error(wrong: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"key": wrong})
    assert CANARY not in str(caught.value)
    assert CANARY not in str(caught.value.errors())
    assert caught.value.errors()[0]["loc"] == ("key",)


def test_a_secret_has_a_length() -> None:
    Holder.model_validate({"key": CANARY, "password": "x" * 4096})
    for wrong in ("", "x" * 4097):
        with pytest.raises(ValidationError, match="1 to 4096 characters"):
            Holder.model_validate({"key": CANARY, "password": wrong})


def test_a_key_is_random_and_stored_as_a_digest_under_a_pepper() -> None:
    one, other = ApiKey.generate(), ApiKey.generate()
    assert one != other
    assert len(one.reveal()) == 74
    assert is_id(one.reveal()[:30], "hxp")
    assert one.digest(b"pepper") == ApiKey(one.reveal()).digest(b"pepper") != one.digest(b"salt")
    assert len(one.digest(b"pepper")) == 64
    schema = Holder.model_json_schema()["properties"]["key"]
    assert (schema["format"], schema["writeOnly"], schema["maxLength"]) == ("password", True, 256)


@pytest.mark.parametrize(
    "text",
    [
        "env:API_KEY",
        "file:/run/secrets/key",
        "vault:secret/data/app#token",
        "k8s:prod/api-keys#openai",
        "k8s:api-keys#openai",
    ],
)
def test_a_reference_says_where_a_secret_is(text: str) -> None:
    held = Deployed.model_validate({"credential": text})
    assert json.loads(held.model_dump_json()) == {"credential": text}
    assert Deployed.model_validate_json(held.model_dump_json()) == held
    assert str(held.credential) == text
    assert SecretReference.is_reference(text)
    assert Deployed(credential=held.credential).credential is held.credential


@pytest.mark.parametrize(
    "wrong",
    [
        CANARY,
        f"env:{CANARY}",
        f"file:{CANARY}",
        f"vault:{CANARY}",
        f"k8s:{CANARY}",
        f"http:{CANARY}",
        f"env:A\n{CANARY}",
    ],
)
def test_a_secret_in_the_place_of_a_reference_is_refused_and_not_quoted(wrong: str) -> None:
    """C7."""
    with pytest.raises(ValidationError) as caught:
        Deployed.model_validate({"credential": wrong})
    assert CANARY not in str(caught.value) + str(caught.value.errors())
    with pytest.raises(ValidationError, match="given by reference"):
        Deployed.model_validate({"credential": 7})


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_value_error(text: str) -> None:
    reference = None
    with contextlib.suppress(ValueError):
        reference = SecretReference.parse(text)
    assert reference is None or str(reference) == text
