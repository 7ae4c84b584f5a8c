"""The forms in which a value may turn up."""

from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from orjson import dumps

_QUOTES = "\"'"  # beside both of them, Python escapes the apostrophes of a text
_UNESCAPED = ("", "/", "!*'()", "!$&'()*+,;=:@/?")  # by everybody, Python, JavaScript, and in queries (RFC 3986)


def forms_of(value: str, printable: str) -> Iterator[str]:
    """Yield a value as it stands, in Python's and JSON's notations, in URLs, in hexadecimal, and in base64."""
    data = printable.encode()
    utf_16 = printable.encode("utf-16-be")
    units = [int.from_bytes(utf_16[index : index + 2], "big") for index in range(0, len(utf_16), 2)]
    escaped = dumps(printable).decode()[1:-1]
    yield from (value, printable, repr(value)[1:-1], repr(data)[2:-1], escaped)
    yield from (repr(_QUOTES + value)[4:-1], repr(_QUOTES.encode() + data)[5:-1])
    yield "".join(dumps(chr(unit)).decode()[1:-1] if unit < 128 else f"\\u{unit:04x}" for unit in units)
    for once in (quote_plus(data), *(quote(data, safe=safe) for safe in _UNESCAPED)):
        for encoded in (once, _lower_escapes(once)):
            yield encoded
            for twice in (quote(encoded, safe=""), encoded.replace("%", "%25")):  # a URL inside a URL
                yield twice
                yield _lower_escapes(twice)
    yield data.hex()
    yield data.hex().upper()
    for form in {data, escaped.encode()}:  # a secret inside a JSON document inside base64 keeps JSON's escapes
        yield from _base64_forms(form)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield what a value leaves in base64 (RFC 4648) wherever it begins: the characters that hold nothing else."""
    for before in range(3):
        text = b64encode(bytes(before) + data).decode()
        first = -(-before * 8 // 6)  # characters that also hold bits of what stands before
        last = (before + len(data)) * 8 // 6
        middle = text[first:last]
        yield middle
        yield middle.replace("+", "-").replace("/", "_")
        yield quote(middle, safe="")
        yield _lower_escapes(quote(middle, safe=""))


def _lower_escapes(text: str) -> str:
    first, *rest = text.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])
