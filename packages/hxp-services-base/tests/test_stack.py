"""Stacks as data: what contradicts itself is refused before anything starts."""

from __future__ import annotations

import pytest
from hxp_services_base import BaseService, Settings
from hxp_services_base.orchestration import Node, Stack, StackError
from hypothesis import given
from hypothesis import strategies as st


def node(name: str, *needs: str, port: int = 0, stop_timeout: float = 40.0) -> Node:
    return Node(
        name,
        use="probe",
        make=BaseService,
        settings=Settings(),
        port=port,
        needs=needs,
        stop_timeout=stop_timeout,
    )


def test_services_start_in_layers() -> None:
    stack = Stack("s", (node("gateway", "ledger", "model"), node("ledger"), node("model")))
    assert stack.plan() == (("ledger", "model"), ("gateway",))
    assert stack.node("model").name == "model"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((node("a"), node("a")), r"share the name \['a'\]"),
        ((node("a", "b"),), r"'a' needs \['b'\], and the stack has \['a'\]"),
        ((node("a", "b"), node("b", "a")), "wait for each other: (a → b → a|b → a → b)"),
        ((node("a", port=8000), node("b", port=8000)), "'b' and 'a' both want port 8000"),
        ((node("a", port=8000), node("b", port=9000)), r"both want port 9000 \(probes answer on port \+ 1000\)"),
        ((node("a", stop_timeout=1.0),), "would be killed after 1 s, while its drain and stop may take 20.2 s"),
    ],
)
def test_a_stack_that_contradicts_itself_is_refused(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(StackError, match=message):
        Stack("s", nodes)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_whatever_needs_whatever_each_service_starts_after_what_it_needs(edges: list[tuple[int, int]]) -> None:
    needs: dict[int, set[str]] = {number: set() for number in range(8)}
    for user, needed in edges:
        if needed < user:  # no circle
            needs[user].add(f"s{needed}")
    stack = Stack("s", tuple(node(f"s{number}", *sorted(names)) for number, names in needs.items()))
    position = {name: index for index, layer in enumerate(stack.plan()) for name in layer}
    assert all(position[need] < position[f"s{number}"] for number, names in needs.items() for need in names)
