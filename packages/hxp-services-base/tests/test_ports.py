"""The socket a service listens on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hxp_services_base.chassis import bind, holder_of

if TYPE_CHECKING:
    from pathlib import Path


def test_its_protocol_is_named_so_that_asyncio_sends_small_answers_at_once() -> None:
    """asyncio sets TCP_NODELAY on accepted sockets only where the listener's protocol is TCP by name."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def fake_process(proc: Path, name: str, *, inode: str | None, cmdline: bytes | None = None) -> None:
    (proc / name / "fd").mkdir(parents=True)
    if inode is not None:
        (proc / name / "fd" / "3").symlink_to(f"socket:[{inode}]")
    if cmdline is not None:
        (proc / name / "cmdline").write_bytes(cmdline)


def test_the_holder_of_a_port_is_named_as_well_as_can_be_told(tmp_path: Path) -> None:
    assert holder_of(80, proc=tmp_path) is None
    (tmp_path / "net").mkdir()
    line = "0: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 4242 1 x"
    (tmp_path / "net" / "tcp").write_text(f"header\n{line}\n")
    assert holder_of(80, proc=tmp_path) == "another user's process"
    assert holder_of(81, proc=tmp_path) is None
    fake_process(tmp_path, "7", inode="1")
    (tmp_path / "8").mkdir()
    fake_process(tmp_path, "9", inode="4242")
    assert holder_of(80, proc=tmp_path) == "process 9"
    (tmp_path / "9" / "cmdline").write_bytes(b"nginx\0-g\0")
    assert holder_of(80, proc=tmp_path) == "process 9 (nginx -g)"
