"""`hxp keys`, typed in a folder where nothing runs."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hxp_ledger import AuditLog, Database
from hxp_ledger._development import ensure_development_key
from hxp_ledger._keys import KeyStore
from hxp_services_base import KeyVerifier, Pepper
from hxp_services_base.cli._app import build
from typer.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

    from hxp_ledger import AuditEntry
    from hxp_schemas import KeySnapshot
    from typer.testing import Result

STACK = "services:\n  ledger: {{use: hxp-ledger, port: 11500, config: {{url: {url!r}}}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hxp.yaml").write_text(STACK.format(url="sqlite:///.hxp/ledger.db"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hxp(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["keys", *arguments])


def asked(*arguments: str) -> Any:
    result = hxp(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def refused(*arguments: str) -> str:
    """Standard error of a command that says in one sentence why it will not."""
    result = hxp(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("hxp: ")
    assert "Traceback" not in result.stderr
    return result.stderr


async def _read(folder: Path) -> tuple[KeySnapshot, list[AuditEntry]]:
    async with Database(f"sqlite:///{folder}/.hxp/ledger.db") as database:
        return await KeyStore(database).snapshot(), await AuditLog(database).page()


def test_a_key_is_made_and_opens_the_door(folder: Path) -> None:
    made = asked("create", "laptop")
    assert set(made) == {"id", "key", "name", "team", "created_at"}
    snapshot, _ = asyncio.run(_read(folder))
    record = KeyVerifier(Pepper.load_or_create(folder / ".hxp" / "pepper"), snapshot).verify(made["key"].encode())
    assert record is not None
    assert (record.id, record.name, record.development) == (made["id"], "laptop", False)


def test_a_key_is_shown_once_and_lies_nowhere_on_disk(folder: Path) -> None:
    """A6, L4."""
    result = hxp("create", "laptop")
    key, _, told = result.output.partition("\n")
    assert key.startswith("hxp_")
    assert "for 'laptop'. This is the only time it is shown." in told
    assert key not in told
    secret = key.split("_", 2)[2].encode()
    snapshot, audit = asyncio.run(_read(folder))
    digest = snapshot.keys[0].digest
    holding_digest = set()
    for file in folder.rglob("*"):
        if file.is_file():
            assert secret not in file.read_bytes(), file
            if digest.encode() in file.read_bytes():
                holding_digest.add(file.name.partition(".db")[0])
    assert holding_digest == {"ledger"}
    listed = hxp("list").output + hxp("list", "--json").output + repr(audit)
    assert secret.decode() not in listed
    assert digest not in listed


def test_keys_are_listed_with_their_state(folder: Path) -> None:
    first = asked("create", "first")
    second = asked("create", "second")
    asked("revoke", first["id"])

    async def make_development_key() -> None:
        async with Database("sqlite:///.hxp/ledger.db") as database:
            pepper = Pepper.load_or_create(folder / ".hxp" / "pepper")
            await ensure_development_key(KeyStore(database), pepper, folder / ".hxp" / "dev-key")

    asyncio.run(make_development_key())
    records = asked("list")
    assert [record["name"] for record in records] == ["first", "second", "development"]
    assert set(records[0]) == {"id", "name", "created_at", "revoked_at", "development", "team"}
    assert (records[0]["revoked_at"] is None, records[1]["revoked_at"]) == (False, None)
    header, *lines = hxp("list").output.splitlines()
    assert header.split() == ["id", "name", "made", "state"]
    assert "revoked 20" in lines[0]
    assert lines[1].startswith(second["id"])
    assert lines[1].endswith("in force")
    assert lines[2].endswith("in force (development)")


def test_a_folder_without_keys_lists_none(folder: Path) -> None:
    assert asked("list") == []
    assert len(hxp("list").output.splitlines()) == 1
    assert (folder / ".hxp" / "ledger.db").is_file()


def test_a_revoked_key_opens_nothing_and_revoking_again_changes_nothing(folder: Path) -> None:
    """A7."""
    made = asked("create", "laptop")
    revoked = asked("revoke", made["id"])
    assert set(revoked) == {"id", "name", "created_at", "revoked_at", "development", "team", "applied", "pending"}
    assert hxp("revoke", made["id"]).output == f"{made['id']} ('laptop') is revoked\n"
    snapshot, _ = asyncio.run(_read(folder))
    assert snapshot.keys[0].model_dump(mode="json")["revoked_at"] == revoked["revoked_at"]
    verifier = KeyVerifier(Pepper.load_or_create(folder / ".hxp" / "pepper"), snapshot)
    assert verifier.verify(made["key"].encode()) is None


def test_a_revocation_says_which_gateways_refuse_the_key_by_now(folder: Path) -> None:
    """A7."""
    made = asked("create", "laptop")

    async def read_as(name: str, version: int) -> None:
        async with Database("sqlite:///.hxp/ledger.db") as database:
            await KeyStore(database).note_reader(name, version)

    asyncio.run(read_as("gateway-0", 2))
    asyncio.run(read_as("gateway-1", 1))
    revoked = asked("revoke", made["id"], "--wait", "0")
    assert (revoked["applied"], revoked["pending"]) == (["gateway-0"], ["gateway-1"])
    told = hxp("revoke", made["id"], "--wait", "0").output
    assert "refused by: gateway-0\n" in told
    assert "not yet applied by: gateway-1; a gateway that cannot reach the ledger refuses every key" in told


def test_a_state_folder_of_somebody_else_is_not_used(folder: Path) -> None:
    """P11: its pepper would be a stranger's, and a link in it leads anywhere."""
    state = folder / ".hxp"
    state.mkdir()
    (state / "ledger.db").symlink_to(folder / "victim.db")
    try:
        os.chown(state, 65_534, 65_534)
    except PermissionError:
        pytest.skip("only root can give a folder away")
    for command in (("create", "laptop"), ("list",), ("revoke", "key_x")):
        assert "belongs to user 65534" in refused(*command)
    assert not (folder / "victim.db").exists()


