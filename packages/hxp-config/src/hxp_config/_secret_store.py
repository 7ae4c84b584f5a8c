"""Secrets by reference: found late, kept for a while, found again when they have changed, and never shown."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hxp_schemas import Secret, SecretReference
from pydantic_core import PydanticCustomError, core_schema

from ._errors import ConfigError, ConfigProblem
from ._file import read_regular_file
from ._secrecy import MASK

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

MAX_SECRET = 1 << 16
Listener = Callable[[str], None]


class SecretError(ConfigError):
    """A secret that cannot be had; the message names the reference and the reason, never a value."""

    def __init__(self, reference: SecretReference, reason: str) -> None:
        super().__init__([ConfigProblem("", f"the secret {reference} cannot be had: {reason}")])
        self.reference = reference


@runtime_checkable
class Keeper(Protocol):
    """Fetches secrets of one scheme."""

    def fetch(self, location: str) -> str:
        """Return the secret at a location.

        Raises:
            LookupError: It is not there; the message says what is missing.
            OSError: The keeper cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentKeeper:
    """`env:NAME`.

    Args:
        environ: The variables; the process's own when absent.
    """

    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def fetch(self, location: str) -> str:
        """Return the variable."""
        environ = os.environ if self.environ is None else self.environ
        if location not in environ:
            raise LookupError("the environment variable is not set")
        return environ[location]


@dataclass(frozen=True, slots=True)
class FileKeeper:
    """`file:/absolute/path`, without its last line end."""

    def fetch(self, location: str) -> str:
        """Return the file's text."""
        try:
            return read_regular_file(location, MAX_SECRET).decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise LookupError("the file is not UTF-8") from None


@dataclass(frozen=True, slots=True)
class KubernetesKeeper:
    """`k8s:namespace/secret#key`, asked of the cluster's API with the pod's own service account.

    Args:
        api: The API server.
        account: The directory with `token`, `ca.crt` and `namespace`.
        timeout: Seconds.
    """

    api: str = "https://kubernetes.default.svc"
    account: str = "/var/run/secrets/kubernetes.io/serviceaccount"
    timeout: float = 5.0

    def fetch(self, location: str) -> str:
        """Return the key of the secret."""
        import base64  # noqa: PLC0415 - for those who have a cluster

        path, _, key = location.partition("#")
        namespace, _, name = path.rpartition("/")
        token = read_regular_file(f"{self.account}/token").decode().strip()
        namespace = namespace or read_regular_file(f"{self.account}/namespace").decode().strip()
        request = urllib.request.Request(f"{self.api}/api/v1/namespaces/{namespace}/secrets/{name}")  # noqa: S310 - configured
        request.add_unredirected_header("Authorization", f"Bearer {token}")
        context = ssl.create_default_context(cafile=f"{self.account}/ca.crt") if self.api.startswith("https:") else None
        with urllib.request.urlopen(request, timeout=self.timeout, context=context) as answer:  # noqa: S310 - configured
            data = json.loads(answer.read(MAX_SECRET * 16)).get("data", {})
        if key not in data:
            raise LookupError(f"the secret has no key {key!r}")
        return base64.b64decode(data[key]).decode()


@dataclass(frozen=True, slots=True)
class VaultKeeper:
    """`vault:mount/path#field`, a key/value store of version 2; needs the extra `vault`.

    Args:
        client: An authenticated `hvac.Client`; by default one of `VAULT_ADDR` and `VAULT_TOKEN`.
    """

    client: Any = field(default=None, repr=False)

    def fetch(self, location: str) -> str:
        """Return the field of the newest version."""
        try:
            import hvac  # noqa: PLC0415 - an extra
        except ImportError:
            raise LookupError("this needs the extra: pip install 'hxp-config[vault]'") from None
        client = self.client or hvac.Client()
        path, _, name = location.partition("#")
        mount, _, below = path.partition("/")
        try:
            answer = client.secrets.kv.v2.read_secret_version(
                path=below, mount_point=mount, raise_on_deleted_version=True
            )
        except hvac.exceptions.VaultError as error:
            raise LookupError(f"Vault says {type(error).__name__}") from None
        data = answer["data"]["data"]
        if name not in data:
            raise LookupError(f"the secret has no field {name!r}")
        return str(data[name])


def standard_keepers(environ: Mapping[str, str] | None = None) -> dict[str, Keeper]:
    """Return a keeper for each scheme of `hxp_schemas.SecretReference`."""
    return {
        "env": EnvironmentKeeper(environ),
        "file": FileKeeper(),
        "k8s": KubernetesKeeper(),
        "vault": VaultKeeper(),
    }


