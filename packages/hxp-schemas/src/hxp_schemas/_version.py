"""Versions of an API: which one a caller gets, and how it learns that one will end.

The headers are those of RFC 9745 (`Deprecation`) and RFC 8594 (`Sunset`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Self

import pydantic
from pydantic import ConfigDict, Field, model_validator

from ._base import UTCDateTime
from ._error import ErrorInfo, ErrorInfoError

VersionName = Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,3}((alpha|beta)[0-9]{0,3})?$", examples=["v1"])]
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class APIVersion(pydantic.BaseModel):
    """One version of an API.

    Attributes:
        name: `v1`, `v2beta`.
        deprecated_at: From when on new callers should not use it; may lie in the future.
        sunset_at: When it stops to answer; not before `deprecated_at`.
        successor: The version to move to.
        link: A page that tells how.

    Example:
        >>> old = APIVersion(name="v1", deprecated_at="2026-01-01T00:00:00Z", sunset_at="2027-01-01T00:00:00Z")
        >>> old.headers()["Deprecation"]
        '@1767225600'
        >>> old.headers()["Sunset"]
        'Fri, 01 Jan 2027 00:00:00 GMT'
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    name: VersionName
    deprecated_at: UTCDateTime | None = None
    sunset_at: UTCDateTime | None = None
    successor: VersionName | None = None
    link: str | None = Field(default=None, max_length=2048, pattern=r"^https?://[!-;=?-~]+$")

    @model_validator(mode="after")
    def _ends_after_the_warning(self) -> Self:
        if self.sunset_at and self.deprecated_at and self.sunset_at < self.deprecated_at:
            raise ValueError(f"version {self.name!r} would end before it is deprecated (RFC 9745, section 4)")
        if self.successor == self.name:
            raise ValueError(f"version {self.name!r} cannot succeed itself")
        return self

    def is_sunset(self, now: datetime) -> bool:
        """Tell whether the version has ended."""
        return self.sunset_at is not None and self.sunset_at <= now

    def headers(self) -> dict[str, str]:
        """Return the response headers that tell a caller of the dates; none for a version without any."""
        found: dict[str, str] = {}
        if self.deprecated_at:
            found["Deprecation"] = f"@{int(self.deprecated_at.timestamp())}"
        if self.sunset_at:
            found["Sunset"] = _http_date(self.sunset_at)
        if self.link and found:
            relation = "deprecation" if self.deprecated_at else "sunset"
            found["Link"] = f'<{self.link}>; rel="{relation}"'
        return found


class APIVersions(pydantic.BaseModel):
    """The versions that a service speaks.

    Attributes:
        versions: Newest last; names are unique.
        default: What a caller gets who names none; the newest unless given.

    Example:
        >>> versions = APIVersions(versions=[APIVersion(name="v1"), APIVersion(name="v2")])
        >>> versions.negotiate(None, now=datetime.now(UTC)).name
        'v2'
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    versions: list[APIVersion] = Field(min_length=1, max_length=64)
    default: VersionName = Field(
        default_factory=lambda known: known["versions"][-1].name if known.get("versions") else "v1"
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        names = [version.name for version in self.versions]
        if len(set(names)) < len(names):
            raise ValueError(f"a version is named twice: {', '.join(names)}")
        wanted = [self.default, *(version.successor for version in self.versions if version.successor)]
        if unknown := sorted({*wanted} - {*names}):
            raise ValueError(f"no such version: {', '.join(unknown)}; there are {', '.join(names)}")
        return self

    def negotiate(self, requested: str | None, *, now: datetime) -> APIVersion:
        """Choose the version for a call.

        Args:
            requested: What the caller named, in the path or a header.
            now: An aware time.

        Raises:
            ErrorInfoError: 404 `unknown_api_version`, or 410 `api_version_sunset` naming the successor.
        """
        wanted = requested or self.default
        found = next((version for version in self.versions if version.name == wanted), None)
        spoken = [version.name for version in self.versions if not version.is_sunset(now)]
        if found is None:
            raise _refusal(404, "unknown_api_version", f"There is no version {wanted[:32]!r}.", {"versions": spoken})
        if found.is_sunset(now):
            successor = [found.successor] if found.successor else spoken[-1:]
            message = f"Version {found.name!r} ended on {found.sunset_at:%Y-%m-%d}."
            raise _refusal(410, "api_version_sunset", message, {"successor": successor})
        return found


def _refusal(status: int, code: str, message: str, names: Mapping[str, list[str]]) -> ErrorInfoError:
    metadata = {name: ", ".join(values) for name, values in names.items() if values}
    hint = "".join(f" Use {value}." for value in metadata.values())
    return ErrorInfoError(ErrorInfo(code=code, message=message + hint, status=status, metadata=metadata))


def _http_date(when: datetime) -> str:
    """The IMF-fixdate of RFC 9110, in English whatever the locale says."""
    utc = when.astimezone(UTC)
    return f"{_DAYS[utc.weekday()]}, {utc:%d} {_MONTHS[utc.month - 1]} {utc.year:04} {utc:%H:%M:%S} GMT"
