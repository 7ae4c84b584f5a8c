import pytest
from hxp_schemas import is_id, new_id


def test_an_id_names_what_it_is_for() -> None:
    made = new_id("req")
    assert made.startswith("req_")
    assert is_id(made, "req")
    assert not is_id(made, "key")


def test_an_id_is_the_ulid_of_the_specification() -> None:
    made = new_id("x", clock=lambda: 1469918176.385, entropy=lambda size: b"\xff" * size)
    assert made == "x_01ARYZ6S41ZZZZZZZZZZZZZZZZ"


def test_ids_sort_by_the_time_of_their_making() -> None:
    made = [new_id("req", clock=lambda now=now: now) for now in (1.0, 2.0, 1e9, 2e9)]  # type: ignore[misc]  # bound now
    assert made == sorted(made)


def test_two_ids_of_one_moment_differ() -> None:
    assert len({new_id("req", clock=lambda: 1.0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("prefix", ["", "req_", "Req", "re q", "ré", "a-b"])
def test_a_prefix_that_is_no_word_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "req",
        "req_",
        "req_01ARYZ6S41ZZZZZZZZZZZZZZZ",
        "req_01ARYZ6S41ZZZZZZZZZZZZZZZZZ",
        "req_01aryz6s41zzzzzzzzzzzzzzzz",
        "req_81ARYZ6S41ZZZZZZZZZZZZZZZZ",
        "req_01ARYZ6S41ZZZZZZZZZZZZZZZU",
        "key_01ARYZ6S41ZZZZZZZZZZZZZZZZ",
        "req_01ARYZ6S41ZZZZZZZZZZZZZZZZ\n",
    ],
)
def test_what_is_no_such_id_is_told_apart(value: object) -> None:
    assert not is_id(value, "req")
