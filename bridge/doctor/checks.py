"""The checks: each looks at the facts and says what it found. The table at the end is the only list of them."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from bridge.ami import originate_runs_code
from bridge.calls import LIVE
from bridge.doctor.asking import PROBED
from bridge.doctor.facts import Facts
from bridge.doctor.findings import Finding, note, ok, problem, warning
from bridge.includes import CONTEXT, DIALPLAN, MANAGER, Step, steps

MOST_SHOWN = 8
"""Names that a sentence lists; of more it tells the number."""

CLOCK = 2.0
"""Seconds that two clocks may be apart."""

_VERSION = re.compile(r"(?:certified/)?(\d+)\.(\d+)")
_RELOAD = "then `core reload`"
_MANAGER_RELOAD = f"in {MANAGER}, then `manager reload`"

_FIRST_WITH_CHANNEL_EXISTS = {16: 22, 18: 8}
_FIRST_WITH_NAMED_FILTERS = {20: 11, 21: 6, 22: 1}
_TRIED = (16, 22)

_OLD_FILTER = f"eventfilter = Event: ({'|'.join(sorted(LIVE | {'OriginateResponse'}))})[^A-Za-z]"
"""The filter as older versions know it, a POSIX regular expression over the whole event (run on 16.28)."""

_RIGHTS = {"originate": ("Originate",), "call": ("Setvar", "Hangup"), "reporting": ("CoreSettings",)}
"""What ``write`` must have, and what is missing without it."""

_TIMED_OUT = "3"
"""OriginateResponse's Reason for a channel that was still on its way when its time was up."""

_POWERFUL = frozenset({"command", "config", "system"})

_FUNCTIONS = {
    "CHANNEL_EXISTS": ("func_channel.so", "whether the call is still there"),
    "IMPORT": ("func_logic.so", "where the caller is"),
    "DIALPLAN_EXISTS": ("func_dialplan.so", "whether the bridge's context is loaded"),
}


def check_version(facts: Facts) -> Iterator[Finding]:
    """Whether this version has what a pickup needs."""
    if facts.asterisk is None:
        return
    number = _number(facts.asterisk)
    if number is None:
        yield warning(
            "version",
            f"It is not known what Asterisk {facts.asterisk} can do: its version cannot be read.",
            "try a pickup; the bridge was tried on Asterisk 16 and 22",
        )
    elif number < (16, 22) or number < (number[0], _FIRST_WITH_CHANNEL_EXISTS.get(number[0], 0)):
        yield problem(
            "version",
            f"Asterisk {facts.asterisk} is too old: the bridge's dialplan needs CHANNEL_EXISTS().",
            "upgrade to 16.22, 18.8 or newer",
        )
    elif number[0] == 17:
        yield problem(
            "version", f"Asterisk {facts.asterisk} has no CHANNEL_EXISTS().", "upgrade to 18.8 or newer"
        )
    elif number[0] in _TRIED:
        yield ok("version", f"Asterisk {facts.asterisk}.")
    else:
        yield note(
            "version", f"Asterisk {facts.asterisk} should do; the bridge was tried on Asterisk 16 and 22."
        )


def check_cve(facts: Facts) -> Iterator[Finding]:
    """CVE-2024-42365: Originate runs code."""
    if facts.asterisk is None:
        return
    if originate_runs_code(facts.asterisk):
        yield warning(
            "cve-2024-42365",
            f"Asterisk {facts.asterisk} lets whoever has this manager user's secret run code on the PBX"
            " (CVE-2024-42365).",
            "upgrade to 18.24.2, 20.9.2, 21.4.2 or newer, unless your distribution has patched this one;"
            f" until then keep the secret and the permit lines of {MANAGER} tight",
        )
    else:
        yield ok("cve-2024-42365", "Originate runs no code of others (CVE-2024-42365).")


def check_files(facts: Facts) -> Iterator[Finding]:
    """Whether the manager user can write files: Asterisk denies no function as the name of a Variable (16.28, 22.10)."""
    if "ENV" not in facts.values or "Originate" not in facts.commands:
        return
    if facts.values["ENV"]:
        yield warning(
            "files",
            "Asterisk has the functions of func_env, FILE() among them: whoever has this manager user's secret can read"
            " and write files on the PBX with them, by a Variable of Originate, and so run code (what CVE-2024-42365"
            " closed is another way to the same).",
            "noload = func_env.so in modules.conf, then `module unload func_env.so`, unless your dialplan needs FILE() or"
            f" ENV(); then keep the secret and the permit lines of {MANAGER} tight",
        )
    else:
        yield ok("files", "The manager user can write no files: func_env is not loaded.")


