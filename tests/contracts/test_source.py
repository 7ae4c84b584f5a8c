"""How the code of the whole workspace reads."""

from pathlib import Path

import pytest

from tools.rules import address, duplicate, export, name, practice, size
from tools.rules.workspace import Distribution, Source


def test_no_file_is_too_long(everything: list[Source]) -> None:
    assert size.long_files(everything) == []


def test_functions_are_short(everything: list[Source]) -> None:
    assert size.long_functions(everything) == []


def test_functions_take_few_parameters(shipped: list[Source]) -> None:
    assert size.many_parameters(shipped) == []


def test_an_init_holds_imports_and_nothing_else(shipped: list[Source]) -> None:
    assert export.busy_inits(shipped) == []


def test_all_is_sorted_and_true(shipped: list[Source]) -> None:
    assert export.untrue_lists(shipped) == []


def test_type_checkers_and_the_import_system_see_one_list(shipped: list[Source]) -> None:
    assert export.split_lists(shipped) == []


def test_no_module_has_a_name_that_says_nothing(everything: list[Source]) -> None:
    assert name.vague_modules(everything) == []


def test_no_test_waits_for_luck(tests: list[Source]) -> None:
    assert practice.hopeful_sleeps(tests) == []


def test_what_is_kept_out_is_not_imported(shipped: list[Source]) -> None:
    assert practice.banned_imports(shipped) == []


def test_the_lazy_modules_are_copies_of_one(shipped: list[Source]) -> None:
    assert duplicate.differing(duplicate.lazy_modules(shipped)) == []


def test_every_distribution_carries_the_licence(root: Path, members: list[Distribution]) -> None:
    assert duplicate.differing([root / "LICENSE", *(member.folder / "LICENSE" for member in members)]) == []


def test_no_committed_file_knows_this_machine_or_its_index(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    hosts = address.index_hosts((root / "uv.lock").read_text(encoding="utf-8"))
    assert address.told_addresses(address.tracked_texts(root), hosts=hosts) == []
