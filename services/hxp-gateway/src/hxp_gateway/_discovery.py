"""The models of upstreams that the settings name none of: each upstream is asked until it has listed them."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from hxp_schemas import ErrorInfoError
from hxp_schemas.openai import ModelList
from hxp_services_base import Check
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hxp_logging import Logger
    from hxp_services_base import UpstreamPool

    from ._route_table import RouteTable

_ATTEMPT = 30.0
"""Seconds that one list may take."""
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_MOST_MODELS = 10_000
_LONGEST_NAME = 256
"""Characters of a model's name that fit into a usage record."""


async def models_of(pool: UpstreamPool) -> list[str]:
    """Return the names that `GET /v1/models` of an upstream lists, without those that can be no name.

    Raises:
        ValueError: If it does not answer with a list.
    """
    try:
        async with asyncio.timeout(_ATTEMPT), pool.request("GET", "/v1/models") as response:
            body = await response.read()
    except ErrorInfoError as error:
        raise ValueError(str(error)) from error
    except TimeoutError as error:
        raise ValueError(f"it took longer than {_ATTEMPT:g} s") from error
    if response.status != 200:
        raise ValueError(f"it answered {response.status}")
    try:
        listed = [model.id for model in ModelList.model_validate_json(body).data]
    except ValidationError as error:
        raise ValueError("its answer is no list of models") from error
    if len(listed) > _MOST_MODELS:
        raise ValueError(f"it lists {len(listed)} models, more than {_MOST_MODELS}")
    found = [name for name in dict.fromkeys(listed) if 0 < len(name) <= _LONGEST_NAME and name.isprintable()]
    if not found:
        raise ValueError("it lists no model")
    return found


class Discovery:
    """Asks one upstream for its models until it has listed them.

    Args:
        pool: The upstream.
        table: Takes what it lists.
        log: Gets one line when the upstream does not list its models, and one when it does.
        jitter: Returns numbers from 0 to 1, which spread the attempts of several gateways.
    """

    def __init__(
        self, pool: UpstreamPool, table: RouteTable, *, log: Logger, jitter: Callable[[], float] = random.random
    ) -> None:
        self._pool = pool
        self._name = pool.options.name
        self._table = table
        self._log = log
        self._jitter = jitter
        self._problem: str | None = "there is no answer so far"
        self._asked = asyncio.Event()

    async def asked(self) -> None:
        """Wait until the first attempt has ended, well or not."""
        await self._asked.wait()

    async def run(self) -> None:
        """Ask until the upstream has listed its models, whatever goes wrong."""
        pause = _FIRST_PAUSE
        while not await self._ask():
            await asyncio.sleep(pause * (0.5 + 0.5 * self._jitter()))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _ask(self) -> bool:
        """Return whether the upstream has listed its models now."""
        try:
            models = await models_of(self._pool)
            self._table.learn(self._name, models)
        except Exception as error:  # noqa: BLE001 - the one who asks must outlive what nobody foresaw
            if not self._asked.is_set():
                self._log.warning("an upstream did not list its models", upstream=self._name, error=str(error))
            self._problem = str(error) if isinstance(error, ValueError) else repr(error)
        else:
            self._problem = None
            self._log.info("models discovered", upstream=self._name, models=len(models))
            if (taken := self._shadowed()) is not None:
                self._log.warning("a model is at two upstreams", upstream=self._name, reason=taken)
        finally:
            self._asked.set()
        return self._problem is None

    def checks(self) -> Sequence[Check]:
        """Return a check that is not critical: the models of the other upstreams can be used."""
        return (Check(f"models:{self._name}", self._health, critical=False),)

    async def _health(self) -> str | None:
        if self._problem is None:
            return self._shadowed()
        return (
            f"{self._name!r} has not listed its models yet ({self._problem}); wait for it or name them: models: [...]"
        )

    def _shadowed(self) -> str | None:
        taken = self._table.shadowed(self._name)
        if taken is None:
            return None
        model, other = taken
        return f"model {model!r} is also at {other!r}, which answers for it; name the models of one: models: [...]"