def check_rights(facts: Facts) -> Iterator[Finding]:
    """Whether the manager user may do what a pickup needs."""
    if not facts.commands:
        return
    missing = {
        right: [name for name in names if name not in facts.commands]
        for right, names in _RIGHTS.items()
        if any(name not in facts.commands for name in names)
    }
    if missing:
        actions = [name for names in missing.values() for name in names]
        yield problem(
            "rights",
            f"The manager user {facts.settings.ami.username} has too few rights: it may not use {_list(actions)}.",
            f"add {_list(missing)} to its write line: write = originate,call,reporting {_MANAGER_RELOAD}",
        )
    else:
        yield ok("rights", "The manager user may do what a pickup needs.")


def check_excess(facts: Facts) -> Iterator[Finding]:
    """Whether the manager user may do what no pickup needs."""
    if not facts.commands:
        return
    held = {next(iter(classes)) for classes in facts.commands.values() if len(classes) == 1}
    excess = held - set(_RIGHTS)
    if not excess:
        yield ok("excess", "It may do little else.")
        return
    harm = ": with them its secret is worth as much as a shell on the PBX" if excess & _POWERFUL else ""
    yield warning(
        "excess",
        f"The manager user {facts.settings.ami.username} may do more than a pickup needs"
        f" ({_list(sorted(excess))}){harm}.",
        f"write = originate,call,reporting {_MANAGER_RELOAD}",
    )


def check_context(facts: Facts) -> Iterator[Finding]:
    """Whether the include file of the dialplan is loaded."""
    context = facts.settings.pbx.context
    for extension, what in (
        ("pickup", "where a phone goes that takes a call"),
        ("gone", "where the old leg goes"),
    ):
        value = facts.values.get(extension)
        if value == "0":
            yield problem(
                "context",
                f"The dialplan has no extension {extension} in the context {context}, {what}.",
                f"copy {DIALPLAN} (as `uapi-bridge init` writes it) to the PBX, put the line #include {DIALPLAN}"
                f" into extensions.conf, {_RELOAD}" + _renamed(context),
            )
        elif value == "1" and extension == "pickup":
            yield ok("context", f"The dialplan context {context} is loaded.")


def _renamed(context: str) -> str:
    return "" if context == CONTEXT else f"; its context must be called {context}, as pbx.context says"


def check_dialplan(facts: Facts) -> Iterator[Finding]:
    """Whether the dialplan that is loaded is the one that this version of the bridge brings."""
    if not facts.dialplan or facts.values.get("pickup") != "1":
        return
    shipped = steps()
    if facts.dialplan == shipped:
        yield ok("dialplan", "It is the one of this version of the bridge.")
        return
    first = next(_differing(facts.dialplan, shipped))
    yield warning(
        "dialplan",
        "The dialplan that is loaded is not the one of this version of the bridge; they differ from"
        f" {first.extension},{first.priority} on.",
        f"replace {DIALPLAN} by the one that `uapi-bridge init` writes, {_RELOAD}",
    )


def _differing(one: Sequence[Step], other: Sequence[Step]) -> Iterator[Step]:
    return (step for step in sorted({*one} ^ {*other}, key=lambda step: (step.extension, step.priority)))


def check_functions(facts: Facts) -> Iterator[Finding]:
    """Whether Asterisk has the functions that the dialplan calls."""
    if "pickup" not in facts.values:
        return
    asked = {name: facts.values.get(name, "") for name in ("CHANNEL_EXISTS", "IMPORT")}
    asked["DIALPLAN_EXISTS"] = facts.values["pickup"]
    missing = [name for name, value in asked.items() if not value]
    for name in missing:
        module, what = _FUNCTIONS[name]
        yield problem(
            "functions",
            f"Asterisk lacks the function {name}(), which tells {what}.",
            f"load = {module} in modules.conf, then `module load {module}`",
        )
    if not missing:
        yield ok("functions", "Asterisk has the functions that a pickup needs.")
    if facts.values.get("PJSIP_ENDPOINT") == "":
        yield warning(
            "functions",
            "Asterisk lacks the function PJSIP_ENDPOINT(), so a phone that is rung without a callerId shows its own"
            " number and no name.",
            "load = func_pjsip_endpoint.so in modules.conf, then `module load func_pjsip_endpoint.so`",
        )


