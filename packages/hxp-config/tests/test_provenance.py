"""Every origin points at a place that is there, and the text stands at it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hxp_config import Environment, Overrides, Text, YamlText, load
from hypothesis import given
from hypothesis import strategies as st

AnyMapping = dict[str, Any]
ROOT = Path(__file__).parents[3]
WORDS = st.text("abcxyz 019.:-#'\"é", min_size=1, max_size=8)
SCALARS = (
    st.integers(-(10**6), 10**6) | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False) | WORDS
)
KEYS = st.text("abc", min_size=1, max_size=3)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
DOCUMENTS = st.dictionaries(KEYS, TREES, min_size=1, max_size=4)


def written_at(text: str, line: int, column: int) -> str:
    return "\n".join(text.splitlines()[line - 1 :])[column - 1 :]


def unquoted(written: str) -> str:
    """What the scalar at the beginning of a text says, by a parser that knows nothing of ours."""
    event = next(one for one in yaml.parse(written, yaml.SafeLoader) if isinstance(one, yaml.ScalarEvent))
    return str(event.value)


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, '"', "'"]))
def test_every_leaf_stands_where_its_origin_says(document: AnyMapping, flow: bool, quote: Any) -> None:  # noqa: FBT001 - drawn
    text = yaml.safe_dump(document, default_flow_style=flow, default_style=quote, allow_unicode=True, width=1000)
    snapshot = load(AnyMapping, [YamlText(text, "f")])
    for path, origin in snapshot.origins().items():
        assert origin.source == "f"
        assert origin.line is not None
        assert origin.column is not None
        assert origin.line <= len(text.splitlines())
        written = written_at(text, origin.line, origin.column)
        if origin.raw is None:  # an empty list or mapping
            assert written[0] in "[{", path
        elif written[0] in "\"'!":
            assert unquoted(written) == origin.raw, path
        else:
            assert written.startswith(origin.raw), path


@given(DOCUMENTS, DOCUMENTS)
def test_after_merging_every_origin_leads_to_the_source_that_won(first: AnyMapping, second: AnyMapping) -> None:
    texts = {name: yaml.safe_dump(document, width=1000) for name, document in (("1", first), ("2", second))}
    snapshot = load(AnyMapping, [YamlText(text, name) for name, text in texts.items()])
    for path, origin in snapshot.origins().items():
        assert origin.source in texts
        assert origin.line is not None
        assert origin.column is not None
        assert written_at(texts[origin.source], origin.line, origin.column), path
        for lost in origin.overridden:
            assert lost.source == "1"


@given(DOCUMENTS)
def test_a_value_that_is_overridden_keeps_the_trace_of_what_it_replaced(document: AnyMapping) -> None:
    text = yaml.safe_dump(document, width=1000)
    before = load(AnyMapping, [YamlText(text, "f")])
    for path, origin in list(before.origins().items())[:3]:
        after = load(AnyMapping, [YamlText(text, "f"), Overrides([f"{path}=new"])])
        if any(part.isdecimal() for part in path.split(".")):  # an assignment reaches into mappings alone
            continue
        told = after.origin(path)
        assert (told.source, told.raw) == ("--set", "new")
        assert [(lost.source, lost.line, lost.column, lost.raw) for lost in told.overridden] == [
            ("f", origin.line, origin.column, origin.raw)
        ]


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in ("packages", "services", "docs", "examples") for path in (ROOT / folder).rglob("*.yaml")),
    ids=lambda path: path.name,
)
def test_every_yaml_file_of_the_project_is_read_as_pyyaml_reads_it(path: Path) -> None:
    text = path.read_text()
    assert load(AnyMapping, [YamlText(text, "f")]).value == yaml.safe_load(text)


def test_the_environment_has_no_lines() -> None:
    origin = load(AnyMapping, [Environment(environ={"HXP__A": "1"})]).origin("a")
    assert (str(origin), origin.line, origin.raw) == ("HXP__A", None, "1")


def test_toml_points_at_the_value_too() -> None:
    text = 'a = 1\n[b]\nc = "x"'
    snapshot = load(AnyMapping, [Text(text, "t", "toml")])
    for path, origin in snapshot.origins().items():
        assert origin.line is not None
        assert origin.column is not None
        assert written_at(text, origin.line, origin.column).startswith(str(origin.raw)), path
