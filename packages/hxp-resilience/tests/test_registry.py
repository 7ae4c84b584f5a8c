"""Pipelines by key."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from hxp_resilience import CircuitBreaker, Ladder, Pipeline, Registry, Retry


def make(key: str) -> Pipeline:
    return Pipeline(Retry(), CircuitBreaker(key), name=key)


def test_each_key_has_a_pipeline_of_its_own() -> None:
    registry = Registry(make)
    assert registry["a"] is registry["a"]
    assert registry["a"] is not registry["b"]
    assert (len(registry), list(registry)) == (2, ["a", "b"])


def test_the_one_not_used_for_longest_makes_room() -> None:
    registry = Registry(make, max_size=2)
    first = registry["a"]
    registry["b"]
    registry["a"]
    registry["c"]
    assert list(registry) == ["a", "c"]
    assert registry["a"] is first
    statistics = registry.statistics()
    assert (statistics.size, statistics.made, statistics.forgotten) == (2, 3, 1)
    with pytest.raises(ValueError, match="max_size"):
        Registry(make, max_size=0)


def test_a_thousand_threads_get_one_pipeline() -> None:
    registry, found, barrier = Registry(make), set[int](), Barrier(200)

    def ask() -> None:
        barrier.wait()
        found.add(id(registry["a"]))

    threads = [Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == registry.statistics().made == 1


def test_states_are_told_for_health_and_numbers_for_metrics() -> None:
    registry = Registry[str](lambda key: Pipeline(Retry(), CircuitBreaker(key), Ladder({"cached": len}), name=key))
    registry["a"]
    breaker = registry["b"].policies[1]
    assert isinstance(breaker, CircuitBreaker)
    breaker.isolate()
    assert registry.states() == {
        "a": {"a": "closed", "ladder": "full"},
        "b": {"b": "isolated", "ladder": "full"},
    }
    assert set(registry.details()["b"]) == {"retry", "b", "ladder"}


def test_options_change_in_all_of_them_or_in_none() -> None:
    registry = Registry[str](lambda key: Pipeline(Retry(), CircuitBreaker(key), name=key))
    retries = [registry[key].policies[0] for key in ("a", "b")]
    registry.reload({"retry": {"attempts": 7}})
    assert [retry.options.attempts for retry in retries if isinstance(retry, Retry)] == [7, 7]
    with pytest.raises(ValueError, match="no policy 'a'"):
        registry.reload({"retry": {"attempts": 9}, "a": {}})
    assert [retry.options.attempts for retry in retries if isinstance(retry, Retry)] == [7, 7]
