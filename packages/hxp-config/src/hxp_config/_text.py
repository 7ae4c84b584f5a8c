"""Text in one of the formats, turned into nodes."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Literal

from ._errors import ConfigError, ConfigProblem
from ._node import Node, Position, Where
from ._toml import toml_positions
from ._yaml import MAX_DEPTH, read_yaml

if TYPE_CHECKING:
    from ._node import Mark

Format = Literal["yaml", "json", "toml"]
MAX_BYTES = 1 << 20
"""Size of a configuration file or text at the most."""
FORMATS: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_DIGITS = re.compile(r"[0-9]{4301,}")


def read_text(text: str, form: Format, where: Where) -> Node | None:
    """Turn a text into a mapping of nodes.

    Args:
        text: At most 1 MiB.
        form: What it is written in.
        where: What it is called.

    Returns:
        The mapping; None for an empty text.

    Raises:
        ConfigError: It is not well-formed, or no mapping; with the place.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise refusal(f"larger than {MAX_BYTES} bytes", where)
    if form == "toml":
        return _toml(text, where)
    root = _json(text, where) if form == "json" else read_yaml(text, source=where.source, file=where.file)
    if root is None or (root.data is None and not root.raw):
        return None
    if not isinstance(root.data, dict):
        raise refusal("the top level must be a mapping", root.where)
    return root


def refusal(message: str, where: Where) -> ConfigError:
    """Make the error of a source as a whole."""
    return ConfigError([ConfigProblem("", message, where.origin())])


def _json(text: str, where: Where) -> Node | None:
    """Read JSON: the values are json's own, the positions those of YAML, of which JSON is nearly a part."""
    if not text.strip():
        return None
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        at = where.at(Position(error.lineno - 1, error.colno - 1))
        raise refusal(f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", at) from None
    except RecursionError:
        raise refusal(f"nested deeper than {MAX_DEPTH} levels", where) from None
    except ValueError as error:  # NaN, or a number of more than 4,300 digits
        raise refusal(f"not valid JSON: {str(error).partition(';')[0]}", where) from None
    root = read_yaml(text.replace("\t", " "), source=where.source, file=where.file)
    return _with_values(root, value) if root else None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _with_values(node: Node, value: Any) -> Node:
    if isinstance(value, dict) and isinstance(node.data, dict):
        # YAML reads nothing but strings as the keys of JSON, since they are quoted.
        node.data = {key: _with_values(node.data[key], child) for key, child in value.items()}
    elif isinstance(value, list) and isinstance(node.data, list):
        node.data = [_with_values(one, child) for one, child in zip(node.data, value, strict=True)]
    else:
        node.data = value
    return node


def _toml(text: str, where: Where) -> Node | None:
    if long := _DIGITS.search(text):
        line = text.count("\n", 0, long.start())
        raise refusal("a number has more than 4300 digits", where.at(Position(line, 0)))
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line, column = _toml_error(str(error))
        raise refusal(f"not valid TOML: {message}", where.at(Position(line, column)) if line >= 0 else where) from None
    except RecursionError:
        raise refusal(f"nested deeper than {MAX_DEPTH} levels", where) from None
    positions = toml_positions(text)
    return _from_value(value, (), where, positions, None) if value else None


def _toml_error(said: str) -> tuple[str, int, int]:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", said, re.DOTALL)
    message = found[1] if found else said.removesuffix(" (at end of document)")
    place = (int(found[2]) - 1, int(found[3]) - 1) if found else (-1, -1)
    return (message[:1].lower() + message[1:], *place)


def _from_value(
    value: Any, path: tuple[object, ...], where: Where, places: dict[tuple[object, ...], Any], above: Any
) -> Node:
    """Give TOML's values the positions of their statements; what is inside an inline value has that of the whole."""
    place = places.get(path, above)
    key_mark: Mark | None = place.key if place else None
    mark: Mark | None = place.value if place else None
    if isinstance(value, dict):
        data: Any = {key: _from_value(child, (*path, key), where, places, place) for key, child in value.items()}
    elif isinstance(value, list):
        data = [_from_value(child, (*path, index), where, places, place) for index, child in enumerate(value)]
    else:
        data = value
    raw = None if isinstance(value, dict | list) or place is None else place.raw
    return Node(data, where, mark, raw, key_mark)