def test_a_key_can_belong_to_a_team(folder: Path) -> None:
    assert asked("create", "laptop", "--team", "search")["team"] == "search"
    assert "in force (team search)" in hxp("list").output
    for odd in ("", "a b", "x" * 65, "-a", "a\n"):
        assert "is no name of a team" in refused("create", "laptop", "--team", odd)


def test_changes_are_audited_as_made_on_the_command_line(folder: Path) -> None:
    made = asked("create", "laptop")
    asked("revoke", made["id"])
    _, audit = asyncio.run(_read(folder))
    assert [(entry.actor, entry.action, entry.subject) for entry in audit] == [
        ("cli", "key.create", made["id"]),
        ("cli", "key.revoke", made["id"]),
    ]


@pytest.mark.usefixtures("folder")
def test_a_key_that_is_not_there_cannot_be_revoked() -> None:
    assert refused("revoke", "key_x") == "hxp: there is no key 'key_x'; `hxp keys list` shows what there is\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "a\x1b[31mb", "a\u2028b", "a\ud800b"])
def test_a_name_that_would_garble_a_list_is_refused(name: str) -> None:
    """L1."""
    assert "1 to 256 printable characters" in refused("create", name)
    assert asked("list") == []


def test_a_stack_without_a_ledger_is_told(folder: Path) -> None:
    upstreams = "[{name: x, url: 'http://127.0.0.1:1', models: [x]}]"
    text = f"services:\n  gateway: {{use: hxp-gateway, port: 8000, config: {{upstreams: {upstreams}}}}}\n"
    (folder / "hxp.yaml").write_text(text)
    pytest.importorskip("hxp_gateway")
    assert "this stack has no ledger; add a service with use: hxp-ledger" in refused("list")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("canary", "not a database URL"),
        ("mysql://user:canary@h/db", "'mysql' is not supported"),
        ("postgresql://user:canary@127.0.0.1:1/db", "failed"),
        ("sqlite:////proc/nothing/ledger.db", "cannot be opened"),
    ],
)
def test_a_database_that_will_not_do_is_told_without_its_password(folder: Path, url: str, message: str) -> None:
    """C7."""
    (folder / "hxp.yaml").write_text(STACK.format(url=url))
    for arguments in (("list",), ("create", "laptop"), ("revoke", "key_x")):
        told = refused(*arguments)
        assert message in told
        assert "canary" not in told


def test_a_file_that_is_no_database_is_told(folder: Path) -> None:
    (folder / ".hxp").mkdir()
    (folder / ".hxp" / "ledger.db").write_text("hello " * 1000)
    assert "the ledger's database cannot be used" in refused("list")


def test_a_pepper_that_others_can_read_is_told(folder: Path) -> None:
    (folder / ".hxp").mkdir()
    (folder / ".hxp" / "pepper").write_bytes(b"x" * 32)
    (folder / ".hxp" / "pepper").chmod(0o644)
    assert "chmod 600" in refused("create", "laptop")


def test_mistakes_in_the_configuration_have_their_own_exit_status(folder: Path) -> None:
    (folder / "hxp.yaml").write_text("services: {ledger: {use: hxp-ledger, prot: 1}}\n")
    result = hxp("list")
    assert (result.exit_code, "services.ledger.prot" in result.stderr) == (2, True)
