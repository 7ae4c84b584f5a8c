"""Stacks of services: described as data, run in this process or in child processes, supervised."""

from typing import TYPE_CHECKING

from .._lazy import lazy_exports

if TYPE_CHECKING:
    from ._config import read_stack, stack_model, stack_sources
    from ._in_process import InProcess
    from ._process.mark import ProcessMark, StrangerError
    from ._registry import service_type
    from ._runner import Handle, Launch, LaunchError, Runner, Status
    from ._stack import Node, Stack, StackError
    from ._state_dir import StateDirError, check_owner, prepare_state_dir
    from ._state_file import STATE_DIR, StackState, StateKeeper
    from ._status import NodeStatus
    from ._subprocesses import Subprocesses
    from ._supervisor import Supervisor
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_config": ("read_stack", "stack_model", "stack_sources"),
            "_in_process": ("InProcess",),
            "_registry": ("service_type",),
            "_process.mark": ("ProcessMark", "StrangerError"),
            "_runner": ("Handle", "Launch", "LaunchError", "Runner", "Status"),
            "_stack": ("Node", "Stack", "StackError"),
            "_state_dir": ("StateDirError", "check_owner", "prepare_state_dir"),
            "_state_file": ("STATE_DIR", "StackState", "StateKeeper"),
            "_status": ("NodeStatus",),
            "_subprocesses": ("Subprocesses",),
            "_supervisor": ("Supervisor",),
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
    "Runner",
    "Stack",
    "StackError",
    "StackState",
    "StateDirError",
    "StateKeeper",
    "Status",
    "StrangerError",
    "Subprocesses",
    "Supervisor",
    "check_owner",
    "prepare_state_dir",
    "read_stack",
    "service_type",
    "stack_model",
    "stack_sources",
]
