"""Time limits fit into each other, and each environment forbids what is dangerous there."""

from typing import Any

import pytest
from hxp_schemas import (
    AIModelServiceConfig,
    InfrastructureServiceConfig,
    IntegrationServiceConfig,
    SecretReference,
    ServiceConfigSchema,
    StackConfig,
)
from hxp_schemas.deployment import Deployment, Environment, Probe, Probes, Resources, RestartBudget, Timeouts, Watch
from pydantic import BaseModel, ValidationError

PRODUCTION = ["staging", "production"]
EASY = ["development", "testing", "laptop"]


@pytest.mark.parametrize(
    ("model", "wrong", "message"),
    [
        (
            Timeouts,
            {"drain": 60},
            r"grace is 40 s, but lame_duck \+ drain \+ stop \+ margin = 0.2 \+ 60 \+ 10 \+ 2 = 72.2 s",
        ),
        (Timeouts, {"drain": -1}, "greater than or equal to 0"),
        (Timeouts, {"grace": float("nan")}, "less than or equal to 86400"),
        (Probe, {"period": 1, "timeout": 2}, r"timeout \(2 s\) must not be longer than period \(1 s\)"),
        (RestartBudget, {"backoff": 10, "backoff_max": 5}, r"backoff_max \(5 s\) must not be below"),
        (RestartBudget, {"max_restarts": 20}, "lengthen the window"),
        (RestartBudget, {"retry": 60, "retry_max": 30}, r"retry_max \(30 s\) must not be below retry \(60 s\)"),
        (Watch, {"silent": 1.5}, r"silent \(1.5 s\) must not be below period \+ timeout \(2 s\)"),
        (Watch, {"busy": 4}, r"busy \(4 s\) must not be below silent \(5 s\)"),
        (Resources, {"gpu_memory": 1 << 34}, "gpu_memory needs gpus"),
        (Resources, {"memory": 1}, "greater than or equal to 1048576"),
        (Deployment, {"replicas": 2, "timeouts": {"lame_duck": 0}}, "needs lame_duck > 0"),
        (Deployment, {"replicas": 10_001}, "less than or equal to 10000"),
        (Deployment, {"replica": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_deployment_that_cannot_work_is_refused_with_the_arithmetic(
    model: type[BaseModel], wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(wrong)


def test_a_deployment_has_sound_defaults() -> None:
    deployment = Deployment(replicas=3)
    assert Deployment.model_validate_json(deployment.model_dump_json()) == deployment
    assert Probes().ready.detects_within == 16.0
    assert Deployment(replicas=2, strategy="recreate", timeouts=Timeouts(lame_duck=0)).replicas == 2
    assert Resources(gpus=1, gpu_memory=1 << 34).gpus == 1


def test_a_profile_stands_for_an_environment() -> None:
    assert [Environment.of(name) for name in (*PRODUCTION, "laptop")] == [
        Environment.STAGING,
        Environment.PRODUCTION,
        Environment.DEVELOPMENT,
    ]
    assert StackConfig(profile="production").environment is Environment.PRODUCTION


def stack(profile: str, **service: Any) -> StackConfig:
    return StackConfig.model_validate({"profile": profile, "services": {"a": {"use": "x", "port": 1, **service}}})


@pytest.mark.parametrize("profile", PRODUCTION)
@pytest.mark.parametrize(
    ("service", "path", "why"),
    [
        ({"debug": True}, "services.a.debug", "forbids debug: true"),
        ({"config": {"api_key": "changeme"}}, "services.a.config.api_key", "forbids the default secret"),
        ({"config": {"api_key": "sk-real"}}, "services.a.config.api_key", "forbids a secret written out"),
        ({"config": {"a": [{"db_password": ""}]}}, "services.a.config.a.0.db_password", "default secret"),
        ({"config": {"db-pwd": "x"}}, "services.a.config.db-pwd", "forbids a secret written out"),
        ({"config": {"private_key": "x"}}, "services.a.config.private_key", "forbids a secret written out"),
    ],
)
def test_what_production_forbids_is_named_with_the_remedy(
    profile: str, service: dict[str, Any], path: str, why: str
) -> None:
    """C6."""
    [(where, message)] = stack(profile, **service).violations()
    assert where == path
    assert why in message
    assert "sk-real" not in message


@pytest.mark.parametrize("profile", [*PRODUCTION, *EASY])
@pytest.mark.parametrize(
    "service",
    [
        {"config": {"api_key": "env:API_KEY", "max_tokens": "12", "token_limit": "3", "monkey": "x"}},
        {"host": "0.0.0.0"},
    ],
)
def test_what_is_fine_is_fine_everywhere(profile: str, service: dict[str, Any]) -> None:
    assert stack(profile, **service).violations() == []


@pytest.mark.parametrize("profile", EASY)
def test_development_may_debug_and_write_secrets_out(profile: str) -> None:
    assert stack(profile, debug=True, config={"secret": "x"}).violations() == []


@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("0.0.0.0", True),
        ("api.example.com", True),
        ("::", True),
        ("127.0.0.2", False),
        ("localhost", False),
        ("::1", False),
    ],
)
def test_a_door_is_open_to_everybody_in_tests_alone(environment: Environment, host: str, *, public: bool) -> None:
    """C6."""
    door = IntegrationServiceConfig(use="x", port=1, upstreams=["a"], host=host, require_keys=False)
    refused = [path for path, _ in door.violations(environment)]
    assert refused == (["require_keys"] if public and environment is not Environment.TESTING else [])
    assert list(door.model_copy(update={"require_keys": True}).violations(environment)) == []


def test_debug_logs_of_everything_are_refused_in_production() -> None:
    loud = StackConfig.model_validate({"profile": "production", "logging": {"level": "DEBUG"}})
    assert loud.violations()[0][0] == "logging.level"
    assert loud.model_copy(update={"profile": "development"}).violations() == []


def test_each_kind_of_service_says_what_it_needs() -> None:
    model = AIModelServiceConfig(use="hxp-model", port=11400, model="bundled:hxp-tiny")
    ledger = InfrastructureServiceConfig.model_validate({"use": "hxp-ledger", "port": 1, "store": "env:LEDGER_URL"})
    gateway = IntegrationServiceConfig.model_validate(
        {"use": "hxp-gateway", "port": 2, "upstreams": ["tiny"], "credentials": {"openai": "file:/run/key"}}
    )
    assert [one.kind for one in (model, ledger, gateway)] == ["ai-model", "infrastructure", "integration"]
    for one in (model, ledger, gateway):
        assert type(one).model_validate_json(one.model_dump_json()) == one
        assert isinstance(one, ServiceConfigSchema)
    assert gateway.credentials["openai"] == SecretReference("file", "/run/key")
    with pytest.raises(ValidationError, match="at least 1 item"):
        IntegrationServiceConfig(use="x", port=1, upstreams=[])


def test_a_service_says_how_it_is_restarted_watched_and_what_it_may_see() -> None:
    found = stack("development", restart={"max_restarts": 2}, watch={"busy": 60}, environment=["PGPASSWORD", "VLLM_*"])
    service = found.services["a"]
    assert (service.restart.max_restarts, service.restart.retry, service.watch.busy) == (2, 300.0, 60.0)
    assert service.environment == ["PGPASSWORD", "VLLM_*"]
    assert found.logging.rotation.size == 20_000_000
    with pytest.raises(ValidationError, match="environment"):
        stack("development", environment=["A-B"])
