"""Secrets are found late, kept for a while, found again when they change, and never shown."""

import base64
import json
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hvac
import pytest
from hxp_config import (
    ConfigError,
    ConfigSecret,
    Defaults,
    Environment,
    EnvironmentKeeper,
    FileKeeper,
    Keeper,
    KubernetesKeeper,
    SecretError,
    SecretStore,
    VaultKeeper,
    YamlText,
    load,
    standard_keepers,
)
from hxp_schemas import SecretReference
from pydantic import BaseModel, SecretStr

CANARY = "canary-0123456789"
TOKEN = SecretReference("env", "TOKEN")


class Settings(BaseModel):
    token: ConfigSecret
    port: int = 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Vault(dict[str, str]):
    """A keeper that can be down, and counts how often it is asked."""

    down = False
    asked = 0

    def fetch(self, location: str) -> str:
        self.asked += 1
        if self.down:
            raise ConnectionRefusedError(111, "Connection refused")
        if location not in self:
            raise LookupError("there is no such secret")
        return self[location]


def test_a_secret_is_resolved_when_it_is_asked_for_and_kept_for_a_while() -> None:
    vault, clock, seen = Vault(), Clock(), list[str]()
    store = SecretStore({"env": vault}, ttl=60, listeners=[seen.append], clock=clock)
    secret = load(Settings, [YamlText("token: env:TOKEN", "f")], secrets=store).value.token
    assert vault.asked == 0
    vault["TOKEN"] = "one"
    assert secret.reveal() == secret.reveal() == "one"
    vault["TOKEN"] = "two"
    clock.now = 59.9
    assert secret.reveal() == "one"
    clock.now = 60.0
    assert secret.reveal() == "two"
    assert (vault.asked, seen) == (2, ["one", "two"])


def test_a_listener_knows_a_value_before_anybody_else_does() -> None:
    """Whoever redacts logs must have it before it can be logged."""
    order: list[str] = []
    store = SecretStore({"env": Vault(TOKEN="one")}, listeners=[lambda value: order.append(f"heard {value}")])
    order.append(f"got {store.resolve(TOKEN)}")
    assert order == ["heard one", "got one"]


def test_a_keeper_that_is_down_for_now_does_not_take_a_known_secret_away() -> None:
    vault, clock = Vault(TOKEN="one"), Clock()
    store = SecretStore({"env": vault}, ttl=1, clock=clock)
    store.resolve(TOKEN)
    vault.down, clock.now = True, 5
    assert store.resolve(TOKEN) == "one"
    vault.down, clock.now = False, 10
    vault.clear()
    with pytest.raises(SecretError, match="env:TOKEN cannot be had: there is no such secret"):
        store.resolve(TOKEN)


def test_refreshing_tells_which_secrets_were_rotated() -> None:
    vault = Vault(TOKEN="one", OTHER="same")
    store = SecretStore({"env": vault})
    store.resolve(TOKEN)
    store.resolve(SecretReference("env", "OTHER"))
    vault["TOKEN"] = "two"
    assert store.refresh() == [TOKEN]
    assert store.refresh() == []
    assert repr(store) == "SecretStore(2 secrets)"


def test_a_missing_secret_is_named_and_never_its_value() -> None:
    """C7."""
    store = SecretStore({"env": EnvironmentKeeper({"OTHER": CANARY})})
    with pytest.raises(SecretError) as caught:
        store.resolve(TOKEN)
    assert str(caught.value) == "the secret env:TOKEN cannot be had: the environment variable is not set"
    assert caught.value.reference == TOKEN
    with pytest.raises(SecretError, match="nobody keeps 'vault' here; there are env"):
        store.resolve(SecretReference("vault", "a/b#c"))
    with pytest.raises(SecretError, match="Connection refused"):
        SecretStore({"env": down()}).resolve(TOKEN)


def down() -> Vault:
    vault = Vault()
    vault.down = True
    return vault


def test_a_secret_may_be_written_out_and_is_masked_all_the_same() -> None:
    snapshot = load(Settings, [Defaults({"token": CANARY})])
    secret = snapshot.value.token
    assert secret.reveal() == CANARY
    assert secret.reference is None
    shown = f"{secret} {secret!r} {snapshot.value!r} {snapshot.explain('token')} {snapshot.value.model_dump_json()}"
    assert CANARY not in shown
    with pytest.raises(TypeError, match="is not pickled"):
        pickle.dumps(secret)
    assert secret == ConfigSecret(CANARY)
    assert hash(secret) == hash(ConfigSecret(CANARY))
    assert secret != CANARY
    assert Settings(token=secret).token is secret
    assert Settings.model_json_schema()["properties"]["token"]["writeOnly"]


def test_a_reference_without_a_store_says_what_to_give() -> None:
    secret = load(Settings, [Environment(environ={"HXP__TOKEN": "file:/run/x"})]).value.token
    with pytest.raises(SecretError, match=r"file:/run/x cannot be had: give load\(…, secrets=SecretStore\(\)\)"):
        secret.reveal()


@pytest.mark.parametrize("wrong", [f"env:{CANARY}", f"vault:{CANARY}", CANARY * 5000, [CANARY], {"a": CANARY}, 7])
def test_what_is_no_secret_is_refused_and_not_quoted(wrong: object) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Settings, [Defaults({"token": wrong})])
    assert str(caught.value).startswith("token: ")
    assert CANARY not in str(caught.value)


