"""Registered values and telling shapes, in whatever form and wherever they turn up."""

import base64
import io
import json
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions, _automaton, bind_context, correlation
from hxp_logging._secret import Secrets
from hxp_logging._shape import hide_shapes
from hypothesis import given
from hypothesis import strategies as st

SECRET = 'canary/+="\\ä-secret-value'
CARD = "4111 1111 1111 1111"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
SHAPES = {
    "openai": "sk-proj-abcdefghijklmnop1234",
    "hxp": "hxp_01ARZ3NDEKTSV4RRFFQ69G5FAV_abcdefghijklmnopqrstuvwxyz",
    "stripe": "sk_live_abcdefghijklmnop1234",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github fine": "github_pat_abcdefghijklmnopqrstuvwxyz0123456789",
    "gitlab": "glpat-abcdefghijklmnopqrst",
    "slack": "xoxb-1234567890-abcdef",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "google": "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
    "hugging face": "hf_abcdefghijklmnopqrstuvwxyz0123456789",
    "jwt": JWT,
    "bearer": "Bearer abcdefghijklmnop+/=",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----",
}


@pytest.fixture(params=["with the extra", "without the extra"], autouse=True)
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without the extra":
        monkeypatch.setattr(_automaton, "BytesAhoCorasick", None)


def written(
    say: Callable[[Logging], object], *, style: str = "json", secrets: tuple[str, ...] = (), **more: Any
) -> str:
    stream = io.StringIO()
    logging = Logging(LoggingOptions(**{"format": style} | more), stream=stream)
    for secret in secrets:
        assert logging.register_secret(secret)
    say(logging)
    assert logging.statistics().lost == 0
    return stream.getvalue()


def encodings(secret: str) -> dict[str, str]:
    data = secret.encode()
    return {
        "plain": secret,
        "repr": repr(secret),
        "bytes repr": repr(data),
        "json": json.dumps({"k": secret}),
        "json, not ascii": json.dumps({"k": secret}, ensure_ascii=False),
        "url": quote(secret, safe=""),
        "url path": quote(secret),
        "url lower": re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
        "form": quote_plus(secret),
        **{f"base64 {n}": base64.b64encode(b"x" * n + data + b"yz").decode() for n in range(3)},
        **{f"base64url {n}": base64.urlsafe_b64encode(b"\xff" * n + data + b"\xff").decode() for n in range(3)},
        "basic auth": "Basic " + base64.b64encode(b"user:" + data).decode(),
        "json in base64": base64.b64encode(orjson.dumps({"k": secret})).decode(),
    }


def cores(secret: str) -> list[str]:
    """What must not be left of any encoding."""
    return ["canary", "secret-value", *(base64.b64encode(b"x" * n + secret.encode()).decode()[4:12] for n in range(3))]


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("form", encodings(SECRET))
def test_a_registered_secret_is_hidden_in_every_encoding(style: str, form: str) -> None:
    """L4."""
    text = f"before {encodings(SECRET)[form]} after"

    def say(logging: Logging) -> None:
        log = logging.get_logger("x")
        log.info("field", a=text)
        log.info(text)
        log.info("nested", a={"b": [text, {text: 1}]})
        log.error("failed", exc_info=ValueError(text))

    told = written(say, style=style, secrets=(SECRET,))
    for core in cores(SECRET):
        assert core not in told
    assert told.count("[redacted]") >= 5
    assert "before" in told
    assert "after" in told


QUOTED = "canary's (very) own! *secret~ ab?ab>value"


def quoted_forms() -> dict[str, str]:
    encoded = base64.b64encode(QUOTED.encode()).decode()
    assert "+" in encoded
    assert "/" in encoded
    return {
        "repr of a text with both quotes": repr('"' + QUOTED),
        "repr of bytes with both quotes": repr(b'"' + QUOTED.encode()),
        "encodeURIComponent": quote(QUOTED, safe="!~*'()"),
        "query of a URL": quote(QUOTED, safe="!$&'()*+,;=:@/?~"),
        "base64 in a URL": quote(encoded, safe=""),
        "base64 in a URL, lower": re.sub("%..", lambda match: match[0].lower(), quote(encoded, safe="")),
    }


