"""Pipelines by key: one for each upstream, model or tenant."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._pipeline import Pipeline

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class RegistryStatistics:
    """A registry at one moment.

    Attributes:
        size: Pipelines in it.
        made: Pipelines made since the start.
        forgotten: Pipelines that had to make room.
    """

    size: int
    made: int
    forgotten: int


class Registry(Generic[K]):
    """Makes a pipeline for each key when it is first asked for, and keeps those used last.

    Safe to share between threads and tasks.

    Args:
        make: Makes the pipeline for a key.
        max_size: Pipelines that are kept; the one that was not used for longest is forgotten.

    Example:
        >>> from hxp_resilience import CircuitBreaker, Pipeline
        >>> registry = Registry(lambda key: Pipeline(CircuitBreaker(key), name=key))
        >>> registry["model-a"] is registry["model-a"]
        True
        >>> registry.states()
        {'model-a': {'model-a': 'closed'}}
    """

    def __init__(self, make: Callable[[K], Pipeline], *, max_size: int = 1000) -> None:
        if max_size < 1:
            raise ValueError(f"max_size must be at least 1, not {max_size!r}")
        self._make = make
        self._max_size = max_size
        self._pipelines: OrderedDict[K, Pipeline] = OrderedDict()
        self._lock = RLock()  # what makes a pipeline may ask for another one
        self._changes: dict[str, object] = {}
        self._made = self._forgotten = 0

    def __getitem__(self, key: K) -> Pipeline:
        with self._lock:
            pipeline = self._pipelines.get(key)
            if pipeline is not None:
                self._pipelines.move_to_end(key)
                return pipeline
            pipeline = self._make(key)
            self._bring_up_to_date(pipeline)
            self._pipelines[key] = pipeline
            self._made += 1
            if len(self._pipelines) > self._max_size:
                self._pipelines.popitem(last=False)
                self._forgotten += 1
            return pipeline

    def __len__(self) -> int:
        return len(self._pipelines)

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._pipelines))

    def statistics(self) -> RegistryStatistics:
        """Return the counts at this moment."""
        with self._lock:
            return RegistryStatistics(len(self._pipelines), self._made, self._forgotten)

    def details(self) -> dict[K, dict[str, Any]]:
        """Return the statistics of every policy, by key and label, for metrics."""
        return {key: pipeline.statistics() for key, pipeline in self._snapshot()}

    def states(self) -> dict[K, dict[str, str]]:
        """Return where every circuit and every ladder stands, by key and label, for health checks."""
        found: dict[K, dict[str, str]] = {}
        for key, pipeline in self._snapshot():
            states = {
                label: str(getattr(policy, "state", None) or getattr(policy, "level", ""))
                for label, policy in pipeline.labelled().items()
                if hasattr(policy, "state") or hasattr(policy, "level")
            }
            if states:
                found[key] = states
        return found

    def reload(self, changes: Mapping[str, object]) -> None:
        """Change options in every pipeline, as `Pipeline.reload` does; if one refuses, none is changed.

        Pipelines that are made later are changed in the same way, as far as they have such policies.
        """
        with self._lock:
            ready = [pipeline.prepare(changes) for pipeline in self._pipelines.values()]
            for apply in ready:
                apply()
            for label, change in changes.items():
                before = self._changes.get(label)
                both = isinstance(before, Mapping) and isinstance(change, Mapping)
                self._changes[label] = {**before, **change} if both else change  # type: ignore[dict-item]  # checked

    def _bring_up_to_date(self, pipeline: Pipeline) -> None:
        for label, change in self._changes.items():
            with suppress(ValueError, TypeError):  # it was made without such a policy, or with another one
                pipeline.reload({label: change})

    def _snapshot(self) -> list[tuple[K, Pipeline]]:
        with self._lock:
            return list(self._pipelines.items())
