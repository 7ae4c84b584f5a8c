"""OpenAI-compatible front door: keys, routing, a journal that loses nothing."""

from ._journal import Journal
from ._service import GatewayService
from ._settings import GatewaySettings, UpstreamSettings

__all__ = ["GatewayService", "GatewaySettings", "Journal", "UpstreamSettings"]
