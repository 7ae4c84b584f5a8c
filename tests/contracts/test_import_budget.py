"""What one import loads: an import of one package never pays for what another needs."""

from pathlib import Path

import pytest

from tools.rules.budget import over_budget
from tools.rules.workspace import distributions

HEAVY = ("asyncio", "email", "http", "inspect", "logging", "ssl")
MICRO: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "hxp_config": (
        {
            "hxp_config",
            "hxp_schemas",
            "annotated_types",
            "pydantic",
            "pydantic_core",
            "typing_extensions",
            "typing_inspection",
            "yaml",
        },
        ("asyncio", "logging"),
    ),
    "hxp_enterprise_llm": ({"hxp_enterprise_llm"}, ("asyncio", "logging")),
    "hxp_logging": ({"hxp_logging"}, HEAVY),
    "hxp_resilience": ({"hxp_resilience"}, HEAVY),
    "hxp_schemas": ({"hxp_schemas"}, HEAVY),
    "hxp_services_base": ({"hxp_services_base"}, HEAVY),
    "hxp_testing": ({"hxp_testing"}, HEAVY),
}
SERVICES = {
    "hxp_gateway": "GatewayService",
    "hxp_ledger": "LedgerService",
    "hxp_model": "ModelService",
}
LAZY_IN_SERVICES = ("fastapi", "sqlalchemy", "uvicorn", "alembic", "xllamacpp", "typer", "rich", "starlette", "aiohttp")


@pytest.mark.parametrize("module", MICRO)
def test_importing_a_package_loads_itself_and_what_it_is_made_of(module: str) -> None:
    allowed, banned = MICRO[module]
    assert over_budget(f"import {module}", allowed=allowed, banned=banned) == []


@pytest.mark.parametrize("module", SERVICES)
def test_importing_a_service_class_loads_no_server_and_no_database(module: str) -> None:
    statement = f"from {module} import {SERVICES[module]}"
    ours = {member.module for member in distributions(Path(__file__).parents[2])} - {"hxp_testing", *SERVICES} | {
        module
    }
    wire = {"annotated_types", "orjson", "prometheus_client", "pydantic", "pydantic_core", "typing_extensions"}
    assert over_budget(statement, allowed={*ours, *wire, "typing_inspection"}, banned=LAZY_IN_SERVICES) == []


def test_every_package_of_the_workspace_has_a_budget() -> None:
    members = distributions(Path(__file__).parents[2])
    assert sorted([*MICRO, *SERVICES]) == sorted(member.module for member in members)
