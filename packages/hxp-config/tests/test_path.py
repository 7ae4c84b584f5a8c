"""Dotted paths."""

from __future__ import annotations

import pytest
from hxp_config._path import join_path, split_path
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_a_path_is_read_back_as_it_was_written(segments: list[str]) -> None:
    assert split_path(join_path(segments)) == tuple(segments)


@pytest.mark.parametrize(
    ("segments", "path"),
    [(["a", "b", 0], "a.b.0"), (["a", "x.y"], 'a."x.y"'), ([""], '""'), (["a=b", "c d"], '"a=b"."c d"')],
)
def test_only_keys_that_need_it_are_quoted(segments: list[object], path: str) -> None:
    assert join_path(segments) == path


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", '"a', 'a"b', '"a"b', "a b", '"\\q"'])
def test_a_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"is not a path|escape"):
        split_path(path)
