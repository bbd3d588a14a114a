"""Extensions and their phones: how 0003*210 becomes PJSIP/0003*210, and a channel's name an extension again.

The rule is a template with a few exceptions beside it. Both ways must be exact: what is rung for an extension
is what its calls are found under, and no other extension's. Where the template cannot say so, there is no
answer (None) rather than a guess.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Self

from bridge.grammar import Endpoint, Extension
from bridge.patterns import Pattern

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("extension", "prefix", "short")
# Asterisk ends a channel's name with a counter: PJSIP and SIP eight hex digits, IAX2 a decimal one.
_CHANNEL = re.compile(r"(.+)-[0-9a-f]+")
_CACHED_NAMES = 4096


class EndpointsError(ValueError):
    """Template or exceptions do not lead from extensions to phones and back.

    Attributes:
        extension: The exception that is wrong; None when it is the template.
    """

    def __init__(self, message: str, extension: Extension | None = None) -> None:
        super().__init__(message)
        self.extension = extension


class _Template:
    """A template such as ``PJSIP/{prefix}-{short}``, taken apart once."""

    def __init__(self, text: str, numbers: Iterable[Pattern]) -> None:
        pieces = _PLACEHOLDER.split(text)
        self._literals, self._names = pieces[::2], pieces[1::2]
        self._text = text
        self._check_grammar()
        self._prefixes = self._needed_prefixes(numbers)
        self._device = re.compile(self._expression())

    def endpoint(self, extension: Extension) -> Endpoint | None:
        """The phone of an extension; None where no phone's name leads back to it."""
        endpoint = self._write(extension)
        return endpoint if endpoint and self._read(endpoint) == extension else None

    def extension(self, device: str) -> Extension | None:
        """The extension that has this phone."""
        extension = self._read(device)
        return extension if extension and self._write(extension) == device else None

    def _write(self, extension: Extension) -> Endpoint | None:
        return Endpoint.maybe(
            self._text.replace("{extension}", extension)
            .replace("{prefix}", extension.prefix)
            .replace("{short}", extension.short)
        )

    def _read(self, device: str) -> Extension | None:
        match = self._device.fullmatch(device)
        if not match:
            return None
        found = match.groupdict()
        if "extension" in found:
            return Extension.maybe(found["extension"])
        prefix = found["prefix"] if "prefix" in found else next(iter(self._prefixes or ("",)))
        return Extension.maybe(f"{prefix}*{found['short']}" if prefix else found["short"])

    def _check_grammar(self) -> None:
        for name in self._names:
            if name not in _KNOWN:
                raise EndpointsError(
                    f"has the unknown placeholder {{{name}}}; there are {{extension}}, {{prefix}} and {{short}}"
                )
        if "/" not in self._literals[0] or not Endpoint.maybe("0".join(self._literals)):
            raise EndpointsError("must be technology/name with placeholders, such as PJSIP/{extension}")
        if self._literals[0].startswith("Local/"):
            raise EndpointsError("must name phones; a Local channel is none")
        if "extension" not in self._names and "short" not in self._names:
            raise EndpointsError("is not reversible: it needs {extension}, or {prefix} and {short}")

    def _needed_prefixes(self, numbers: Iterable[Pattern]) -> frozenset[str] | None:
        """The prefixes that must be known to read a name; None when the name alone tells."""
        if "extension" in self._names:
            return None
        both = "prefix" in self._names
        if sorted(self._names) == ["prefix", "short"] and re.search(r"[^0-9]", self._literals[1]):
            return None
        prefixes: set[str] = set()
        for number in numbers:
            if number.prefix is None:
                raise EndpointsError(
                    f"is not reversible: the prefix of {number} has a ?; write {{extension}} into the template"
                )
            prefixes.add(number.prefix)
        if not prefixes:
            raise EndpointsError(
                "is not reversible while no extension is configured whose prefix it could stand for;"
                " add {prefix}, or use {extension}"
            )
        if not both and len(prefixes) > 1:
            raise EndpointsError(
                "is not reversible: {short} alone does not tell the prefixes "
                + ", ".join(sorted(repr(one) for one in prefixes))
                + " apart; add {prefix}, or use {extension}"
            )
        if len({len(one) for one in prefixes}) > 1:
            raise EndpointsError(
                "is not reversible: {prefix} and {short} run together, and the prefixes differ in length;"
                " put a character such as - between them"
            )
        return frozenset(prefixes)

    def _expression(self) -> str:
        prefix = "[0-9]+" if self._prefixes is None else "|".join(sorted(self._prefixes))
        groups = {"extension": "[0-9*]+", "prefix": prefix, "short": "[0-9*]+"}
        seen: set[str] = set()
        text = re.escape(self._literals[0])
        for name, literal in zip(self._names, self._literals[1:], strict=True):
            text += f"(?P={name})" if name in seen else f"(?P<{name}>{groups[name]})"
            text += re.escape(literal)
            seen.add(name)
        return text


