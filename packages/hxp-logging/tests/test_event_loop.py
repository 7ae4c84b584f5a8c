"""A sink may block as it likes: the event loop goes on."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import orjson
from hxp_logging import Background, FileOutput, Logging, LoggingOptions, bind_context, correlation, request_id


class Blocked:
    """A sink that lets nothing through before it is told to; and it is only told after the loop has gone on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.gave_up = False
        self.lines: list[Any] = []

    def write(self, line: bytes, level: int, /) -> None:
        self.entered.set()
        self.gave_up = not self.open.wait(30) or self.gave_up
        self.lines.append(orjson.loads(line))

    def flush(self, timeout: float, /) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


def test_a_background_writer_never_blocks_the_event_loop(tmp_path: Path) -> None:
    """Neither while its sink blocks, nor when its backlog is full: what is too much is dropped and counted."""
    output = FileOutput(path=str(tmp_path / "log"), background=Background(capacity=3))
    logging = Logging(LoggingOptions(level="DEBUG", outputs=(output,)))
    sink = Blocked()
    writer: Any = logging._door.sink
    writer._sink, file = sink, writer._sink
    log = logging.get_logger("x")
    turns: list[int] = []

    async def others() -> None:
        for turn in range(10):
            turns.append(turn)
            await asyncio.sleep(0)

    async def main() -> None:
        log.info("taken")
        await asyncio.to_thread(sink.entered.wait, 30)
        task = asyncio.create_task(others())
        for number in range(10):
            log.debug("dropped", number=number)
            log.error("kept" if number < 3 else "dropped as well", number=number)
            await asyncio.sleep(0)
        await task
        assert turns == list(range(10))  # while the sink blocks
        assert sink.lines == []
        sink.open.set()

    asyncio.run(main())
    logging.close()
    file.close()
    assert not sink.gave_up
    assert [line["body"] for line in sink.lines] == ["taken", "kept", "kept", "kept", "log lines were lost"]
    assert logging.statistics().lost == sink.lines[-1]["attributes"]["lost"] == 17


def test_a_pipe_that_nobody_reads_yet_does_not_block_the_event_loop_either(tmp_path: Path) -> None:
    """A real sink that blocks: opening a named pipe waits for its reader."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    logging = Logging(LoggingOptions(outputs=(FileOutput(path=str(path), background=Background()),)))
    log = logging.get_logger("x")

    async def main() -> None:
        with correlation("req_1", None), bind_context(tenant="acme"):
            log.info("first")
            task = asyncio.create_task(asyncio.sleep(0, request_id()))
            log.info("second")
            assert await task == "req_1"

    asyncio.run(main())
    with path.open("rb") as reader:  # only now does the writer go on
        told = [orjson.loads(reader.readline()) for _ in range(2)]
    logging.close()
    assert [(line["body"], line["request_id"], line["attributes"]) for line in told] == [
        ("first", "req_1", {"tenant": "acme"}),
        ("second", "req_1", {"tenant": "acme"}),
    ]
