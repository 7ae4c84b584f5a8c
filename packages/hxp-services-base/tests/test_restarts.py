"""When a service that ended is started again."""

from __future__ import annotations

from hxp_schemas.deployment import RestartBudget
from hxp_services_base.orchestration._restarts import RestartHistory
from hypothesis import given
from hypothesis import strategies as st

BUDGET = RestartBudget(max_restarts=3, window=60.0, backoff=1.0, backoff_max=3.0, retry=100.0, retry_max=150.0)


def test_the_budget_is_a_sliding_window_with_growing_pauses() -> None:
    history = RestartHistory(BUDGET)
    now, pauses = 0.0, []
    for _ in range(3):
        pause = history.ended(now=now)
        pauses.append((pause.seconds, pause.spent))
        history.began(now=now)
        now += 1.0
    assert pauses == [(1.0, False), (2.0, False), (3.0, False)]
    assert history.ended(now=61.5).seconds == 2.0


def test_once_it_is_spent_each_try_is_rarer_until_a_run_lasts_for_a_window() -> None:
    history = RestartHistory(RestartBudget(max_restarts=1, window=60.0, backoff=1.0, retry=100.0, retry_max=150.0))
    assert not history.ended(now=0.0).spent
    history.began(now=1.0)
    pauses = []
    now = 2.0
    for _ in range(3):
        pause = history.ended(now=now)
        pauses.append((pause.seconds, pause.spent))
        now += pause.seconds
        history.began(now=now)
        now += 1.0  # it lives for a second, although the window is over
    assert pauses == [(100.0, True), (150.0, True), (150.0, True)]
    now += 60.0
    assert history.ended(now=now).spent is False


@given(st.lists(st.floats(0.0, 500.0), max_size=40))
def test_however_it_dies_there_is_always_a_next_try(lives: list[float]) -> None:
    history = RestartHistory(BUDGET)
    now = 0.0
    for life in lives:
        pause = history.ended(now=now)
        assert 0 < pause.seconds <= 150.0
        now += pause.seconds
        history.began(now=now)
        now += life
