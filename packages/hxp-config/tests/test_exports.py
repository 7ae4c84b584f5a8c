"""What the package offers."""

from __future__ import annotations

import hxp_config


def test_all_names_exactly_what_there_is() -> None:
    public = {
        name
        for name, value in vars(hxp_config).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("hxp_config")
    }
    assert public == set(hxp_config.__all__)
    assert hxp_config.__all__ == sorted(hxp_config.__all__)