@pytest.mark.parametrize("form", quoted_forms())
def test_a_secret_with_quotes_and_marks_is_hidden_however_it_is_written(form: str) -> None:
    """L4: what Python, browsers and HTTP clients make of it."""
    told = written(lambda logging: logging.get_logger("x").info("sent", a=quoted_forms()[form]), secrets=(QUOTED,))
    assert "[redacted]" in told
    assert "canary" not in told
    assert "value" not in told
    assert base64.b64encode(QUOTED.encode()).decode()[4:12] not in told


def test_a_secret_that_is_registered_while_the_search_is_built_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """L4: another thread may register one while the first line is written."""
    secrets = Secrets(shapes=False)
    secrets.register("first-canary-secret")
    build = secrets._search
    other = threading.Thread(target=secrets.register, args=("second-canary-secret",))

    def search() -> Callable[[bytes], bool]:
        made = build()
        monkeypatch.undo()
        other.start()
        return made

    monkeypatch.setattr(secrets, "_search", search)
    secrets.is_suspect(b"a line")
    other.join()
    assert secrets.is_suspect(b"first-canary-secret")
    assert secrets.is_suspect(b"second-canary-secret")


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_looks_like_a_secret_is_hidden(style: str, shape: str) -> None:
    """L4."""
    text = SHAPES[shape]

    def say(logging: Logging) -> None:
        log = logging.get_logger("x")
        log.info("field", a=f"is:\n{text}", b=[text])
        log.info(f"message {text}")  # noqa: G004 - as careless callers do
        log.error("failed", exc_info=ValueError(text))

    told = written(say, style=style)
    assert text[6:26] not in told
    assert text[-12:] not in told or shape == "private key"
    assert told.count("[redacted]") >= 4
    assert text[6:26] in written(say, style=style, redact_shapes=False)


@pytest.mark.parametrize(
    "harmless",
    ["task-0123456789abcdef0", "https://example.org:8080/a@b", "hxp_model_time_to_first_token", "eyJ", "hf_x"],
)
def test_what_only_begins_like_a_secret_stands(harmless: str) -> None:
    assert harmless in written(lambda logging: logging.get_logger("x").info("said", a=harmless))


def test_a_password_in_a_url_is_hidden_and_the_rest_stands() -> None:
    told = written(lambda logging: logging.get_logger("x").info("to", url="postgres://me:hunter2@db:5432/x?y=1"))
    assert orjson.loads(told)["attributes"] == {"url": "postgres://[redacted]@db:5432/x?y=1"}


@pytest.mark.parametrize("style", ["json", "console"])
def test_card_numbers_are_hidden_if_asked(style: str) -> None:
    def say(logging: Logging) -> None:
        logging.get_logger("x").info(
            "paid", card=CARD, order="4111 1111 1111 1112", short="4111", number=4111111111111111
        )

    told = written(say, style=style, redact_cards=True)
    assert CARD not in told
    assert "4111111111111111" not in told
    assert "4111 1111 1111 1112" in told  # fails the check
    assert CARD in written(say, style=style)


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
def test_a_secret_in_the_context_is_hidden(style: str) -> None:
    """L4: a caller may send its key as the request id."""

    def say(logging: Logging) -> None:
        with correlation(f"id-{SECRET}", None), bind_context(bound=SECRET):
            logging.get_logger(f"log.{SECRET}").info("event")
            logging.get_logger("x").info("event")

    told = written(say, style=style, secrets=(SECRET,))
    assert "canary" not in told
    assert told.count("[redacted]") == 5


def test_a_secret_that_is_registered_late_is_hidden_from_then_on() -> None:
    """What was encoded before, and kept for the next line, is encoded anew."""
    stream = io.StringIO()
    logging = Logging(LoggingOptions(format="json"), stream=stream)
    log = logging.get_logger("canary-secret")
    with correlation("canary-secret", None):
        log.info("says canary-secret", a="canary-secret")
        logging.register_secret("canary-secret")
        log.info("says canary-secret", a="canary-secret")
    before, after = stream.getvalue().splitlines()
    assert before.count("canary-secret") == 4
    assert "canary" not in after


@given(
    secret=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=300), min_size=8, max_size=40),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_wherever_a_secret_begins_it_is_found(secret: str, before: str, after: str) -> None:
    """The fast look at a line may suspect too much, never too little."""
    secrets = Secrets(shapes=False)
    secrets.register(secret)
    assert secrets.is_suspect(orjson.dumps(before + secret + after))
    for shift in range(3):
        text = base64.b64encode(b"x" * shift + secret.encode() + after.encode()).decode()
        hidden = secrets.hide(f"{before}{text}")
        if len(secret.encode()) >= 10:  # below, fewer than eight characters hold nothing but the secret
            assert hidden != f"{before}{text}"
            assert secrets.is_suspect(orjson.dumps(text))


