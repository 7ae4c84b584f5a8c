"""Names that tell by their words that what they name is a secret: `db_password`, `openaiApiKey`, `HF-TOKEN`."""

import re

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_LONGEST = 256

# Wherever they stand in a name, unless its last word says that something about the secret is meant.
_ALWAYS = frozenset(
    """
    authorization cookie cookies credential credentials passcode passphrase passphrases passwd password
    passwords pepper pwd secret secrets
    """.split()  # noqa: SIM905 - a list would take a page
)
_ABOUT = frozenset(
    """
    age at attempts count counts dir domain enabled endpoint error errors exists expiration expired expires
    expiry file files found hint id ids kind len length lengths manager max min missing name names path paths
    policy present provider reason ref reference references registered required rotation rounds size source
    status store strength ttl type types uri url valid version versions
    """.split()  # noqa: SIM905 - a list would take a page
)
_TAILS = frozenset({"b64", "base", "hash", "header", "hex", "new", "old", "plain", "plaintext", "raw", "text", "value"})
# As the last word, and by the word before.
_ALONE = frozenset({"auth", "bearer", "jwt"})
_KEY_KINDS = frozenset(
    """
    access account admin aes anthropic api app application auth aws azure client cohere deepseek deploy
    encryption gemini google groq hmac huggingface license master mistral openai openrouter priv private rsa
    secret server service shared sign signing ssh storage stripe subscription tls webhook wrapping
    """.split()  # noqa: SIM905 - a list would take a page
)
_MANY_TOKENS = frozenset({"access", "api", "auth", "bearer", "refresh", "secret", "session"})
_MODEL_TOKENS = frozenset(
    """
    a audio bos by cls completion continuation control each eos eot every first image input last mask next one
    output page pad per prompt sep special start stop the this unk
    """.split()  # noqa: SIM905 - a list would take a page
)
_PASS_OF = frozenset(
    """
    admin database db ftp imap ldap mail mysql pg postgres proxy redis root smtp user
    """.split()  # noqa: SIM905 - a list would take a page
)
_JOINED = (
    "accesskey",
    "accesstoken",
    "apikey",
    "authkey",
    "authtoken",
    "clientsecret",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "refreshtoken",
    "secretkey",
)


def names_secret(name: str) -> bool:
    """Return whether a name says that its value is a secret, in snake, kebab or camel case.

    What is only about a secret, or a token of a model, is none: `key_id`, `token_count`, `max_tokens`, `eos_token`.
    """
    words = [word.lower() for word in _WORDS.findall(name[:_LONGEST])]
    while len(words) > 1 and words[-1] in _TAILS:
        words.pop()
    if not words or words[-1] in _ABOUT or words == ["secrets"]:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _ALONE or last.endswith(_JOINED) or not _ALWAYS.isdisjoint(words):
        return True
    return _is_qualified(last, before)


def _is_qualified(last: str, before: str) -> bool:
    if last == "token":
        return before not in _MODEL_TOKENS
    if last == "tokens":
        return before in _MANY_TOKENS
    if last in {"key", "keys"}:
        return before in _KEY_KINDS
    return last == "pass" and before in _PASS_OF
