"""The filter's grammar: recursive descent over one scan, bounded in length, breadth and depth."""

import re
from collections.abc import Mapping

from ._filter_tree import And, Comparison, Filter, Not, Operator, Or
from ._filter_value import FieldType, read_value

LONGEST = 2000
MOST = 64
DEEPEST = 16

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"(AND|OR|NOT)(?![A-Za-z0-9_.:=<>!])")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*", re.ASCII)
_OPERATOR = re.compile(r"<=|>=|!=|[<>=:]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_BARE = re.compile(r"""[^\s()"',]+""")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class FilterError(ValueError):
    """A filter or order that cannot be read.

    Attributes:
        position: The index of the character at fault.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (at position {position})")
        self.position = position


def parse_filter(text: str, *, fields: Mapping[str, FieldType] | None = None) -> Filter:
    """Read a filter.

    Args:
        text: At most 2,000 characters with 64 comparisons, 16 parentheses deep; blank means every item.
        fields: The fields that may be filtered by, with dots for nested ones, and their types: `str`, `int`, `float`,
            `bool`, `datetime`, `timedelta`, `list`, `dict` (with any key below it) or an `Enum`. Values are read as
            the type. Without it, any field is taken, and values as they look.

    Returns:
        The tree.

    Raises:
        FilterError: What is wrong, where, and what would be right.

    Example:
        >>> tree = parse_filter('model = "tiny*" AND NOT tokens < 10', fields={"model": str, "tokens": int})
        >>> tree.matches({"model": "tiny-2", "tokens": 12})
        True
        >>> parse_filter("modle = x", fields={"model": str})
        Traceback (most recent call last):
        ...
        hxp_schemas._filter_parser.FilterError: there is no field 'modle', did you mean 'model'? (at position 0)
    """
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST} characters, not {len(text)}", LONGEST)
    return _Parser(text, fields).whole()


class _Parser:
    def __init__(self, text: str, fields: Mapping[str, FieldType] | None) -> None:
        self.text, self.fields = text, fields
        self.position = self.depth = self.count = 0

    def whole(self) -> Filter:
        self.skip()
        if self.position == len(self.text):
            return And(())
        tree = self.expression()
        if self.position < len(self.text):
            raise self.error(f"unexpected {self.text[self.position]!r}; write AND or OR between comparisons")
        return tree

    def expression(self) -> Filter:
        """`a AND b AND c`, with `AND` left out where AIP-160 allows it: `a b`."""
        terms = [self.factor()]
        while self.word("AND") or self.begins_term():
            terms.append(self.factor())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def factor(self) -> Filter:
        terms = [self.term()]
        while self.word("OR"):
            terms.append(self.term())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def term(self) -> Filter:
        if self.word("NOT"):
            return Not(self.simple())
        if self.take("-"):
            return Not(self.simple())
        return self.simple()

    def simple(self) -> Filter:
        if not self.take("("):
            return self.comparison()
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"parentheses are at most {DEEPEST} deep")
        tree = self.expression()
        if not self.take(")"):
            raise self.error("a ')' is missing")
        self.depth -= 1
        return tree

    def comparison(self) -> Comparison:
        start = self.position
        self.count += 1
        if self.count > MOST:
            raise self.error(f"a filter has at most {MOST} comparisons")
        match = _PATH.match(self.text, start)
        if match is None or _WORD.match(self.text, start):
            raise self.error("a field's name is expected here")
        self.position = match.end()
        declared = self.declared(match[0], start)
        self.skip()
        operator = _OPERATOR.match(self.text, self.position)
        if operator is None:
            raise self.error(f"a comparison is expected after {match[0]!r}: one of = != < <= > >= :")
        self.position = operator.end()
        self.skip()
        at = self.position
        raw, quoted = self.raw_value()
        try:
            value = read_value(raw, declared, Operator(operator[0]), quoted=quoted)
        except ValueError as error:
            raise FilterError(f"{match[0]!r}: {error}", at) from error
        self.skip()
        return Comparison(tuple(match[0].split(".")), Operator(operator[0]), value, start)

    def raw_value(self) -> tuple[str, bool]:
        if quoted := _QUOTED.match(self.text, self.position):
            self.position = quoted.end()
            return _ESCAPE.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2]), True
        bare = _BARE.match(self.text, self.position)
        if bare is None:
            raise self.error(
                "a value is expected here"
                if self.text[self.position :][:1] not in {'"', "'"}
                else "the quote never ends"
            )
        self.position = bare.end()
        return bare[0], False

    def declared(self, path: str, start: int) -> FieldType | None:
        if self.fields is None:
            return None
        if path in self.fields:
            return self.fields[path]
        above = path
        while "." in above:
            above = above.rpartition(".")[0]
            if self.fields.get(above) is dict:
                return str
        from difflib import get_close_matches  # noqa: PLC0415 - for those who misspell

        near = get_close_matches(path[:64], self.fields, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(self.fields))}"
        raise FilterError(f"there is no field {path[:64]!r}{hint}", start)

    def begins_term(self) -> bool:
        return (
            self.position < len(self.text)
            and self.text[self.position] != ")"
            and not _WORD.match(self.text, self.position)
        ) or self.at_word("NOT")

    def at_word(self, word: str) -> bool:
        match = _WORD.match(self.text, self.position)
        return match is not None and match[1] == word

    def word(self, word: str) -> bool:
        if not self.at_word(word):
            return False
        self.position += len(word)
        self.skip()
        return True

    def take(self, character: str) -> bool:
        if not self.text.startswith(character, self.position):
            return False
        self.position += 1
        self.skip()
        return True

    def skip(self) -> None:
        space = _SPACE.match(self.text, self.position)
        self.position = space.end() if space else self.position

    def error(self, message: str) -> FilterError:
        return FilterError(message, self.position)
