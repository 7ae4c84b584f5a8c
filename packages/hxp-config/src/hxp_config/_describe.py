"""What a model asks for, for editors, operators and readers: JSON Schema, `.env.example`, a reference page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ._path import join_path
from ._secrecy import sounds_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that can be given.

    Attributes:
        path: Dotted; `*` stands for a name of the user's own.
        variable: The environment variable; None below a name of the user's own or inside a list.
        type: In words.
        required: Whether it must be given.
        default: As JSON; None where there is none.
        description: What it is for.
    """

    path: str
    variable: str | None
    type: str
    required: bool
    default: str | None
    description: str


def json_schema(model: Any, *, prefix: str = "HXP") -> dict[str, Any]:
    """Return the JSON Schema of a model, for editors that complete and check.

    Args:
        model: What `load` is given.
        prefix: Of environment variables. Each value that has one names it as `x-origin-env`.

    Returns:
        Draft 2020-12; unknown keys are forbidden as `load` forbids them.
    """
    schema = TypeAdapter(model).json_schema()
    for definition in [schema, *schema.get("$defs", {}).values()]:
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    _name_variables(schema, schema, prefix, ())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def settings_of(model: Any, *, prefix: str = "HXP") -> list[Setting]:
    """List every value that can be given, in the order of the model's fields."""
    schema = TypeAdapter(model).json_schema()
    return list(_walk(schema, schema, prefix, (), required=False))


def env_example(model: Any, *, prefix: str = "HXP") -> str:
    """Return an `.env.example`: each variable with what it is for, commented out, at its default."""
    lines = [f"# Settings under the prefix {prefix}__; copy to .env and take the # away from what you set."]
    for one in settings_of(model, prefix=prefix):
        if one.variable is None:
            continue
        lines += ["", f"# {one.description}" if one.description else f"# {one.path}"]
        lines.append(f"# {one.type}{', required' if one.required else ''}")
        lines.append(f"# {one.variable}={'' if one.default in {None, 'null'} else one.default}")
    return "\n".join([*lines, ""])


def reference_page(model: Any, *, prefix: str = "HXP", title: str = "Configuration") -> str:
    """Return a page in Markdown with every value that can be given."""
    lines = [f"# {title}", "", "| setting | type | default | variable | |", "|---|---|---|---|---|"]
    for one in settings_of(model, prefix=prefix):
        default = "**required**" if one.required else f"`{one.default}`" if one.default is not None else ""
        variable = f"`{one.variable}`" if one.variable else ""
        cells = (f"`{one.path}`", one.type, default, variable, one.description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _name_variables(document: dict[str, Any], schema: dict[str, Any], prefix: str, path: tuple[str, ...]) -> None:
    """Name the variable at each property; one that is shared by reference gets its reference spelt out."""
    for name, child in schema.get("properties", {}).items():
        below = (*path, name)
        inner = _resolved(document, child)
        if "properties" in inner and len(below) < _DEEPEST:
            copied = json.loads(json.dumps(inner))
            _name_variables(document, copied, prefix, below)
            child.pop("$ref", None)
            child.update(copied)
        elif variable := _variable(prefix, below):
            child["x-origin-env"] = variable


def _walk(
    document: dict[str, Any], schema: dict[str, Any], prefix: str, path: tuple[str, ...], *, required: bool
) -> Iterator[Setting]:
    inner = _resolved(document, schema)
    properties, extra = inner.get("properties"), inner.get("additionalProperties")
    if len(path) < _DEEPEST and properties:
        wanted = inner.get("required", ())
        for name, child in properties.items():
            yield from _walk(document, child, prefix, (*path, name), required=name in wanted)
    elif len(path) < _DEEPEST and isinstance(extra, dict) and "properties" in _resolved(document, extra):
        yield from _walk(document, extra, prefix, (*path, "*"), required=False)
    else:
        given = {**inner, **schema}
        hidden = given.get("writeOnly") or sounds_secret(path[-1] if path else "")
        default = json.dumps(given["default"]) if "default" in given and not hidden else None
        text = str(given.get("description", "")).partition("\n\n")[0].replace("\n", " ").strip()
        yield Setting(join_path(path), _variable(prefix, path), _type(document, inner), required, default, text)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and look through "or null" and a single `allOf`."""
    for _ in range(_DEEPEST):
        if "$ref" in schema:
            schema = document["$defs"][schema["$ref"].rpartition("/")[2]]
            continue
        variants = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"] or schema.get("allOf", ())
        if len(variants) != 1:
            break
        schema = {**variants[0], **{key: value for key, value in schema.items() if key not in {"anyOf", "allOf"}}}
    return schema


def _variable(prefix: str, path: tuple[str, ...]) -> str | None:
    if "*" in path or any("__" in name for name in path):
        return None
    return "__".join([prefix, *(name.upper().replace("-", "_") for name in path)])


def _type(document: dict[str, Any], schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(_type(document, _resolved(document, one)) for one in schema["anyOf"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(document, _resolved(document, schema.get('items', {})))}"
    if kind == "object":
        extra = schema.get("additionalProperties")
        return (
            f"mapping to {_type(document, _resolved(document, extra))}"
            if isinstance(extra, dict) and extra
            else "mapping"
        )
    limits = [("minimum", "≥ {}"), ("exclusiveMinimum", "> {}"), ("maximum", "≤ {}"), ("exclusiveMaximum", "< {}")]
    bounds = ", ".join(form.format(schema[key]) for key, form in limits if key in schema)
    return f"{kind} {bounds}".strip()
