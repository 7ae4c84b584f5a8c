"""`hxp keys`: made, listed and revoked straight in the ledger's database, whether the stack runs or not."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from hxp_services_base.commands import Argument, CommandError, CommandGroup, Option, printable, stack_here

from .errors import KeyNotFoundError, LedgerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hxp_schemas import KeyRecord
    from hxp_services_base.orchestration import Stack

    from ._keys import KeyStore

_JSON = Option("--json", help="Print JSON.")
_ACTOR = "cli"
"""Who the audit trail names for a change that was made here."""
_LONGEST_NAME = 256
_TEAM = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_LATELY = timedelta(seconds=60)
"""A gateway that has not read the keys for longer is taken for gone."""


def create(
    name: Annotated[str, Argument(help="Who or what it is for.")],
    *,
    team: Annotated[str | None, Option("--team", help="Who shares limits, caches and bills with it.")] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Make an API key; it is shown this once and stored nowhere."""
    from hxp_services_base import Pepper, PepperError, new_key  # noqa: PLC0415 - `hxp --help` loads this module

    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise CommandError(f"the name of a key has 1 to {_LONGEST_NAME} printable characters")
    if team is not None and not re.fullmatch(_TEAM, team):
        raise CommandError(f"{team!r} is no name of a team; use letters, digits, '.', '_' and '-', 64 at the most")
    stack = _own_stack()
    try:
        made = new_key(Pepper.load_or_create(stack.state_dir / "pepper"))
    except (OSError, PepperError) as error:
        raise CommandError(f"the pepper cannot be used: {error}") from error

    async def store() -> KeyRecord:
        async with _keys(stack) as keys:
            return await keys.create(name, made.digest, key_id=made.id, team=team, actor=_ACTOR)

    record = asyncio.run(store())
    if as_json:
        print(
            json.dumps(
                {
                    "id": record.id,
                    "key": made.plaintext,
                    "name": record.name,
                    "team": record.team,
                    "created_at": record.created_at.isoformat(),
                }
            )
        )
    else:
        print(f"{made.plaintext}\n\n{record.id} for {record.name!r}. This is the only time it is shown.")


def list_keys(*, as_json: Annotated[bool, _JSON] = False) -> None:
    """List the API keys, never the keys themselves."""

    async def read() -> list[KeyRecord]:
        async with _keys(_own_stack()) as keys:
            return list(await keys.list())

    records = asyncio.run(read())
    if as_json:
        print(json.dumps([record.model_dump(mode="json", exclude={"digest"}) for record in records], indent=2))
        return
    print(f"{'id':<30}  {'name':<20}  {'made':<16}  state")
    for record in records:
        state = f"revoked {record.revoked_at:%Y-%m-%d %H:%M}" if record.revoked_at else "in force"
        state += " (development)" if record.development else ""
        state += f" (team {record.team})" if record.team else ""
        print(f"{record.id:<30}  {printable(record.name)[:20]:<20}  {record.created_at:%Y-%m-%d %H:%M}  {state}")


def revoke(
    key_id: Annotated[str, Argument(help="The id, key_….")],
    *,
    wait: Annotated[float, Option("--wait", help="Seconds to wait for running gateways to apply it.")] = 3.0,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Revoke an API key and say which gateways refuse it by now."""

    async def take() -> tuple[KeyRecord, list[str], list[str]]:
        async with _keys(_own_stack()) as keys:
            try:
                record = await keys.revoke(key_id, actor=_ACTOR)
            except KeyNotFoundError as error:
                raise CommandError(f"there is no key {key_id!r}; `hxp keys list` shows what there is") from error
            return record, *await _applied(keys, await keys.version(), seconds=wait)

    record, applied, pending = asyncio.run(take())
    if as_json:
        told = record.model_dump(mode="json", exclude={"digest"})
        print(json.dumps({**told, "applied": applied, "pending": pending}))
        return
    print(f"{record.id} ({record.name!r}) is revoked")
    if applied:
        print(f"refused by: {', '.join(applied)}")
    if pending:
        print(
            f"not yet applied by: {', '.join(pending)}; a gateway that cannot reach the ledger refuses every key after "
            "its keys_max_age (300 s unless set)"
        )


async def _applied(keys: KeyStore, version: int, *, seconds: float) -> tuple[list[str], list[str]]:
    """Wait until each gateway that was seen lately has applied a version; who has, and who has not."""
    deadline = time.monotonic() + seconds
    while True:
        readers = await keys.readers(datetime.now(UTC) - _LATELY)
        pending = [reader.name for reader in readers if reader.version < version]
        if not pending or time.monotonic() >= deadline:
            return [reader.name for reader in readers if reader.version >= version], pending
        await asyncio.sleep(0.1)


keys = CommandGroup("Make, list and revoke API keys.", {"create": create, "list": list_keys, "revoke": revoke})


def _own_stack() -> Stack:
    """Return the stack of this folder, whose state is this user's alone: a link in it may lead anywhere.

    Raises:
        CommandError: If its state folder belongs to somebody else.
    """
    from hxp_services_base.orchestration import StateDirError, check_owner  # noqa: PLC0415 - as above

    stack = stack_here()
    for path in (stack.state_dir, stack.state_dir / "pepper", stack.state_dir / "ledger.db"):
        try:
            check_owner(path)
        except FileNotFoundError:
            continue
        except (StateDirError, OSError) as error:
            raise CommandError(str(error)) from error
    return stack


@asynccontextmanager
async def _keys(stack: Stack) -> AsyncIterator[KeyStore]:
    from ._database import Database  # noqa: PLC0415 - `hxp --help` loads this module
    from ._keys import KeyStore  # noqa: PLC0415
    from ._settings import LedgerSettings  # noqa: PLC0415

    settings = next((node.settings for node in stack.nodes if isinstance(node.settings, LedgerSettings)), None)
    if settings is None:
        raise CommandError("this stack has no ledger; add a service with use: hxp-ledger")
    try:
        async with Database(settings.url.get_secret_value()) as database:
            await database.migrate()
            yield KeyStore(database)
    except LedgerError as error:
        raise CommandError(f"the ledger's database cannot be used: {error}") from error
