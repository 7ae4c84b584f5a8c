"""The client in hxp-schemas' README, which depends on that package alone, against the walking server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hxp_schemas import ErrorInfoError
from hxp_schemas.builders import Conversation

if TYPE_CHECKING:
    from hxp_services_base.testing import DetachedStack

README = Path(__file__).parents[2] / "packages" / "hxp-schemas" / "README.md"


@pytest.fixture(scope="module")
def client() -> dict[str, Any]:
    """What the block of the README defines."""
    [block] = re.findall(r"<!-- client -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
    function = block[block.index("def ask") :]
    assert len(function.strip().splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(compile(block, str(README), "exec"), names)
    return names


def test_it_streams_an_answer(stack: DetachedStack, client: dict[str, Any]) -> None:
    pieces = list(client["ask"](stack.url(), stack.key, Conversation().user("What is HXP?")))
    assert len([piece for piece in pieces if piece]) > 3
    assert "HXP" in "".join(pieces)


def test_it_tells_a_refusal_for_what_it_is(stack: DetachedStack, client: dict[str, Any]) -> None:
    with pytest.raises(ErrorInfoError) as caught:
        list(client["ask"](stack.url(), "sk-wrong", Conversation().user("What is HXP?")))
    assert (caught.value.info.status, caught.value.info.code) == (401, "invalid_api_key")
    assert caught.value.info.request_id
