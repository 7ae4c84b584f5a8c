"""How services are deployed: where, how many, with which resources and time limits, and what each place forbids."""

from enum import StrEnum
from typing import Annotated, Literal, Self

import pydantic
from pydantic import ConfigDict, Field, model_validator

__all__ = ["Deployment", "Environment", "Probe", "Probes", "Resources", "RestartBudget", "Timeouts", "Watch"]

_CPU = Annotated[float, Field(ge=0.01, le=4096)]
_Memory = Annotated[int, Field(ge=1 << 20, le=1 << 50)]
_Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Environment(StrEnum):
    """Where a stack runs; a profile of another name is treated as `development`."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"

    @classmethod
    def of(cls, profile: str) -> "Environment":
        """Return the environment that a profile's name stands for."""
        return cls(profile) if profile in set(cls) else cls.DEVELOPMENT

    @property
    def forbids_debug(self) -> bool:
        """Whether debug modes and DEBUG logs of everything are refused: in staging and production."""
        return self in {Environment.STAGING, Environment.PRODUCTION}

    @property
    def forbids_default_secrets(self) -> bool:
        """Whether development keys and secrets written out in a file are refused: in staging and production."""
        return self in {Environment.STAGING, Environment.PRODUCTION}

    @property
    def forbids_open_binds(self) -> bool:
        """Whether a bind beyond loopback without keys is refused: everywhere but in tests."""
        return self is not Environment.TESTING


class Resources(pydantic.BaseModel):
    """What one replica gets.

    Attributes:
        cpu: Cores.
        memory: Bytes.
        gpus: Whole GPUs.
        gpu_memory: Bytes on each GPU; needs `gpus`.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    cpu: _CPU = 1.0
    memory: _Memory = 1 << 30
    gpus: int = Field(default=0, ge=0, le=64)
    gpu_memory: _Memory | None = None

    @model_validator(mode="after")
    def _memory_of_a_gpu_there_is(self) -> Self:
        if self.gpu_memory is not None and not self.gpus:
            raise ValueError("gpu_memory needs gpus: 1 or more")
        return self


class RestartBudget(pydantic.BaseModel):
    """How often a service that died is started again; a sliding window, not a count for life.

    Attributes:
        max_restarts: Restarts within `window` after which the budget is spent.
        window: Seconds.
        backoff: Seconds before the first restart; doubled each time.
        backoff_max: Seconds between two restarts at the most.
        retry: Seconds until the next try once the budget is spent; doubled each time.
        retry_max: Seconds between two such tries at the most.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    max_restarts: int = Field(default=5, ge=0, le=1000)
    window: float = Field(default=300.0, gt=0, le=86_400)
    backoff: float = Field(default=0.5, gt=0, le=3600)
    backoff_max: float = Field(default=30.0, gt=0, le=3600)
    retry: float = Field(default=300.0, gt=0, le=86_400)
    retry_max: float = Field(default=3600.0, gt=0, le=86_400)

    @model_validator(mode="after")
    def _can_be_spent(self) -> Self:
        if self.backoff_max < self.backoff:
            raise ValueError(f"backoff_max ({self.backoff_max:g} s) must not be below backoff ({self.backoff:g} s)")
        if self.retry_max < self.retry:
            raise ValueError(f"retry_max ({self.retry_max:g} s) must not be below retry ({self.retry:g} s)")
        waited = sum(min(self.backoff * 2**turn, self.backoff_max) for turn in range(self.max_restarts))
        if waited >= self.window:
            raise ValueError(
                f"{self.max_restarts} restarts take at least {waited:g} s of waiting, so a window of {self.window:g} s "
                "never holds that many and the service would be restarted for ever; lengthen the window"
            )
        return self


