"""The child process that runs one service: `python -m hxp_services_base.orchestration._child REPORT_FD`.

It reads its `Order` from standard input, reports each state on the pipe, and drains when it is told to (SIGTERM,
SIGINT), when its parent goes (end of standard input, or the kernel's signal), or when the service dies by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import hxp_logging
import uvloop

from .._context import Identity
from .._lifecycle import StartError
from .._orphans import die_with_parent
from .._state import State
from ..chassis import PortInUseError, ServiceHost
from ._order import Order, Report
from ._process.output import rotation_of
from ._process.reports import Reporter
from ._registry import service_type
from ._stack import StackError
from ._state_dir import PRIVATE_UMASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._service import BaseService
    from .._state import Transition

_END_MARGIN = 30.0


async def run(order: Order, report: Callable[[Report], None]) -> int:
    """Run the service of `order` to its end.

    Returns:
        The exit status: 0 after a clean stop, 1 after a failure.
    """
    told = asyncio.create_task(_told_to_stop(), name="told-to-stop")
    try:
        host = _host(order, report)
        starting = asyncio.create_task(host.start(), name="start")
        await asyncio.wait({told, starting}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 0
        starting.result()
    except (StartError, PortInUseError, StackError) as error:
        report(Report(state="failed", reason=str(error)))
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told
        hxp_logging.get_logger(f"hxp.{order.name}").exception("the service cannot start")
        report(Report(state="failed", reason=f"{order.name!r} cannot start: {type(error).__name__}: {error}"))
        return 1
    report(Report(state="ready", url=host.url, probe_url=host.operations_url))
    failed = asyncio.create_task(host.failed(), name="failed")
    await asyncio.wait({told, failed}, return_when=asyncio.FIRST_COMPLETED)
    reason = failed.result() if failed.done() else told.result()
    failed.cancel()
    _end_at_the_latest(host.service)
    status = await host.stop(reason)
    return 1 if failed.done() and not failed.cancelled() else status


def _end_at_the_latest(service: BaseService[Any]) -> None:
    """Have the kernel end this process if its own end hangs, since the parent that would may be gone."""
    signal.alarm(math.ceil(service.lame_duck + service.drain_timeout + service.stop_timeout + _END_MARGIN))


def _host(order: Order, report: Callable[[Report], None]) -> ServiceHost:
    kind = service_type(order.use)
    identity = Identity(
        name=order.name,
        instance=order.instance,
        host=order.host,
        port=order.port,
        state_dir=Path(order.state_dir),
        refs=order.refs,
        token=order.token,
        profile=order.profile,
        admin_host=order.admin_host,
        http=order.http,
    )

    def on_transition(step: Transition) -> None:
        # That it is ready is told with its address, and a failed start with its error, both by `run`.
        if step.after in {State.STARTING, State.DRAINING, State.STOPPED} or step.before.is_serving:
            report(Report(state=step.after.value, reason=step.reason))

    return ServiceHost(
        kind(),
        kind.settings_type.model_validate(order.settings),
        identity=identity,
        log=hxp_logging.get_logger(f"hxp.{order.name}"),
        on_transition=on_transition,
    )


async def _told_to_stop() -> str:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[str] = loop.create_future()

    def tell(reason: str) -> None:
        if not told.done():
            told.set_result(reason)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, f"received {number.name}")
    parent = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(parent), sys.stdin)
    watch = asyncio.create_task(parent.read(), name="parent-watch")
    watch.add_done_callback(lambda _: tell("the parent is gone"))
    try:
        return await told
    finally:
        watch.cancel()
        transport.close()


class _Unfailing:
    """A stream whose writes never raise: what a library prints must not end a service whose disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _logging(order: Order) -> hxp_logging.Logging:
    options = hxp_logging.LoggingOptions(
        level=order.logging.level,
        format=order.logging.format,
        service=order.name,
        instance=order.instance,
        environment=order.profile,
        file=order.log,
        rotation=rotation_of(order.logging.rotation),
    )
    logging = hxp_logging.configure(options)
    logging.install_stdlib()
    logging.install_hooks()
    for secret in (order.token, *order.secrets):
        logging.register_secret(secret)
    return logging


def main() -> int:
    """Read the order, configure logging, run."""
    die_with_parent(sig=signal.SIGTERM)
    os.umask(PRIVATE_UMASK)
    if not (line := sys.stdin.buffer.readline()):
        return 0  # the parent went before it gave an order
    sys.stdout, sys.stderr = _Unfailing(sys.stdout), _Unfailing(sys.stderr)
    faulthandler.enable(file=2)
    order = Order.model_validate_json(line)
    logging = _logging(order)
    reporter = Reporter(int(sys.argv[1]))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(order, reporter.send))
    finally:
        logging.close()


if __name__ == "__main__":
    sys.exit(main())
