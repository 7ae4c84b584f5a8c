from __future__ import annotations

from hypothesis import settings

settings.register_profile("hxp", deadline=None, max_examples=60)
settings.load_profile("hxp")