def check_walk(facts: Facts) -> Iterator[Finding]:
    """Whether a channel gets through the dialplan to its end."""
    if facts.probe is None:
        return
    if facts.probe.refused:
        if "Originate" in facts.commands:
            yield problem(
                "walk",
                f"Asterisk does not let the manager user send a channel into the dialplan ({facts.probe.refused}).",
                f"compare {MANAGER} with the one that `uapi-bridge init` writes",
            )
    elif facts.probe.reason != _TIMED_OUT and facts.probe.causes == {"0"}:
        # An application that is not there ends the channel at once and without a cause (16.28 and 22.10).
        yield problem(
            "walk",
            "A channel that goes through the bridge's dialplan falls out of it: the application PickupChan() is missing.",
            "load = app_directed_pickup.so in modules.conf, then `module load app_directed_pickup.so`",
        )
    elif facts.probe.reason == _TIMED_OUT:
        yield ok("walk", "A channel gets through the bridge's dialplan, PickupChan() included.")


def check_events(facts: Facts) -> Iterator[Finding]:
    """Whether the events of calls reach the bridge."""
    if facts.probe is None or facts.probe.refused:
        return
    missing = PROBED - facts.probe.events
    if not facts.probe.events:
        yield problem(
            "events",
            "A channel came and went, and Asterisk sent no event of it: the bridge would see no calls.",
            f"read = call,agent {_MANAGER_RELOAD}; if it says so already, look at its eventfilter lines",
        )
    elif missing:
        yield problem(
            "events",
            f"The event filter keeps events from the bridge that it needs: {_list(sorted(missing))}.",
            f"take the eventfilter lines of the {MANAGER} that `uapi-bridge init` writes, then `manager reload`",
        )
    else:
        yield ok(
            "events", "The events of calls arrive (whether those of queues do shows when somebody queues)."
        )


def check_filter(facts: Facts) -> Iterator[Finding]:
    """Whether Asterisk sends only the events that count."""
    if facts.probe is None or not facts.probe.events:
        return
    if not facts.probe.unwanted:
        yield ok("filter", "The event filter is in place.")
        return
    number = _number(facts.asterisk or "")
    if number and not _knows_named_filters(number):
        yield warning(
            "filter",
            f"Asterisk {facts.asterisk} does not know the eventfilter(...) lines and sends every event: it works, at"
            " several times the cost.",
            f"{_OLD_FILTER} {_MANAGER_RELOAD}, or upgrade to 20.11, 21.6 or 22.1",
        )
    else:
        yield warning(
            "filter",
            f"Asterisk sends events that the bridge does not need ({_list(sorted(facts.probe.unwanted))} among them):"
            " the event filter is not in place.",
            f"take the eventfilter lines of the {MANAGER} that `uapi-bridge init` writes, then `manager reload`",
        )


def check_timestamps(facts: Facts) -> Iterator[Finding]:
    """Whether events say when they happened."""
    if facts.probe is None or not facts.probe.events:
        return
    if facts.probe.stamped:
        yield ok("timestamps", "Events carry their own time.")
    else:
        yield note(
            "timestamps",
            "Events do not say when they happened; the bridge dates them when it reads them.",
            "timestampevents = yes in [general] of manager.conf, then `manager reload`",
        )


def check_clock(facts: Facts) -> Iterator[Finding]:
    """Whether both machines mean the same time."""
    if facts.clock is None:
        return
    if abs(facts.clock) <= CLOCK:
        yield ok("clock", "The clocks agree.")
    else:
        yield warning(
            "clock",
            f"The PBX's clock is {abs(facts.clock):.0f} s {'ahead of' if facts.clock > 0 else 'behind'} ours: calls"
            " would be dated wrongly.",
            "let both machines set their clocks by NTP",
        )


def check_cdr(facts: Facts) -> Iterator[Finding]:
    """Whether calls that were answered before the bridge started can be dated."""
    if facts.cdr is None:
        return
    if facts.cdr:
        yield ok("cdr", "CDRs are on.")
    else:
        yield note(
            "cdr",
            "CDRs are off, so calls that were answered before the bridge started have no time of answer.",
            "enable = yes in [general] of cdr.conf, then `module reload cdr`",
        )


def check_devices(facts: Facts) -> Iterator[Finding]:
    """Whether Asterisk lists its phones."""
    if facts.unknown("DeviceStateList"):
        yield problem(
            "devices",
            "Asterisk cannot list its phones (DeviceStateList), and the bridge does not start without.",
            "load = res_manager_devicestate.so in modules.conf, then `module load res_manager_devicestate.so`",
        )
    elif facts.devices is not None:
        yield ok("devices", "Asterisk lists its phones.")


