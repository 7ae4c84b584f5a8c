"""The models that a server offers."""

from typing import Literal

from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import WireModel


class Model(WireModel):
    """A model that the server offers."""

    id: str
    object: OpenEnum[Literal["model"]] = "model"
    created: int | float | None = 0
    owned_by: str = "hxp"
    shutdown_date: str | None = None


class ModelList(WireModel):
    """The answer to `GET /v1/models`."""

    object: OpenEnum[Literal["list"]] = "list"
    data: list[Model]


class ModelDeleted(WireModel):
    """The answer to `DELETE /v1/models/{id}`."""

    id: str
    object: OpenEnum[Literal["model"]] = "model"
    deleted: bool = True
