"""`hxp keys`: made, listed and revoked straight in the ledger's database, whether the stack runs or not."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
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


def create(
    name: Annotated[str, Argument(help="Who or what it is for.")], *, as_json: Annotated[bool, _JSON] = False
) -> None:
    """Make an API key; it is shown this once and stored nowhere."""
    from hxp_services_base import Pepper, PepperError, new_key  # noqa: PLC0415 - `hxp --help` loads this module

    if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
        raise CommandError(f"the name of a key has 1 to {_LONGEST_NAME} printable characters")
    stack = stack_here()
    try:
        made = new_key(Pepper.load_or_create(stack.state_dir / "pepper"))
    except (OSError, PepperError) as error:
        raise CommandError(f"the pepper cannot be used: {error}") from error

    async def store() -> KeyRecord:
        async with _keys(stack) as keys:
            return await keys.create(name, made.digest, key_id=made.id, actor=_ACTOR)

    record = asyncio.run(store())
    if as_json:
        print(
            json.dumps(
                {
                    "id": record.id,
                    "key": made.plaintext,
                    "name": record.name,
                    "created_at": record.created_at.isoformat(),
                }
            )
        )
    else:
        print(f"{made.plaintext}\n\n{record.id} for {record.name!r}. This is the only time it is shown.")


def list_keys(*, as_json: Annotated[bool, _JSON] = False) -> None:
    """List the API keys, never the keys themselves."""

    async def read() -> list[KeyRecord]:
        async with _keys(stack_here()) as keys:
            return list(await keys.list())

    records = asyncio.run(read())
    if as_json:
        print(json.dumps([record.model_dump(mode="json", exclude={"digest"}) for record in records], indent=2))
        return
    print(f"{'id':<30}  {'name':<20}  {'made':<16}  state")
    for record in records:
        state = f"revoked {record.revoked_at:%Y-%m-%d %H:%M}" if record.revoked_at else "in force"
        state += " (development)" if record.development else ""
        print(f"{record.id:<30}  {printable(record.name)[:20]:<20}  {record.created_at:%Y-%m-%d %H:%M}  {state}")


def revoke(key_id: Annotated[str, Argument(help="The id, key_….")], *, as_json: Annotated[bool, _JSON] = False) -> None:
    """Revoke an API key; running gateways refuse it within a second."""

    async def take() -> KeyRecord:
        async with _keys(stack_here()) as keys:
            try:
                return await keys.revoke(key_id, actor=_ACTOR)
            except KeyNotFoundError as error:
                raise CommandError(f"there is no key {key_id!r}; `hxp keys list` shows what there is") from error

    record = asyncio.run(take())
    if as_json:
        print(json.dumps(record.model_dump(mode="json", exclude={"digest"})))
    else:
        print(f"{record.id} ({record.name!r}) is revoked")


keys = CommandGroup("Make, list and revoke API keys.", {"create": create, "list": list_keys, "revoke": revoke})


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
