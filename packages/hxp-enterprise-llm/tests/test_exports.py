"""Every package is handed on, and none is loaded before it is used."""

import ast
import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import hxp_enterprise_llm
import pytest

PACKAGES = {
    "config": "hxp_config",
    "logging": "hxp_logging",
    "orchestration": "hxp_services_base.orchestration",
    "resilience": "hxp_resilience",
    "schemas": "hxp_schemas",
    "services": "hxp_services_base",
    "testing": "hxp_testing",
}


@pytest.mark.parametrize(("name", "package"), PACKAGES.items())
def test_each_package_is_handed_on(name: str, package: str) -> None:
    assert getattr(hxp_enterprise_llm, name) is importlib.import_module(package)
    assert name in dir(hxp_enterprise_llm)


def test_all_is_what_there_is() -> None:
    assert hxp_enterprise_llm.__all__ == sorted([*PACKAGES, "__version__"])


def test_the_type_checker_sees_what_the_program_gets() -> None:
    source = ast.parse(Path(str(hxp_enterprise_llm.__file__)).read_text())
    [branch] = [node for node in source.body if isinstance(node, ast.If)]
    seen: dict[str, str] = {}
    for node in branch.body:
        if isinstance(node, ast.Import):
            seen |= {str(alias.asname): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            seen |= {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    assert seen == PACKAGES


def test_the_version_is_that_of_the_distribution() -> None:
    assert hxp_enterprise_llm.__version__ == metadata.version("hxp-enterprise-llm")


def test_an_unknown_name_is_an_attribute_error() -> None:
    unknown = "nonsense"
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        getattr(hxp_enterprise_llm, unknown)


def test_importing_it_loads_no_package() -> None:
    code = "import sys, hxp_enterprise_llm; print([name for name in sys.modules if name.startswith('hxp_')])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert ast.literal_eval(found) == ["hxp_enterprise_llm._lazy", "hxp_enterprise_llm"]


def test_without_its_extra_testing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(hxp_enterprise_llm), "testing", raising=False)
    monkeypatch.setitem(sys.modules, "hxp_testing", None)
    name = "testing"
    with pytest.raises(ImportError, match=r'pip install "hxp-enterprise-llm\[testing\]"'):
        getattr(hxp_enterprise_llm, name)


def test_any_other_missing_module_is_named_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(hxp_enterprise_llm), "config", raising=False)
    monkeypatch.setitem(sys.modules, "hxp_config", None)
    name = "config"
    with pytest.raises(ModuleNotFoundError, match="hxp_config"):
        getattr(hxp_enterprise_llm, name)
