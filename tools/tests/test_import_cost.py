"""Work shows in what is measured, waiting does not."""

from tools.import_cost import cpu_seconds


def test_work_costs_and_waiting_does_not() -> None:
    idle = cpu_seconds("")
    assert cpu_seconds("for _ in range(4_000_000): pass") > idle > 0
    assert cpu_seconds("import time; time.sleep(0.3)") < idle + 0.25
