"""What Asterisk answered, before anybody judges it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.grammar import Endpoint, Extension
from bridge.includes import Step
from bridge.patterns import Pattern
from bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of the probe: a Local channel that goes through the bridge's dialplan and rings nobody.

    Attributes:
        refused: Why Asterisk did not take it; empty where it did.
        events: Names of the events that told of it.
        unwanted: Names of the events that came meanwhile and that the filter should have kept back.
        reason: Why it came to nothing, which it always does: OriginateResponse's Reason.
        causes: The hangup causes of its two halves.
        stamped: Whether its events carry their own time.
    """

    refused: str = ""
    events: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()
    reason: str = ""
    causes: frozenset[str] = frozenset()
    stamped: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a PBX that took the login. None, or an entry that is missing: it would not say.

    Attributes:
        settings: The configuration that is to fit it.
        commands: The actions that this manager user may use, with the classes of rights that each asks for.
        refused: The questions that were refused, with Asterisk's words.
        asterisk: Its version.
        cdr: Whether it writes CDRs.
        clock: Seconds that its clock is ahead of ours.
        values: What variables and functions said, by the names in ``asking``.
        dialplan: The steps of the bridge's context.
        devices: The state of each device that it lists or was asked for.
        listed: The devices that it lists by itself, endpoints among them.
        queues: Whether it has each of the configured queues.
        parking: Whether it told of parked calls.
        probe: What became of the probe; None where none was sent.
    """

    settings: Settings
    commands: Mapping[str, frozenset[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    asterisk: str | None = None
    cdr: bool | None = None
    clock: float | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    dialplan: tuple[Step, ...] | None = None
    devices: Mapping[str, str] | None = None
    listed: frozenset[str] = frozenset()
    queues: Mapping[str, bool] = field(default_factory=dict)
    parking: bool = False
    probe: Probe | None = None

    def unknown(self, action: str) -> bool:
        """Whether Asterisk does not know an action at all: its module is not loaded."""
        return self.refused.get(action, "").startswith("Invalid/unknown command")

    def phones(self) -> dict[Extension, Endpoint | None]:
        """The extensions that are configured one by one, with their endpoints."""
        return phones(self.settings)

    def covered(self) -> dict[Pattern, dict[Extension, Endpoint]]:
        """The patterns that are configured, with those phones of the PBX that they cover."""
        endpoints = self.settings.endpoints()
        found = {endpoints.of_device(device): Endpoint(device) for device in sorted(self.listed)}
        return {
            pattern: {phone: device for phone, device in found.items() if phone and pattern.matches(phone)}
            for user in self.settings.users
            for pattern in user.extensions
            if not pattern.exact
        }


def phones(settings: Settings) -> dict[Extension, Endpoint | None]:
    """The extensions that are configured one by one, but those of queues, with their endpoints.

    An endpoint is None where ``pbx.channel`` has no name for it.
    """
    endpoints = settings.endpoints()
    queues = {queue.extension for queue in settings.queues}
    exact = [Extension(pattern) for user in settings.users for pattern in user.extensions if pattern.exact]
    return {extension: endpoints.endpoint(extension) for extension in exact if extension not in queues}
