"""What this package promises, each with the tests that show it; a promise without a test is no promise."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROMISES = {
    "several Logging objects, one of them the default": (
        "test_several_logging_objects_live_in_one_process",
        "test_a_logger_from_before_follows_when_the_default_is_configured",
        "test_a_program_that_is_configured_anew_while_it_logs_loses_no_line",
    ),
    "options are frozen dataclasses that hxp-config can fill": (
        "test_options_are_frozen_dataclasses_that_hxp_config_can_fill",
        "test_every_option_is_a_frozen_dataclass_with_a_default",
    ),
    "fields, bind, context across tasks and threads, lazy values, service defaults": (
        "test_a_line_holds_what_was_said_and_by_whom",
        "test_a_thread_and_a_task_see_the_context_of_those_who_start_them",
        "test_a_carried_context_serves_many_threads_at_once",
        "test_a_lazy_value_is_computed_only_if_it_is_written",
    ),
    "a call below the level costs one comparison": (
        "test_a_disabled_call_costs_one_comparison_again_when_nothing_is_special",
    ),
    "one door for stdlib, uvicorn, warnings, third parties and structlog": (
        "test_a_record_of_another_library_leaves_by_the_same_door",
        "test_uvicorn_and_warnings_use_it_too",
        "test_uvicorns_access_records_are_told_in_one_line",
        "test_third_party_records_follow_the_same_rules",
        "test_an_event_leaves_by_our_door",
    ),
    "a request id is accepted when safe and bounded, made when absent": (
        "test_a_safe_request_id_is_kept",
        "test_any_other_request_id_is_replaced",
    ),
    "traceparent, tracestate and baggage without an SDK, in and out": (
        "test_the_callers_trace_is_joined",
        "test_members_are_read_decoded_and_passed_on_with_their_properties",
        "test_headers_carry_the_request_on",
        "test_a_block_puts_request_and_trace_on_every_line",
    ),
    "plain ASGI middleware, right on 500s, in handlers, background tasks and streams": (
        "test_a_500_carries_the_id_and_the_exception_is_logged_with_it",
        "test_every_kind_of_answer_belongs_to_its_request",
        "test_a_websocket_carries_the_id_too",
        "test_a_client_that_is_gone_when_its_request_fails_hides_nothing",
    ),
    "JSON, ECS, console; streams, files, syslog, OTLP": (
        "test_ecs_has_elastics_names",
        "test_a_line_for_people_is_aligned",
        "test_colours_are_for_terminals",
        "test_several_outputs_each_with_its_format_and_level",
        "test_syslog_over_tcp_counts_octets_and_connects_anew",
        "test_lines_reach_a_collector",
    ),
    "exceptions are structured and bounded, without locals unless asked": (
        "test_a_chain_is_told_with_its_relations",
        "test_a_group_is_told_with_its_members_and_notes",
        "test_what_is_endless_is_bounded",
        "test_the_values_of_variables_are_told_only_if_asked",
    ),
    "no field forges or splits a line; huge ones are cut and marked": (
        "test_a_line_cannot_be_forged",
        "test_no_field_forges_or_splits_a_line",
        "test_a_field_of_ten_megabytes_is_short_in_every_sink",
    ),
    "rotation by size and time, compression never of a file that is held, retention by count, age and size": (
        "test_a_full_file_is_put_aside_and_compressed",
        "test_a_new_file_begins_at_each_hour_of_utc",
        "test_a_file_that_another_process_holds_is_neither_compressed_nor_removed",
        "test_what_is_too_much_goes_the_oldest_first",
    ),
    "many processes: no line torn, lost or doubled, kill -9 in the middle of a rotation included": (
        "test_every_line_of_many_writers_is_there_once",
        "test_a_writer_that_is_killed_costs_nobody_a_line",
        "test_a_process_killed_at_this_very_step_of_a_rotation_loses_nothing",
    ),
    "SIGHUP and external logrotate; a vanished or read-only folder and a full disk are survived, counted, told once": (
        "test_hooks_call_those_that_were_there",
        "test_logrotate_may_rename_or_cut_the_file",
        "test_a_folder_that_vanishes_is_made_again",
        "test_a_folder_that_cannot_be_made_again_loses_lines_and_says_so_once",
        "test_a_disk_that_fills_up_stops_nothing",
        "test_a_full_disk_stops_nothing_and_is_told_once",
        "test_a_clock_that_is_set_back_ends_no_file_and_stops_no_later_one",
    ),
    "levels at run time per logger, request and tenant, for a while, in all workers of a service": (
        "test_a_level_reaches_a_logger_and_its_children",
        "test_one_request_is_heard_in_detail",
        "test_one_tenant_is_heard_in_detail_and_a_request_comes_before_it",
        "test_a_level_for_a_while_falls_back_by_itself",
        "test_a_level_set_in_one_worker_is_applied_in_all_workers_of_a_service",
        "test_loggers_are_described_and_changed_as_over_http",
    ),
    "redaction by key, by shape, and of registered values in all encodings, in every sink": (
        "test_a_field_with_a_telling_name_is_never_written",
        "test_what_looks_like_a_secret_is_hidden",
        "test_card_numbers_are_hidden_if_asked",
        "test_a_registered_secret_is_hidden_in_every_encoding",
        "test_a_secret_is_hidden_wherever_a_record_carries_it",
        "test_records_that_others_emit_are_redacted",
        "test_a_planted_secret_is_in_no_sink",
    ),
    "what people write to a model is off by default": (
        "test_what_people_write_to_a_model_is_not_logged_unless_asked",
    ),
    "sampling and collapsing with exact counts; a flight recorder": (
        "test_the_counts_of_a_sampler_are_exact",
        "test_equal_lines_become_one_and_a_count",
        "test_a_request_that_fails_tells_what_it_said_in_detail",
        "test_a_request_that_is_slow_or_asked_for_tells_it_too",
    ),
    "a background writer drops DEBUG first, never blocks the event loop, is fork-safe, flushes at the end": (
        "test_a_full_backlog_drops_debug_first_and_counts",
        "test_a_background_writer_never_blocks_the_event_loop",
        "test_a_forked_child_writes_its_own_lines_and_not_its_parents",
        "test_nothing_that_waits_is_lost_at_the_end",
    ),
    "typed events, their schema, and tests that catch what nobody declared": (
        "test_what_is_not_declared_is_caught",
        "test_the_catalogue_becomes_a_json_schema",
        "test_capturing_leaves_nothing_behind",
    ),
    "files are read, followed, filtered and made pleasant": (
        "test_only_what_is_wanted_is_read",
        "test_what_is_appended_is_followed_across_rotations",
        "test_a_line_is_made_pleasant",
    ),
    "the short way of a plain line writes what the long way would": (
        "test_it_writes_the_very_bytes_of_the_long_way",
    ),
}  # fmt: skip
CASES = {"D1", "D2", "D3", "D4", "L1", "L2", "L3", "L4", "L5", "L6", "T1", "T2", "T3"}


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """Every test of this package, and its docstring."""
    return {
        node.name: ast.get_docstring(node) or ""
        for file in TESTS.glob("test_*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_promise_is_shown_by_tests_that_exist(told: dict[str, str]) -> None:
    missing = {promise: gone for promise, names in PROMISES.items() if (gone := set(names) - set(told))}
    assert not missing


def test_every_case_of_the_catalogue_is_cited_by_a_test_that_shows_it(told: dict[str, str]) -> None:
    cited = set(re.findall(r"\b[DLT]\d\b", " ".join(told.values())))
    assert cited >= CASES