@pytest.mark.parametrize("length", [8, 14, 15, 16, 30, 31, 32, 64, 200])
def test_a_secret_of_any_length_is_found_at_any_place_of_a_long_line(length: int) -> None:
    """L4: the search without the extra cuts lines into blocks, and long ones into parts."""
    secret = "".join(chr(97 + number % 26) for number in range(length))
    secrets = Secrets(shapes=False)
    secrets.register(secret)
    for place in (*range(40), *range(8170, 8210), 20_000):
        assert secrets.is_suspect(b"." * place + secret.encode() + b"." * (place % 17))
    assert not secrets.is_suspect(b"." * 20_000 + b"abcdef")


def test_without_anything_to_hide_no_line_is_looked_at() -> None:
    assert not Secrets(shapes=False).is_suspect(b"sk-abcdefghijklmnopqrstuvwxyz")


def test_the_search_is_the_same_for_short_secrets() -> None:
    secrets = Secrets(shapes=True)
    secrets.register("12345678")
    assert secrets.is_suspect(b'{"a":"x12345678"}')
    assert not secrets.is_suspect(b'{"a":"x1234567"}')


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("name", ["prompt", "messages", "completion", "gen_ai.input.messages", "Gen_AI.Prompt"])
def test_what_people_write_to_a_model_is_not_logged_unless_asked(style: str, name: str) -> None:
    """L6."""

    def say(logging: Logging) -> None:
        logging.get_logger("x").info("generated", **{name: [{"content": "my private life"}]}, tokens=3)

    told = written(say, style=style)
    assert "private" not in told
    assert "[content off]" in told
    assert "private life" in written(say, style=style, content_keys=frozenset())


def test_headers_come_as_pairs() -> None:
    """L4: as ASGI has them."""
    headers = [(b"authorization", b"Digest canary"), ["Cookie", "canary"], ("accept", "*/*"), ("x", "y", "z")]
    told = written(lambda logging: logging.get_logger("x").info("request", headers=headers))
    assert "canary" not in told
    assert orjson.loads(told)["attributes"]["headers"][1:] == [["Cookie", "[redacted]"], ["accept", "*/*"], list("xyz")]


def test_headers_come_as_mappings_of_bytes_too() -> None:
    """L4."""
    headers = {b"Authorization": b"Digest canary", b"accept": b"*/*", "nested": {b"set-cookie": b"canary"}}
    told = written(lambda logging: logging.get_logger("x").info("request", headers=headers))
    assert "canary" not in told
    assert orjson.loads(told)["attributes"]["headers"] == {
        "Authorization": "[redacted]",
        "accept": "b'*/*'",
        "nested": {"set-cookie": "[redacted]"},
    }


def test_a_token_across_the_cut_of_a_long_text_leaves_no_head() -> None:
    """L3, L4."""

    def say(logging: Logging) -> None:
        for offset in range(8150, 8200, 7):
            logging.get_logger("x").info("e", a="x" * offset + " " + JWT + "y" * 9000)

    assert "eyJhbG" not in written(say)


@pytest.mark.parametrize("length", [9_000, 60_000])
def test_a_secret_in_a_long_traceback_is_hidden(length: int) -> None:
    error = ValueError("canary-secret" + "x" * length + "canary-secret")
    told = written(lambda logging: logging.get_logger("x").error("e", exc_info=error), secrets=("canary-secret",))
    assert "canary" not in told


@pytest.mark.parametrize(
    "secret",
    [
        "hxp_01JD3Q0V5T8Z4M6N7P9R2S1W3X_" + "a" * 43,
        "github_pat_" + "b" * 40,
        "ghp_" + "c" * 36,
        "glpat-" + "d" * 24,
        "sk-proj-" + "e" * 40,
    ],
)
@pytest.mark.parametrize("before", ["\\n", "%22", "%5Cn", "%253D", "\\x1b[31m", "n", "x", "C"])
def test_an_unmistakable_key_is_hidden_whatever_stands_before_it(secret: str, before: str) -> None:
    """L4: the escape before a key ends in a letter or a digit."""
    assert secret not in hide_shapes(f"GET /{before}{secret} HTTP/1.1")
    assert "[redacted]" in hide_shapes(f"GET /{before}{secret} HTTP/1.1")
