"""What a URL keeps secret is shown by no command and in no error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hxp_config import ConfigError, File, commands, load
from hxp_config._secrecy import sounds_secret, without_url_secrets
from hxp_config.commands import Project
from pydantic import AnyUrl, BaseModel, field_validator

if TYPE_CHECKING:
    from pathlib import Path


SECRET_URLS = (
    "https://user:canary@host/v1",
    "postgresql://user:c@canary@host/db",
    "https://canary@host/",
    "https://host/v1?api_key=canary&a=1",
    "https://host/v1?a=1&X-Amz-Signature=canary",
)


class Settings(BaseModel):
    url: str = ""
    typed: AnyUrl | None = None
    many: list[dict[str, str]] = []

    @field_validator("url")
    @classmethod
    def no_ftp(cls, url: str) -> str:
        if url.startswith("ftp:"):
            raise ValueError(f"{url!r} is no URL of HTTP")
        return url


@pytest.mark.parametrize("url", SECRET_URLS)
def test_no_command_shows_it(tmp_path: Path, url: str) -> None:
    for name, address in (("a", url), ("b", url.replace("host", "other"))):
        document = {"url": address, "typed": "https://u:canary@host/", "many": [{"url": address}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    project = Project(
        Settings, lambda profile: [File(second if profile == "b" else first), File(second)][: 1 + (not profile)]
    )
    told = [
        commands.show(project),
        commands.show(project, origins=True),
        commands.show(project, as_json=True),
        commands.explain(project, "url"),
        commands.explain(project, "many"),
        commands.explain(project, "url", as_json=True),
        commands.diff(project, "a", "b"),
        commands.diff(project, "a", "b", as_json=True),
        commands.validate(project),
    ]
    assert not any("canary" in text for text in told)
    assert "host" in told[6]
    assert "**********" in told[0]


def test_no_error_quotes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"url": "ftp://user:canary@host/"}')
    with pytest.raises(ConfigError, match="is no URL of HTTP") as caught:
        load(Settings, [File(path)])
    assert "canary" not in str(caught.value)
    assert "host" in str(caught.value)


@pytest.mark.parametrize("text", ["https://host/a@b", "a@b", "https://host/?n=1&max_tokens=4", "key=value", "x://"])
def test_what_is_none_is_left_alone(text: str) -> None:
    assert without_url_secrets(text) == text


@pytest.mark.parametrize(
    "name", ["pwd", "db_pwd", "hfToken", "apiKey", "apikey", "dbpassword", "passphrase", "client_secret"]
)
def test_names_of_secrets_in_every_spelling(name: str) -> None:
    assert sounds_secret(name)


@pytest.mark.parametrize("name", ["max_tokens", "token_count", "monkey", "author", "tokenizer", "keyboard", "key_id"])
def test_names_of_what_is_none(name: str) -> None:
    assert not sounds_secret(name)
