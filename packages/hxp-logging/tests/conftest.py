import os
from collections.abc import Iterator

import pytest
from hxp_logging import _default
from hypothesis import settings

settings.register_profile("hxp", deadline=None, max_examples=60, derandomize=True)  # the same examples in every run
settings.register_profile("explore", deadline=None, max_examples=3000)  # HYPOTHESIS_PROFILE=explore: others each time
settings.load_profile("explore" if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else "hxp")


@pytest.fixture
def fresh_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[_default.Default]:
    """A process default that no other test has seen."""
    default = _default.Default()
    monkeypatch.setattr(_default, "DEFAULT", default)
    yield default
    default.logging.close()
