"""What the ledger can refuse.

The tree:

    LedgerError
    ├── DatabaseURLError          the URL names no database the ledger can use
    ├── DatabaseUnavailableError  the database does not answer
    ├── KeyNotFoundError          there is no key with this id
    ├── MalformedCursorError      the cursor is not one of ours
    └── SchemaVersionError        a newer version of the ledger owns the database
"""


class LedgerError(Exception):
    """The root of all errors of the ledger."""


class DatabaseURLError(LedgerError, ValueError):
    """The URL names no database the ledger can use; the message never shows it."""


class DatabaseUnavailableError(LedgerError):
    """The database does not answer; the cause says why."""


class KeyNotFoundError(LedgerError, LookupError):
    """There is no key with this id."""


class MalformedCursorError(LedgerError, ValueError):
    """The cursor is not one that a page ended with."""


class SchemaVersionError(LedgerError):
    """A newer version of the ledger owns the database."""