class Watch(pydantic.BaseModel):
    """When a service that shows no progress is replaced; its liveness is asked from outside.

    A machine under load is not a hung service: time in which a process uses a processor, waits for one or waits for a
    disk counts for `busy` alone, and time in which the watcher itself was late counts for nothing.

    Attributes:
        period: Seconds between two questions.
        timeout: Seconds to answer in.
        silent: Seconds without an answer, doing nothing, after which it is hung.
        busy: Seconds without an answer after which it is hung, whatever it does.
        grace: Seconds to drain in before a hung service is killed.
        starting: Seconds without an answer, doing nothing, after which a service that starts is hung.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    period: float = Field(default=1.0, gt=0, le=3600)
    timeout: float = Field(default=1.0, gt=0, le=600)
    silent: float = Field(default=5.0, gt=0, le=3600)
    busy: float = Field(default=30.0, gt=0, le=86_400)
    grace: float = Field(default=3.0, ge=0, le=3600)
    starting: float = Field(default=15.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _asks_more_than_once(self) -> Self:
        if self.silent < self.period + self.timeout:
            raise ValueError(
                f"silent ({self.silent:g} s) must not be below period + timeout ({self.period + self.timeout:g} s), "
                "else one answer that is late ends a service"
            )
        if self.busy < self.silent:
            raise ValueError(f"busy ({self.busy:g} s) must not be below silent ({self.silent:g} s)")
        return self


class Probe(pydantic.BaseModel):
    """How often a probe is asked, and when its answer counts.

    Attributes:
        period: Seconds between two questions.
        timeout: Seconds to answer in; not longer than the period.
        failures: Failures in a row that count.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    period: float = Field(default=5.0, gt=0, le=3600)
    timeout: float = Field(default=1.0, gt=0, le=600)
    failures: int = Field(default=3, ge=1, le=1000)

    @model_validator(mode="after")
    def _answers_before_the_next_question(self) -> Self:
        if self.timeout > self.period:
            raise ValueError(f"timeout ({self.timeout:g} s) must not be longer than period ({self.period:g} s)")
        return self

    @property
    def detects_within(self) -> float:
        """Seconds after which a failure has been noticed at the latest."""
        return self.period * self.failures + self.timeout


class Probes(pydantic.BaseModel):
    """The three questions: is it alive, does it take requests, has it started.

    Attributes:
        startup: Gives a slow start `period * failures` seconds before `live` counts.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    live: Probe = Field(default_factory=lambda: Probe(period=10.0))
    ready: Probe = Field(default_factory=Probe)
    startup: Probe = Field(default_factory=lambda: Probe(period=2.0, failures=60))


class Timeouts(pydantic.BaseModel):
    """How long the steps of a service's life may take, in seconds; they must fit into each other.

    Attributes:
        start: From the first step until it is ready.
        request: The longest request.
        lame_duck: Still accepting after readiness has fallen, while load balancers take notice.
        drain: For open requests to end.
        stop: For the parts to close.
        margin: For what nobody thought of.
        grace: From the request to stop until it is killed: at least `lame_duck + drain + stop + margin`.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    start: _Seconds = 180.0
    request: _Seconds = 600.0
    lame_duck: _Seconds = 0.2
    drain: _Seconds = 20.0
    stop: _Seconds = 10.0
    margin: _Seconds = 2.0
    grace: _Seconds = 40.0

    @model_validator(mode="after")
    def _grace_is_long_enough(self) -> Self:
        needed = self.lame_duck + self.drain + self.stop + self.margin
        if self.grace < needed:
            raise ValueError(
                f"grace is {self.grace:g} s, but lame_duck + drain + stop + margin = {self.lame_duck:g} + "
                f"{self.drain:g} + {self.stop:g} + {self.margin:g} = {needed:g} s; raise grace or shorten the others"
            )
        return self


class Deployment(pydantic.BaseModel):
    """How one service is deployed.

    Attributes:
        replicas: How many of it.
        strategy: How a new version replaces the old: one by one, or all at once.

    Example:
        >>> Deployment(replicas=3).timeouts.grace
        40.0
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    replicas: int = Field(default=1, ge=0, le=10_000)
    strategy: Literal["recreate", "rolling"] = "rolling"
    resources: Resources = Field(default_factory=Resources)
    restart: RestartBudget = Field(default_factory=RestartBudget)
    probes: Probes = Field(default_factory=Probes)
    timeouts: Timeouts = Field(default_factory=Timeouts)

    @model_validator(mode="after")
    def _drains_after_the_balancer_knows(self) -> Self:
        if self.replicas > 1 and self.strategy == "rolling" and self.timeouts.lame_duck == 0:
            raise ValueError("a rolling update needs lame_duck > 0, else requests reach a replica that has gone")
        return self
