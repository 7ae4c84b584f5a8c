"""Which models an upstream has, in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxp_schemas import ErrorInfoError
from hxp_schemas.openai import ModelList
from pydantic import ValidationError

if TYPE_CHECKING:
    from hxp_services_base import UpstreamPool


async def models_of(pool: UpstreamPool) -> list[str]:
    """The names that `GET /v1/models` of an upstream lists.

    Raises:
        ValueError: If it does not answer with a list, with what to write instead.
    """
    try:
        async with pool.request("GET", "/v1/models") as response:
            listed = ModelList.model_validate_json(await response.read())
    except (ErrorInfoError, ValidationError) as error:
        why = "its answer is no list of models" if isinstance(error, ValidationError) else str(error)
        message = f"upstream {pool.options.name!r} did not list its models ({why}); name them: models: [...]"
        raise ValueError(message) from error
    return [model.id for model in listed.data]
