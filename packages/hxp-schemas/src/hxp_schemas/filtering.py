"""Filters and orders that strangers send, parsed to a typed tree (a subset of AIP-160, and AIP-132's `order_by`).

    model = "hxp-tiny" AND (status = failed OR tokens >= 1000) AND NOT labels.team:ops

`OR` binds closer than `AND`, as AIP-160 has it. Left out of AIP-160: functions, values alone without a field, and
comparisons of two fields. Everything is bounded: 2,000 characters, 64 comparisons, 16 parentheses deep.
"""

from ._filter_parser import FilterError, parse_filter
from ._filter_tree import And, Comparison, Filter, Not, Operator, Or
from ._order import OrderBy, parse_order_by

__all__ = [
    "And",
    "Comparison",
    "Filter",
    "FilterError",
    "Not",
    "Operator",
    "Or",
    "OrderBy",
    "parse_filter",
    "parse_order_by",
]
