"""The HTTP side: the only place that knows HTTP. It knows nothing of AMI."""

from bridge.uapi.api import create_api
from bridge.uapi.feed import Feed
from bridge.uapi.limits import Limiter
from bridge.uapi.present import phone_call
from bridge.uapi.server import Server
from bridge.uapi.service import Draining, Service

__all__ = ["Draining", "Feed", "Limiter", "Server", "Service", "create_api", "phone_call"]
