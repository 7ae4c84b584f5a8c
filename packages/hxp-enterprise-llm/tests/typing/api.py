"""A user's file: it is type-checked and never run."""

from typing import assert_type

import hxp_enterprise_llm as hxp

assert_type(hxp.__version__, str)
assert_type(hxp.schemas.new_id("req"), str)
assert_type(hxp.logging.get_logger("x"), hxp.logging.Logger)
assert_type(hxp.testing.net.free_port(), int)
assert_type(hxp.services.Pepper is not None, bool)
