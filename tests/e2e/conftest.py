"""The whole stack, as `hxp up` starts it, on free ports in a folder of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hxp_services_base.testing import DetachedStack, detached_stack
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HXP_YAML = """
services:
  ledger: {{use: hxp-ledger, port: {0}, config: {{url: "sqlite:///.hxp/ledger.db"}}}}
  tiny: {{use: hxp-model, port: {1}, config: {{model: "bundled:hxp-tiny", slots: 4, queue: 8}}}}
  gateway:
    use: hxp-gateway
    port: {2}
    needs: [ledger, tiny]
    config: {{upstreams: [{{name: tiny, service: tiny, models: [hxp-tiny]}}]}}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DetachedStack]:
    """One stack for all tests that leave it as they found it."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3)))
    with detached_stack(folder) as running:
        yield running


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A folder with a stack of its own, not running."""
    (tmp_path / "hxp.yaml").write_text(HXP_YAML.format(*free_ports(3)))
    return tmp_path


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own HXP_ variables change nothing here."""
    for name in os.environ:
        if name.startswith("HXP_"):
            monkeypatch.delenv(name)
