"""A process that writes numbered lines from several threads into one rotating file; run by test_processes.py.

Arguments: path, name of this process, threads, seconds, size of a file.
"""

import sys
import time
from threading import Thread

from hxp_logging import Logging, LoggingOptions, Rotation

_LEAST = 300  # lines, however slow the machine


def main() -> None:
    path, name, threads, seconds, size = sys.argv[1:]
    rotation = Rotation(size=int(size), keep=None, compress=True)
    logging = Logging(LoggingOptions(file=path, rotation=rotation))
    counts = [0] * int(threads)
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + float(seconds)

    def work(index: int) -> None:
        log = logging.get_logger(f"{name}.{index}")
        while time.monotonic() < end or counts[index] < _LEAST:
            counts[index] += 1
            log.info("line", number=counts[index], text="x" * (counts[index] % 300))

    workers = [Thread(target=work, args=(index,)) for index in range(len(counts))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    logging.close()
    print(*counts, logging.statistics().lost, flush=True)


main()