class _Anything:
    """The rule without a configuration: any technology, and a name that is an extension number."""

    _device = re.compile(r"[A-Za-z0-9_]+/([0-9*]{1,32})")

    def endpoint(self, extension: Extension) -> Endpoint | None:
        """The phone as PJSIP calls it."""
        return Endpoint.parse(f"PJSIP/{extension}")

    def extension(self, device: str) -> Extension | None:
        """The extension in the name."""
        match = self._device.fullmatch(device)
        return Extension(match[1]) if match else None


class Endpoints:
    """Both directions between extensions and the names of their phones and channels."""

    def __init__(
        self, rule: _Template | _Anything, exceptions: Mapping[Extension, Endpoint] = MappingProxyType({})
    ) -> None:
        self._rule = rule
        self._exceptions = dict(exceptions)
        self._mapped: dict[str, Extension] = {endpoint: one for one, endpoint in exceptions.items()}
        # Asked for every channel of every event: a PBX has few phones, and each has many channels.
        self._cached = lru_cache(maxsize=_CACHED_NAMES)(self._read)

    @classmethod
    def from_settings(
        cls,
        channel: str,
        endpoints: Mapping[Extension, Endpoint] = MappingProxyType({}),
        numbers: Iterable[Pattern] = (),
    ) -> Self:
        """Endpoints by a template.

        Args:
            channel: The template, ``pbx.channel``.
            endpoints: The exceptions, ``pbx.endpoints``.
            numbers: All configured numbers, of users and queues: a template without ``{prefix}`` needs theirs.

        Raises:
            EndpointsError: it cannot be told which extension a phone belongs to.
        """
        owners: dict[Endpoint, Extension] = {}
        for extension, endpoint in endpoints.items():
            if endpoint in owners:
                raise EndpointsError(f"has the same endpoint as {owners[endpoint]}", extension)
            if endpoint.startswith("Local/"):
                raise EndpointsError("must name a phone; a Local channel is none", extension)
            owners[endpoint] = extension
        exceptional = frozenset(map(str, endpoints))
        return cls(_Template(channel, (one for one in numbers if str(one) not in exceptional)), endpoints)

    @classmethod
    def default(cls) -> Self:
        """Endpoints without a configuration: a phone of any technology whose name is an extension number."""
        return cls(_Anything())

    def endpoint(self, extension: Extension) -> Endpoint | None:
        """What to ring for an extension.

        Returns:
            The endpoint; None where the template has none that leads back to this extension (a foreign
            prefix when the names have none, or a name that an exception gives to another extension).
        """
        if extension in self._exceptions:
            return self._exceptions[extension]
        endpoint = self._rule.endpoint(extension)
        return None if endpoint in self._mapped else endpoint

    def of_device(self, device: str) -> Extension | None:
        """The extension of a device as DeviceStateChange names it, such as ``PJSIP/0003*210``."""
        return self._cached(device)

    def of_channel(self, channel: str) -> Extension | None:
        """The extension of a channel, by its name such as ``PJSIP/0003*210-0000002c``."""
        match = _CHANNEL.fullmatch(channel)
        return self._cached(match[1]) if match else None

    def _read(self, device: str) -> Extension | None:
        if device in self._mapped:
            return self._mapped[device]
        found = self._rule.extension(device)
        return None if found in self._exceptions else found