class SecretStore:
    """Resolves references, and remembers what it found for a while.

    Args:
        keepers: By scheme; the standard ones unless given.
        ttl: Seconds after which a secret is fetched again.
        listeners: Called with each new value before anybody gets it: whoever redacts logs registers it.
        clock: Monotonic seconds.

    Example:
        >>> seen = []
        >>> store = SecretStore({"env": EnvironmentKeeper({"TOKEN": "t0"})}, listeners=[seen.append])
        >>> store.resolve(SecretReference.parse("env:TOKEN")), seen
        ('t0', ['t0'])
    """

    def __init__(
        self,
        keepers: Mapping[str, Keeper] | None = None,
        *,
        ttl: float = 300.0,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keepers = dict(standard_keepers() if keepers is None else keepers)
        self._ttl = ttl
        self._listeners = list(listeners)
        self._clock = clock
        self._lock = Lock()
        self._found: dict[SecretReference, tuple[float, str]] = {}

    def resolve(self, reference: SecretReference) -> str:
        """Return a secret.

        A secret that has been found before is kept when its keeper cannot be reached for now; one that its keeper says
        is gone is gone.

        Raises:
            SecretError: It cannot be had.
        """
        with self._lock:
            known = self._found.get(reference)
            now = self._clock()
            if known and now - known[0] < self._ttl:
                return known[1]
        try:
            value = self._fetch(reference)
        except SecretError as error:
            if known is None or not isinstance(error.__cause__, OSError):
                raise
            value = known[1]
        if known is None or known[1] != value:
            for listener in self._listeners:
                listener(value)
        with self._lock:
            self._found[reference] = (now, value)
        return value

    def refresh(self) -> list[SecretReference]:
        """Fetch all secrets again that were ever asked for.

        Returns:
            Those that have changed.

        Raises:
            SecretError: One is gone.
        """
        with self._lock:
            before = dict(self._found)
            self._found = {reference: (float("-inf"), value) for reference, (_, value) in before.items()}
        return [reference for reference, (_, value) in before.items() if self.resolve(reference) != value]

    def _fetch(self, reference: SecretReference) -> str:
        keeper = self._keepers.get(reference.scheme)
        if keeper is None:
            raise SecretError(
                reference, f"nobody keeps {reference.scheme!r} here; there are {', '.join(sorted(self._keepers))}"
            )
        try:
            return keeper.fetch(reference.location)
        except LookupError as error:
            raise SecretError(reference, str(error.args[0] if error.args else error)) from error
        except OSError as error:
            raise SecretError(reference, error.strerror or type(error).__name__) from error

    def __repr__(self) -> str:
        return f"SecretStore({len(self._found)} secrets)"


class ConfigSecret:
    """A field's type for a secret: written out, or a reference that is resolved when it is asked for.

    Example:
        >>> import pydantic
        >>> from hxp_config import Defaults, load
        >>> class Settings(pydantic.BaseModel):
        ...     token: ConfigSecret
        >>> store = SecretStore({"env": EnvironmentKeeper({"TOKEN": "t0"})})
        >>> token = load(Settings, [Defaults({"token": "env:TOKEN"})], secrets=store).value.token
        >>> token, token.reveal()
        (ConfigSecret('**********'), 't0')
    """

    __slots__ = ("_store", "_value", "reference")

    def __init__(self, value: str | SecretReference, store: SecretStore | None = None) -> None:
        self.reference = value if isinstance(value, SecretReference) else None
        self._value = None if isinstance(value, SecretReference) else Secret(value)
        self._store = store

    def reveal(self) -> str:
        """Return the secret as it is now.

        Raises:
            SecretError: The reference leads nowhere, or `load` was given no store.
        """
        if self._value is not None:
            return self._value.reveal()
        assert self.reference is not None  # noqa: S101 - one of the two is there
        if self._store is None:
            raise SecretError(self.reference, "give load(…, secrets=SecretStore())")
        return self._store.resolve(self.reference)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConfigSecret):
            return NotImplemented
        return (self.reference, self._value) == (other.reference, other._value)

    def __hash__(self) -> int:
        return hash((self.reference, self._value))

    def __repr__(self) -> str:
        return f"ConfigSecret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("ConfigSecret is not pickled; hand the reference on instead")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.chain_schema(
            [
                core_schema.no_info_plain_validator_function(_hidden),
                core_schema.with_info_plain_validator_function(cls._validated),
            ],
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: object, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password", "writeOnly": True, "maxLength": MAX_SECRET}

    @classmethod
    def _validated(cls, value: Any, info: core_schema.ValidationInfo) -> ConfigSecret:
        if isinstance(value, ConfigSecret):
            return value
        text = value.reveal() if isinstance(value, Secret) else None
        if text is None or len(text) > MAX_SECRET:
            raise PydanticCustomError("secret", "a secret is a text or a reference such as env:NAME or file:/path")
        if not SecretReference.is_reference(text):
            return cls(text)
        try:
            return cls(SecretReference.parse(text), (info.context or {}).get("secrets"))
        except ValueError as error:
            raise PydanticCustomError("secret_reference", "{problem}", {"problem": str(error)}) from None


def _hidden(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else value
