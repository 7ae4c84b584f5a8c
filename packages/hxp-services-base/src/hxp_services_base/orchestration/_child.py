"""The child process that runs one service: `python -m hxp_services_base.orchestration._child REPORT_FD`.

It reads its `Order` from standard input, reports each state on the pipe, and drains when it is told to (SIGTERM,
SIGINT), when its parent goes (end of standard input, or the kernel's signal), or when the service dies by itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hxp_logging
import uvloop

from .._context import Identity
from .._lifecycle import StartError
from .._orphans import die_with_parent
from .._state import State
from ..chassis import PortInUseError, ServiceHost
from ._order import Order, Report
from ._registry import service_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._state import Transition


class _Reporter:
    """Writes reports to the parent; a parent that is gone is not an error here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, report: Report) -> None:
        try:
            os.write(self._descriptor, report.model_dump_json().encode() + b"\n")
        except OSError:
            return


async def run(order: Order, report: Callable[[Report], None]) -> int:
    """Run the service of `order` to its end.

    Returns:
        The exit status: 0 after a clean stop, 1 after a failure.
    """
    settings_type = service_type(order.use).settings_type
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
        # That it is ready is told with its address, and a failed start with its error, both below.
        if step.after in {State.STARTING, State.DRAINING, State.STOPPED} or step.before.is_serving:
            report(Report(state=step.after.value, reason=step.reason))

    host = ServiceHost(
        service_type(order.use)(),
        settings_type.model_validate(order.settings),
        identity=identity,
        log=hxp_logging.get_logger(f"hxp.{order.name}"),
        on_transition=on_transition,
    )
    told = asyncio.create_task(_told_to_stop(), name="told-to-stop")
    starting = asyncio.create_task(host.start(), name="start")
    await asyncio.wait({told, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    try:
        starting.result()
    except (StartError, PortInUseError) as error:
        report(Report(state="failed", reason=str(error)))
        return 1
    report(Report(state="ready", url=host.url))
    failed = asyncio.create_task(host.failed(), name="failed")
    await asyncio.wait({told, failed}, return_when=asyncio.FIRST_COMPLETED)
    reason = failed.result() if failed.done() else told.result()
    failed.cancel()
    status = await host.stop(reason)
    return 1 if failed.done() and not failed.cancelled() else status


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


def main() -> int:
    """Read the order, configure logging, run."""
    die_with_parent(sig=signal.SIGTERM)
    order = Order.model_validate_json(sys.stdin.buffer.readline())
    options = hxp_logging.LoggingOptions(
        level=order.logging.level,
        format=order.logging.format,
        service=order.name,
        instance=order.instance,
        environment=order.profile,
    )
    logging = hxp_logging.configure(options)
    logging.install_stdlib()
    for secret in (order.token, *order.secrets):
        logging.register_secret(secret)
    reporter = _Reporter(int(sys.argv[1]))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(order, reporter.send))
    finally:
        logging.close()


if __name__ == "__main__":
    sys.exit(main())
