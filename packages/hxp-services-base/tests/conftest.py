"""What the tests of this package share: real hosts on free ports, and an engine that does as it is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import hxp_logging
import pytest
from hxp_services_base import BaseService, Context, Identity, Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity("probe", instance="probe-0", port=0, state_dir=tmp_path / ".hxp")


@pytest.fixture
def context(identity: Identity) -> Context:
    return Context(identity, log=hxp_logging.get_logger("test"))


class Plain(BaseService[Settings]):
    """A service without anything of its own."""


@pytest.fixture
def plain() -> Plain:
    return Plain()


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs `plugin_service.py` as the service `probe`, for this process and its children."""
    folder = tmp_path / "plugin"
    metadata = folder / "plugin_service-1.dist-info"
    metadata.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("plugin_service.py"), folder)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-service\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[hxp.services]\nprobe = plugin_service:ProbeService\nbroken = plugin_service:ProbeSettings\n"
        "wrecked = plugin_service_gone:Nothing\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.gguf"
    subprocess.run([sys.executable, str(Path(__file__).with_name("random_gguf.py")), str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def tools_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tools.gguf"
    command = [sys.executable, str(Path(__file__).with_name("random_gguf.py")), str(path), "tools"]
    subprocess.run(command, check=True)
    return path
