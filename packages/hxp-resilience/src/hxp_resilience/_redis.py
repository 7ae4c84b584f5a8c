"""What speaks to Redis: the strategies of `limits`, over redis-py. Only this file needs the extra `redis`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    CloseAsync: TypeAlias = Callable[[], Awaitable[None]]
    CloseSync: TypeAlias = Callable[[], None]
    HitAsync: TypeAlias = Callable[[int, int, tuple[str, str], int], Awaitable[bool]]
    HitSync: TypeAlias = Callable[[int, int, tuple[str, str], int], bool]

_MISSING = 'a shared rate limit needs `pip install "hxp-resilience[redis]"`'


def connect_async(url: str, patience: float) -> tuple[HitAsync, CloseAsync]:
    """Return what takes so many of a limit in a task: limit, seconds, key and cost; it tells whether it could.

    The second function returned closes the connections.

    Args:
        url: `redis://…`.
        patience: Seconds that connecting and answering may take.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        from limits import RateLimitItemPerSecond  # noqa: PLC0415 (an optional dependency)
        from limits.aio.storage import RedisStorage  # noqa: PLC0415 (as above)
        from limits.aio.strategies import MovingWindowRateLimiter  # noqa: PLC0415 (as above)
        from redis.asyncio import ConnectionPool  # noqa: PLC0415 (as above)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_MISSING, name=error.name) from error
    pool: Any = ConnectionPool.from_url(url, socket_timeout=patience, socket_connect_timeout=patience)
    limiter = MovingWindowRateLimiter(RedisStorage(f"async+{url}", implementation="redispy", connection_pool=pool))

    async def hit(limit: int, seconds: int, key: tuple[str, str], cost: int) -> bool:
        return await limiter.hit(RateLimitItemPerSecond(limit, seconds, namespace="hxp"), *key, cost=cost)

    return hit, pool.disconnect


def connect_sync(url: str, patience: float) -> tuple[HitSync, CloseSync]:
    """Return the same for a thread.

    Args:
        url: `redis://…`.
        patience: Seconds that connecting and answering may take.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        from limits import RateLimitItemPerSecond  # noqa: PLC0415 (an optional dependency)
        from limits.storage import RedisStorage  # noqa: PLC0415 (as above)
        from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415 (as above)
        from redis import ConnectionPool  # noqa: PLC0415 (as above)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_MISSING, name=error.name) from error
    pool: Any = ConnectionPool.from_url(url, socket_timeout=patience, socket_connect_timeout=patience)
    limiter = MovingWindowRateLimiter(RedisStorage(url, connection_pool=pool))

    def hit(limit: int, seconds: int, key: tuple[str, str], cost: int) -> bool:
        return limiter.hit(RateLimitItemPerSecond(limit, seconds, namespace="hxp"), *key, cost=cost)

    return hit, pool.disconnect
