"""A child that outlives its parent by the moment between two lines ends itself."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hxp_services_base._orphans import die_with_parent


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: calls.append((pid, number)))
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: type("Libc", (), {"prctl": staticmethod(lambda *_: 0)}))
    return calls


def test_a_parent_that_died_in_between_is_noticed(
    monkeypatch: pytest.MonkeyPatch, killed: list[tuple[int, int]]
) -> None:
    parents = iter([100, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    die_with_parent(sig=signal.SIGTERM)
    assert killed == [(os.getpid(), signal.SIGTERM)]


def test_a_living_parent_changes_nothing(killed: list[tuple[int, int]]) -> None:
    die_with_parent()
    assert killed == []


def test_elsewhere_than_on_linux_the_end_of_the_input_has_to_do(
    monkeypatch: pytest.MonkeyPatch, killed: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", None)
    die_with_parent()
    assert killed == []
