"""Canaries under every name and in every dress: none reaches a log line or the output of `hxp config`."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hxp_logging import Logging, LoggingOptions
from hxp_schemas import ApiKey

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("db_password", "openai_api_key", "hf_token", "secret_key", "pwd", "client_secret", "private_key", "set_cookie")
CANARY = "canary-0123456789"


def spellings(name: str) -> list[str]:
    words = name.split("_")
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    return [name, name.upper(), "-".join(words), "-".join(word.capitalize() for word in words), camel]


def logged(fields: dict[str, object], *, style: str = "json", secret: str | None = None) -> str:
    stream = io.StringIO()
    options: dict[str, Any] = {"format": style}
    logging = Logging(LoggingOptions(**options), stream=stream)
    if secret:
        logging.register_secret(secret)
    log = logging.get_logger("hostile")
    for _ in range(2):
        log.info("event", **fields)
        log.warning(json.dumps({"u": fields.get("u", "")}))
    return stream.getvalue()


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_in_no_spelling_lets_a_value_out(name: str, style: str) -> None:
    for spelling in spellings(name):
        assert CANARY not in logged({spelling: CANARY, "deep": {"er": [{spelling: CANARY}]}}, style=style)


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_url_lets_a_value_out(style: str) -> None:
    parameters = ("api_key", "apikey", "key", "token", "access_token", "sig", "X-Amz-Signature", "password", "secret")
    urls = [f"https://host/p?a=1{mark}{name}={CANARY}" for mark, name in product("&;", parameters)]
    for url in [*urls, f"https://u:{CANARY}@host/", f"postgresql+asyncpg://u:a@{CANARY}@host/db"]:
        assert CANARY not in logged({"u": url}, style=style)


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_encoding_of_a_registered_secret_gets_out(style: str) -> None:
    secret = "correct horse/battery+staple=%"
    data = secret.encode()
    forms = [
        *(data.hex(), data.hex().upper(), base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()),
        *(quote(secret), quote(secret, safe=""), quote(quote(secret)), quote(quote(secret, safe=""), safe="")),
    ]
    for form in forms:
        assert form not in logged({"u": form}, style=style, secret=secret)


def test_a_key_of_ours_is_known_by_its_shape() -> None:
    for _ in range(50):
        key = ApiKey.generate().reveal()
        assert key[31:50] not in logged({"u": f"presented {key}, refused"})


def test_no_command_prints_the_password_of_an_address(tmp_path: Path) -> None:
    (tmp_path / "hxp.yaml").write_text(
        f'services: {{ledger: {{use: hxp-ledger, port: 11500, config: {{url: "postgresql://u:{CANARY}@host/db"}}}}, '
        "gateway: {use: hxp-gateway, port: 8000, config: {upstreams: "
        f'[{{name: a, url: "https://u:{CANARY}@host/v1?api_key={CANARY}", models: [m]}}]}}}}}}'
    )
    (tmp_path / "hxp.staging.yaml").write_text(
        f'services: {{ledger: {{config: {{url: "postgresql://u:{CANARY}@other/db"}}}}}}'
    )
    for arguments in (
        ["show"],
        ["show", "--json"],
        ["show", "--origins"],
        ["explain", "services.ledger.config.url"],
        ["explain", "services.gateway.config.upstreams"],
        ["validate"],
        ["diff", "development", "staging"],
    ):
        command = [sys.executable, "-m", "hxp_services_base.cli", "config", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert CANARY not in done.stdout + done.stderr