def check_extensions(facts: Facts) -> Iterator[Finding]:
    """Whether each configured extension has a phone, and each pattern covers one."""
    if facts.devices is None:
        return
    if not any(facts.settings.numbers()):
        yield _nobody(facts)
        return
    phones = facts.phones()
    absent = [
        f"{extension} ({endpoint})"
        for extension, endpoint in phones.items()
        if endpoint and facts.devices.get(endpoint, "INVALID") == "INVALID"
    ]
    nameless = [extension for extension, endpoint in phones.items() if endpoint is None]
    queues = [queue.extension for queue in facts.settings.queues]
    unused = [
        pattern
        for pattern, covered in facts.covered().items()
        if not covered and not any(pattern.matches(queue) for queue in queues)
    ]
    if absent:
        yield problem(
            "extensions",
            f"Asterisk has no endpoint for {_list(absent)}.",
            "correct the number in [[users]], or pbx.channel, or [pbx.endpoints] in bridge.toml; or create the endpoint"
            " on the PBX",
        )
    if nameless:
        yield problem(
            "extensions",
            f"pbx.channel ({facts.settings.pbx.channel}) names no phone for {_list(nameless)}.",
            "write {extension} into pbx.channel, or name the endpoint in [pbx.endpoints]",
        )
    if unused:
        yield warning(
            "extensions",
            f"Asterisk has no endpoint that is covered by {_list(unused)}.",
            "correct the pattern in [[users]], or pbx.channel, in bridge.toml",
        )
    if not (absent or nameless or unused):
        yield ok("extensions", "Each configured extension has an endpoint.")


def _nobody(facts: Facts) -> Finding:
    """No extension is configured: which ones there could be."""
    endpoints = facts.settings.endpoints()
    found = [extension for device in sorted(facts.listed) if (extension := endpoints.of_device(device))]
    listed = ", ".join(f'"{extension}"' for extension in found) or '"210", ...'
    there = f"; the PBX has phones for {_list(found)}" if found else ""
    return warning(
        "extensions",
        f"No extension is configured, so nobody's calls are seen{there}.",
        f"extensions = [{listed}] in [[users]] of bridge.toml",
    )


def check_registered(facts: Facts) -> Iterator[Finding]:
    """Whether the phones of the configured extensions are there."""
    if facts.devices is None or not any(facts.settings.numbers()):
        return
    phones = dict(facts.phones())
    for covered in facts.covered().values():
        phones.update(covered)
    away = [
        extension
        for extension, endpoint in phones.items()
        if facts.devices.get(endpoint or "") == "UNAVAILABLE"
    ]
    if away:
        yield warning(
            "registered",
            f"No phone is registered for {_list(sorted(away))}; calls cannot be sent there.",
            "switch the phone on, or look at its registration with `pjsip show endpoint`",
        )
    else:
        yield ok("registered", "Their phones are registered.")


def check_queues(facts: Facts) -> Iterator[Finding]:
    """Whether the configured queues exist."""
    configured = facts.settings.queues
    if facts.unknown("QueueStatus"):
        if configured:
            yield problem(
                "queues",
                "Asterisk has no queues: app_queue is not loaded.",
                "load = app_queue.so in modules.conf, or take the [[queues]] out of bridge.toml",
            )
        else:
            yield note("queues", "Asterisk has no queues: app_queue is not loaded.")
        return
    missing = [name for name, there in facts.queues.items() if not there]
    if missing:
        yield problem(
            "queues",
            f"Asterisk has no queue called {_list(missing)}.",
            "correct the name in [[queues]] in bridge.toml: it is that of the section in queues.conf",
        )
    elif configured and facts.queues:
        yield ok("queues", "The configured queues exist.")


def check_parking(facts: Facts) -> Iterator[Finding]:
    """Whether calls can be parked."""
    if facts.parking:
        yield ok("parking", "Parked calls can be seen.")
    elif facts.unknown("ParkedCalls"):
        yield note("parking", "Nobody can park calls here: res_parking is not loaded.")


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    check_version,
    check_cve,
    check_files,
    check_rights,
    check_excess,
    check_context,
    check_dialplan,
    check_functions,
    check_walk,
    check_events,
    check_filter,
    check_timestamps,
    check_clock,
    check_cdr,
    check_devices,
    check_extensions,
    check_registered,
    check_queues,
    check_parking,
)
"""All of them, in the order in which they are told."""


def judge(facts: Facts) -> list[Finding]:
    """What all checks say."""
    return [finding for check in CHECKS for finding in check(facts)]


def _number(version: str) -> tuple[int, int] | None:
    match = _VERSION.match(version)
    return (int(match[1]), int(match[2])) if match else None


def _knows_named_filters(number: tuple[int, int]) -> bool:
    major, minor = number
    return major > 22 or minor >= _FIRST_WITH_NAMED_FILTERS.get(major, 1000)


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    more = len(shown) - MOST_SHOWN
    return ", ".join(shown[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