def test_a_file_is_read_without_its_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"two\nlines\r\n")
    store = SecretStore({"file": FileKeeper()})
    assert store.resolve(SecretReference("file", str(path))) == "two\nlines"
    path.write_bytes(b"\xff")
    for location, reason in ((str(path), "not UTF-8"), (str(tmp_path), "Is a directory"), ("/gone", "No such file")):
        with pytest.raises(SecretError, match=reason):
            SecretStore().resolve(SecretReference("file", location))


def test_every_scheme_has_a_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(standard_keepers()) == ["env", "file", "k8s", "vault"]
    assert all(isinstance(keeper, Keeper) for keeper in standard_keepers().values())
    monkeypatch.setenv("HXP_TEST_SECRET", "x")
    assert SecretStore().resolve(SecretReference("env", "HXP_TEST_SECRET")) == "x"


@contextmanager
def answering(answers: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A loopback server that answers paths with JSON, and notes who asked with which token."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization") or self.headers.get("X-Vault-Token")))
            body = json.dumps(answers.get(self.path, {"errors": []})).encode()
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_kubernetes_is_asked_with_the_pods_own_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "namespace").write_text("own")
    data = {"data": {"key": base64.b64encode(b"s3cret").decode()}}
    paths = {"/api/v1/namespaces/prod/secrets/api": data, "/api/v1/namespaces/own/secrets/api": data}
    with answering(paths) as (url, asked):
        store = SecretStore({"k8s": KubernetesKeeper(url, str(tmp_path))})
        assert store.resolve(SecretReference("k8s", "prod/api#key")) == "s3cret"
        assert store.resolve(SecretReference("k8s", "api#key")) == "s3cret"
        assert {token for _, token in asked} == {"Bearer pod-token"}
        with pytest.raises(SecretError, match="the secret has no key 'other'"):
            store.resolve(SecretReference("k8s", "prod/api#other"))
        with pytest.raises(SecretError, match="k8s:prod/gone#key cannot be had"):
            store.resolve(SecretReference("k8s", "prod/gone#key"))


def test_vault_is_asked_by_its_own_client() -> None:
    answer = {"data": {"data": {"token": "s3cret"}, "metadata": {"version": 3}}}
    with answering({"/v1/secret/data/app": answer}) as (url, asked):
        store = SecretStore({"vault": VaultKeeper(hvac.Client(url=url, token="vt"))})
        assert store.resolve(SecretReference("vault", "secret/app#token")) == "s3cret"
        assert asked == [("/v1/secret/data/app", "vt")]
        with pytest.raises(SecretError, match="the secret has no field 'other'"):
            store.resolve(SecretReference("vault", "secret/app#other"))
        with pytest.raises(SecretError, match="Vault says InvalidPath"):
            store.resolve(SecretReference("vault", "secret/gone#token"))


def test_without_its_extra_vault_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hvac", None)
    with pytest.raises(SecretError, match=r"pip install 'hxp-config\[vault\]'"):
        SecretStore().resolve(SecretReference("vault", "a/b#c"))


class Upstream(BaseModel):
    key: SecretStr = SecretStr("env:DEFAULT")
    name: str = "env:NAME"


class Gateway(BaseModel):
    upstreams: list[Upstream] = []
    main: Upstream = Upstream()


def test_a_secret_of_pydantics_own_is_resolved_at_once() -> None:
    store = SecretStore({"env": EnvironmentKeeper({"ONE": CANARY, "TWO": "2"})})
    text = "upstreams: [{key: env:ONE}, {key: plain}]\nmain: {key: env:TWO, name: env:ONE}"
    snapshot = load(Gateway, [YamlText(text, "f")], secrets=store)
    assert [one.key.get_secret_value() for one in snapshot.value.upstreams] == [CANARY, "plain"]
    assert (snapshot.value.main.key.get_secret_value(), snapshot.value.main.name) == ("2", "env:ONE")
    assert str(snapshot.origin("upstreams.0.key")) == "f:1:19"
    assert CANARY not in snapshot.explain("upstreams.0.key")


def test_every_secret_that_cannot_be_had_is_named_with_its_place() -> None:
    """C7."""
    text = "upstreams: [{key: env:ONE}, {key: env:TWO}]\nmain: {key: 'env:not a name'}"
    with pytest.raises(ConfigError) as caught:
        load(Gateway, [YamlText(text, "f")], secrets=SecretStore({"env": EnvironmentKeeper({})}))
    assert str(caught.value).splitlines()[1:] == [
        "  upstreams.0.key: the secret env:ONE cannot be had: the environment variable is not set at f:1:19",
        "  upstreams.1.key: the secret env:TWO cannot be had: the environment variable is not set at f:1:35",
        "  main.key: a reference of this kind reads env:NAME at f:2:13",
    ]


def test_a_default_of_the_models_own_stays_as_it_is() -> None:
    store = SecretStore({"env": EnvironmentKeeper({"DEFAULT": "x"})})
    assert load(Gateway, [], secrets=store).value.main.key.get_secret_value() == "env:DEFAULT"
