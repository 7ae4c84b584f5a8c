import random
import socket

import pytest
from hxp_testing import net
from hxp_testing.net import free_ports


def test_ports_and_their_probe_ports_are_all_different() -> None:
    ports = free_ports(20)
    assert len({*ports, *(port + 1000 for port in ports)}) == 40
    assert max(ports) < 64000


def test_a_taken_port_or_probe_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    [first] = free_ports(1)
    monkeypatch.setattr(net, "_LOWEST", first)
    monkeypatch.setattr(net, "_HIGHEST", first + 1)
    for taken in (first, first + 1000):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", taken))
            with pytest.raises(OSError, match="no 1 free ports"):
                free_ports(1)


def test_the_choice_can_be_repeated() -> None:
    assert free_ports(3, choose=random.Random(1)) == free_ports(3, choose=random.Random(1))


def test_the_fixture_is_there(free_port: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port))
