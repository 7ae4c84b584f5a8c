"""Secrets that can be told by how they look: API keys, tokens, private keys, URL userinfo, card numbers."""

import re

MARK = "[redacted]"

# So long and so odd that they are hidden whatever stands before them: the `n` of an escape, the `C` of `%5C`, a letter.
_UNMISTAKABLE = (
    r"hxp_[0-9A-Z]{26}_[A-Za-z0-9_-]{20,}",  # our own
    r"github_pat_[A-Za-z0-9_]{30,}",
    r"gh[opsur]_[A-Za-z0-9]{36,}",  # GitHub
    r"glpat-[A-Za-z0-9_-]{20,}",  # GitLab
    r"sk-(?:proj|ant|svcacct|or)-[A-Za-z0-9_-]{16,}",
)
_TOKEN = (
    r"sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic and whoever imitates them
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"gh[opsur]_[A-Za-z0-9]{30,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"A[KS]IA[0-9A-Z]{16}",  # AWS
    r"AIza[0-9A-Za-z_-]{35}",  # Google
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){2,4}",  # JWT (RFC 7519), signed or encrypted
    r"[Bb]earer [A-Za-z0-9._~+/-]{16,}=*",  # RFC 6750
)
_PRIVATE_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
_USERINFO = r"://[^/\s\"'<>@:]*:[^/\s\"'<>]*@"  # RFC 3986, with a password, in which an @ is often forgotten
# Names of parameters of a URL, or the ends of such names, whose values are secrets: `?api_key=`, `&X-Amz-Signature=`.
_PARAMETERS = (
    "auth",
    "credential",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sig",
    "signature",
    "token",
)
_SPELLINGS = tuple(spelling for name in _PARAMETERS for spelling in (name, name.capitalize(), name.upper()))
_PARAMETER_VALUE = r"[^&\s\"'<>#;\\]"
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_CARD_BYTES = re.compile(rb"\d(?:[ -]?\d){12,18}")

# How each of them begins, and goes on at least. In an encoded line the character before may belong to an escape such as
# `\n`, so a boundary is not looked for: a line may be taken for one that holds a secret, never the reverse.
ROUGH: tuple[tuple[bytes, re.Pattern[bytes]], ...] = tuple(
    (start, re.compile(re.escape(start) + more))
    for start, more in (
        (b"sk-", rb"[A-Za-z0-9_-]{16}"),
        (b"hxp_", rb"[0-9A-Z]{26}_"),
        (b"_live_", rb"[A-Za-z0-9]{16}"),
        (b"_test_", rb"[A-Za-z0-9]{16}"),
        (b"gho_", rb"[A-Za-z0-9]{30}"),
        (b"ghp_", rb"[A-Za-z0-9]{30}"),
        (b"ghr_", rb"[A-Za-z0-9]{30}"),
        (b"ghs_", rb"[A-Za-z0-9]{30}"),
        (b"ghu_", rb"[A-Za-z0-9]{30}"),
        (b"github_pat_", rb"[A-Za-z0-9_]{30}"),
        (b"glpat-", rb"[A-Za-z0-9_-]{20}"),
        *((b"xox%c-" % kind, rb"[A-Za-z0-9-]{10}") for kind in b"abeoprs"),
        (b"AKIA", rb"[0-9A-Z]{16}"),
        (b"ASIA", rb"[0-9A-Z]{16}"),
        (b"AIza", rb"[0-9A-Za-z_-]{35}"),
        (b"hf_", rb"[A-Za-z0-9]{30}"),
        (b"eyJ", rb"[A-Za-z0-9_-]{8,}\."),
        (b"earer ", rb"[A-Za-z0-9._~+/-]{16}"),
        (b"-----BEGIN ", rb"[A-Z ]*PRIVATE KEY"),
        (b"://", rb"[^/\s\"'<>@:]*:[^/\s\"'<>@]*@"),
        *((f"{name}=".encode(), _PARAMETER_VALUE.encode()) for name in _SPELLINGS),
    )
)
_TRIGGERS = tuple(start.decode() for start, _ in ROUGH if not start.endswith(b"="))

_EXACT = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(_TOKEN)})|{'|'.join(_UNMISTAKABLE)}"
    rf"|{_PRIVATE_KEY}[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_EXACT_USERINFO = re.compile(_USERINFO)
_EXACT_PARAMETER = re.compile(rf"([?&;][\w.%-]{{0,64}}?(?:{'|'.join(_SPELLINGS)})=){_PARAMETER_VALUE}+")


def seems_card(line: bytes) -> bool:
    """Tell whether an encoded line may hold a card number."""
    return _CARD_BYTES.search(line) is not None


def hide_shapes(text: str) -> str:
    """Replace everything of a telling shape."""
    if "=" in text:
        text = _EXACT_PARAMETER.sub(rf"\1{MARK}", text)
    for trigger in _TRIGGERS:
        if trigger in text:
            return _EXACT_USERINFO.sub(f"://{MARK}@", _EXACT.sub(MARK, text))
    return text


def hide_cards(text: str) -> str:
    """Replace numbers of 13 to 19 digits that pass the check of ISO/IEC 7812 (Luhn)."""
    return _CARD.sub(lambda match: MARK if _passes_luhn(match[0]) else match[0], text)


def _passes_luhn(text: str) -> bool:
    digits = [int(digit) for digit in text if digit.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
