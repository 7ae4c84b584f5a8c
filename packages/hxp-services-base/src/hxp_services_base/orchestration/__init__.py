"""Stacks of services: described as data, run in this process or in child processes, supervised."""

from typing import TYPE_CHECKING

from .._lazy import lazy_exports

if TYPE_CHECKING:
    from ._config import read_stack, stack_model, stack_sources
    from ._in_process import InProcess
    from ._registry import service_type
    from ._runner import Handle, Launch, LaunchError, Runner, Status
    from ._stack import Node, Restart, Stack, StackError
    from ._state_file import STATE_DIR, ProcessMark, StackState
    from ._subprocesses import Subprocesses
    from ._supervisor import NodeStatus, Supervisor
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_config": ("read_stack", "stack_model", "stack_sources"),
            "_in_process": ("InProcess",),
            "_registry": ("service_type",),
            "_runner": ("Handle", "Launch", "LaunchError", "Runner", "Status"),
            "_stack": ("Node", "Restart", "Stack", "StackError"),
            "_state_file": ("ProcessMark", "STATE_DIR", "StackState"),
            "_subprocesses": ("Subprocesses",),
            "_supervisor": ("NodeStatus", "Supervisor"),
        },
    )

__all__ = [
    "STATE_DIR",
    "Handle",
    "InProcess",
    "Launch",
    "LaunchError",
    "Node",
    "NodeStatus",
    "ProcessMark",
    "Restart",
    "Runner",
    "Stack",
    "StackError",
    "StackState",
    "Status",
    "Subprocesses",
    "Supervisor",
    "read_stack",
    "service_type",
    "stack_model",
    "stack_sources",
]
