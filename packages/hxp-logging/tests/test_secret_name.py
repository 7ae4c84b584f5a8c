"""Secrets by the words of a field's name, and in URLs, and in the encodings that systems between make of them."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import pytest
from hxp_logging import Logging, LoggingOptions, _automaton
from hxp_logging._secret_name import names_secret
from hypothesis import given
from hypothesis import strategies as st

SECRET = (
    "password", "db_password", "DB_PASSWORD", "dbPassword", "DBPassword", "db-password", "dbpassword", "PGPASSWORD",
    "password_hash", "password2", "new_password", "user.password", "pwd", "db_pwd", "passwd", "passphrase",
    "ssh-passphrase", "secret", "client_secret", "clientSecret", "secret_key", "SecretKey", "SECRET_KEY_BASE",
    "django_secret_key", "aws_secret_access_key", "openai_api_key", "openaiApiKey", "OPENAI_API_KEY", "x-api-key",
    "apikey", "apiKey", "api_keys", "private_key", "privateKeyPem" [:10], "access_key", "accessKey", "signing_key",
    "encryption_key", "hf_token", "HF_TOKEN", "hfToken", "token", "access_token", "accesstoken", "api_tokens",
    "auth", "x_auth", "bearer", "jwt", "authorization", "Authorization", "proxy-authorization", "cookie", "Cookie",
    "set-cookie", "session_cookie", "cookies", "credentials", "db_credentials", "pepper", "smtp_pass", "client_secrets",
    "openai_key", "master-key",
)  # fmt: skip
OPEN = (
    "token_count", "tokens", "prompt_tokens", "completion_tokens", "max_tokens", "maxTokens", "MAX_TOKENS", "tokenizer",
    "time_to_first_token", "next_token", "eos_token", "stop_token", "page_token", "monkey", "turkey", "key", "key_id",
    "keys", "api_key_id", "keyboard", "primary_key", "cache_key", "public_key", "author", "authority", "auth_type",
    "oauth", "secretary", "secrets", "secret_name", "password_length", "cookie_count", "passes", "pass", "passed",
    "bypass", "compass", "path", "cwd", "model", "status", "x-request-id", "", "_", "é", "127.0.0.1", "token_url",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_a_name_tells_of_a_secret_by_its_words(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", OPEN)
def test_what_only_sounds_like_one_stays_open(name: str) -> None:
    assert not names_secret(name)


@given(st.text(max_size=400))
def test_every_name_can_be_asked(name: str) -> None:
    assert names_secret(name) in {True, False}


def told(fields: dict[str, Any], *, secrets: tuple[str, ...] = (), **options: Any) -> str:
    stream = io.StringIO()
    logging = Logging(LoggingOptions(**{"format": "json", **options}), stream=stream)
    for secret in secrets:
        assert logging.register_secret(secret)
    log = logging.get_logger("x")
    for _ in range(3):  # the first line of a name goes the long way, the next ones the short way
        log.info("event", **fields)
    return stream.getvalue()


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("name", ["db_password", "hf_token", "openaiApiKey", "Cookie"])
def test_its_value_is_never_written_at_whatever_depth(style: str, name: str) -> None:
    canary = "canary-value"
    fields = {name: canary, "a": {"b": [{name: canary}, (name, canary)]}, "token_count": 3}
    text = told(fields, format=style)
    assert canary not in text
    assert "token_count" in text
    assert text.count("[redacted]") >= 9


def test_who_chooses_the_names_gets_those_and_the_words_only_when_asked() -> None:
    fields = {"db_password": "visible", "pin": "canary"}
    chosen = told(fields, redact_keys=frozenset({"pin"}))
    assert "visible" in chosen
    assert "canary" not in chosen
    assert "visible" not in told(fields, redact_keys=frozenset({"pin"}), redact_words=True)
    assert "visible" in told(fields, redact_words=False)


@pytest.fixture(params=["with the extra", "without the extra"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without the extra":
        monkeypatch.setattr(_automaton, "BytesAhoCorasick", None)


URLS = {
    "user and password": "https://user:canary@host/path",
    "a password with an at sign": "postgresql://user:c@canary@host/db",
    "no user": "redis://:canary@host",
    "api_key": "https://host/v1?api_key=canary&model=x",
    "key": "https://host/v1?key=canary#part",
    "apiKey": "https://host/v1?a=1&apiKey=canary",
    "API_KEY": "https://host/v1?API_KEY=canary",
    "token": "https://host/v1?a=1&token=canary",
    "access_token": "wss://host/v1?access_token=canary",
    "Azure": "https://host/v1?sv=2024&sig=canary%2B%3D",
    "AWS": "https://host/v1?X-Amz-Signature=canary&X-Amz-Date=1",
    "password": "/login?user=a&password=canary",
    "an entity": "https://host/?a=1&amp;secret=canary",
}


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("kind", URLS)
def test_a_secret_in_a_url_is_hidden_and_the_rest_is_told(style: str, kind: str) -> None:
    url = URLS[kind]
    text = told({"url": url, "nested": [f"GET {url} failed"]}, format=style)
    assert "canary" not in text
    assert text.count("[redacted]") >= 6
    assert "host" in text or "login" in text


@pytest.mark.usefixtures("search")
def test_what_is_no_url_keeps_its_equals_signs() -> None:
    text = told({"a": "key=value token=3", "b": "https://host/?max_tokens=3&monkeys=4&n=1", "c": "x=1&y=2"})
    assert "[redacted]" not in text
    assert "key=value token=3" in text


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("style", ["json", "ecs", "console"])
def test_a_registered_secret_is_hidden_in_hexadecimal_and_in_a_url_inside_a_url(style: str) -> None:
    secret = "canary/+= ä%value"
    once = quote(secret, safe="")
    data = secret.encode()
    for form in (
        data.hex(), data.hex().upper(), quote(once, safe=""), quote(once.lower(), safe=""),
        quote(once, safe="").lower(), quote(quote(secret)), "00" + data.hex() + "ff",
    ):  # fmt: skip
        text = told({"a": f"before {form} after"}, secrets=(secret,), format=style)
        assert form not in text
        assert text.count("before") == text.count("after") == text.count("[redacted]") == 3
    assert json.dumps(secret) not in told({"a": secret}, secrets=(secret,))
