"""HXP-Enterprise LLM Server Modular Architecture Library: every package of HXP under one name, loaded on first use."""

from typing import TYPE_CHECKING

from ._lazy import lazy_packages

if TYPE_CHECKING:
    import hxp_config as config
    import hxp_logging as logging
    import hxp_resilience as resilience
    import hxp_schemas as schemas
    import hxp_services_base as services
    import hxp_testing as testing
    from hxp_services_base import orchestration

    __version__: str
else:
    __getattr__, __dir__ = lazy_packages(
        __name__,
        {
            "config": "hxp_config",
            "logging": "hxp_logging",
            "orchestration": "hxp_services_base.orchestration",
            "resilience": "hxp_resilience",
            "schemas": "hxp_schemas",
            "services": "hxp_services_base",
            "testing": "hxp_testing",
        },
        extras={"testing": "testing"},
    )

__all__ = ["__version__", "config", "logging", "orchestration", "resilience", "schemas", "services", "testing"]
