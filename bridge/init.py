"""``uapi-bridge init``: a configuration for one's own PBX, with fresh secrets, and the two files that the PBX includes."""

import argparse
import asyncio
import getpass
import json
import os
import secrets
import shlex
import socket
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

from bridge import tokens
from bridge.ami import AmiError, LinkDown, Request, Timing
from bridge.calls import text
from bridge.doctor import Heard, open_session, unreachable
from bridge.files import whole
from bridge.grammar import Endpoint, Extension, GrammarError
from bridge.includes import DIALPLAN, MANAGER, dialplan_conf, manager_conf
from bridge.patterns import Pattern
from bridge.settings import AmiSettings, Problem, SettingsError, checked, is_loopback
from bridge.terminal import complain

CONFIGURATION = "bridge.toml"
SECRET_VARIABLE = "AMI_SECRET"  # noqa: S105 -- the name of an environment variable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pbx:
    """What a PBX said it has.

    Attributes:
        phones: Its endpoints.
        queues: The names of its queues.
        silent: What it would not tell, and why.
    """

    phones: tuple[Endpoint, ...] = ()
    queues: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """How the endpoints of a PBX become extensions.

    Attributes:
        channel: ``pbx.channel``.
        extensions: The numbers, or patterns, to configure.
        endpoints: Exceptions, for ``pbx.endpoints``.
        unnamed: Endpoints whose names are no numbers.
    """

    channel: str = "PJSIP/{extension}"
    extensions: tuple[str, ...] = ()
    endpoints: dict[str, str] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to write; made if it is not there")
    parser.add_argument(
        "--force", action="store_true", help="overwrite, with new secrets, what is there already"
    )
    parser.add_argument(
        "--ami-host", default="127.0.0.1", metavar="HOST", help="the PBX; default: this machine"
    )
    parser.add_argument("--ami-port", type=int, metavar="PORT", help="default: 5038, and 5039 with TLS")
    parser.add_argument("--ami-tls", action="store_true", help="speak TLS to the manager interface")
    parser.add_argument(
        "--ami-ca",
        type=Path,
        metavar="FILE",
        help="speak TLS, and trust the CA in this PEM file; default: those that this machine trusts",
    )
    parser.add_argument(
        "--permit",
        type=_network,
        metavar="ADDRESS",
        help="address or network from which the PBX lets the bridge in; default: the address that this machine has"
        " towards it",
    )
    parser.add_argument(
        "--read-as",
        metavar="USER",
        help=f"an existing manager user (whose write has call or reporting) to read the PBX's phones and queues with; its"
        f" secret comes from {SECRET_VARIABLE} in the environment, or is asked for",
    )
    parser.add_argument(
        "--extensions",
        type=_checked(Pattern.parse),
        nargs="+",
        default=[],
        metavar="NUMBER",
        help="numbers to configure, such as '0003*210' or '0003*1??' (? is one digit); default: the PBX's phones",
    )
    parser.add_argument(
        "--prefix",
        type=_prefix,
        metavar="DIGITS",
        help="what UAPI is to see before the PBX's numbers: with 0003 the phone PJSIP/210 is extension 0003*210",
    )


def _checked(parse: Callable[[object], T]) -> Callable[[str], T]:
    def check(argument: str) -> T:
        try:
            return parse(argument)
        except GrammarError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return check


def _prefix(argument: str) -> Extension:
    """A prefix, with the star that follows it or without."""
    prefix = argument.removesuffix("*")
    if not (prefix.isascii() and prefix.isdigit()):
        raise argparse.ArgumentTypeError("must be digits, such as 0003")
    return _checked(Extension.parse)(prefix)


def _network(argument: str) -> str:
    try:
        return str(ip_network(argument, strict=False))
    except ValueError:
        raise argparse.ArgumentTypeError(
            "must be an address or a network, such as 192.0.2.7 or 192.0.2.0/24"
        ) from None


def run(options: argparse.Namespace) -> int:
    """Write the three files, and say what to do with them.

    Returns:
        0, or 1 where they are there already or the PBX could not be read.

    Raises:
        SettingsError: the options make no usable configuration.
    """
    folder: Path = options.directory
    files = [folder / name for name in (CONFIGURATION, MANAGER, DIALPLAN)]
    secret, token = secrets.token_hex(24), tokens.make()
    ami = _ami(options, secret)
    try:
        there = [str(file) for file in files if file.exists()]
        if there and not options.force:
            complain(f"already there: {', '.join(there)}; --force overwrites, with new secrets")
            return 1
        pbx = asyncio.run(read(ami)) if options.read_as else Pbx()
    except LinkDown as error:
        complain(unreachable(ami, error).sentence)
        return 1
    except AmiError as error:
        complain(f"{ami.host}:{ami.port}: {error}")
        return 1
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return 1
    numbers = (
        given(options.extensions, options.prefix)
        if options.extensions
        else number(pbx.phones, options.prefix)
    )
    if options.prefix and not numbers.extensions:
        for line in _untold(pbx):
            complain(line)
        complain(
            "--prefix has no number to stand before: name some by --extensions, or read them by --read-as"
        )
        return 1
    toml = configuration(ami, secret, token.sha256, numbers, pbx)
    checked(tomllib.loads(toml))
    permit = options.permit or _own_address(ami.host)
    try:
        for file, content in zip(
            files,
            (toml, manager_conf(secret=secret, permit=permit or "127.0.0.1"), dialplan_conf()),
            strict=True,
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole(file) as out:
                out.write(content)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return 1
    for line in _next_steps(folder, token.text, numbers, pbx, permit):
        print(line)  # noqa: T201 -- it is what the command is for
    return 0


# --- reading the PBX


def _ami(options: argparse.Namespace, secret: str) -> AmiSettings:
    """Where the PBX is, and as whom to log in: as the bridge itself with its new secret, or as who is to read it."""
    tls = options.ami_tls or options.ami_ca is not None
    ami: dict[str, str | int | bool] = {
        "host": options.ami_host,
        "port": options.ami_port if options.ami_port is not None else 5039 if tls else 5038,
        "tls": tls,
        "ca_file": str(options.ami_ca.absolute()) if options.ami_ca else "",
        "secret": secret,
    }
    if options.read_as:
        ami |= {"username": options.read_as, "secret": _secret(options.read_as)}
    return checked({"ami": ami}).ami


def _secret(username: str) -> str:
    secret = os.environ.get(SECRET_VARIABLE)
    if not secret and sys.stdin.isatty():
        secret = getpass.getpass(f"secret of the manager user {username}: ")
    if not secret:
        raise SettingsError([Problem(SECRET_VARIABLE, f"must be the secret of {username}", "environment")])
    return secret


async def read(ami: AmiSettings, timing: Timing | None = None) -> Pbx:
    """Ask a PBX for its phones and queues.

    Args:
        ami: Where, and as whom.
        timing: How long to wait for answers.

    Raises:
        AmiError: it cannot be asked.
    """
    heard = Heard()
    session = await open_session(ami, timing or Timing(), heard)
    silent = []
    try:
        for name, what in (("DeviceStateList", "phones"), ("QueueStatus", "queues")):
            try:
                await session.ask(Request(name, rows=True))
            except LinkDown:
                raise
            except AmiError as error:
                silent.append(f"its {what} ({error})")
    finally:
        await session.close(logoff=True)
    devices = {text(event, "Device") for event in heard.events if event["Event"] == "DeviceStateChange"}
    queues = {text(event, "Queue") for event in heard.events if event["Event"] == "QueueParams"}
    phones = (Endpoint.maybe(device) for device in sorted(devices))
    return Pbx(
        phones=tuple(phone for phone in phones if phone and not phone.startswith("Local/")),
        queues=tuple(sorted(queue for queue in queues if queue.isprintable())),
        silent=tuple(silent),
    )


# --- numbers


def given(patterns: Iterable[Pattern], prefix: Extension | None) -> Numbers:
    """Numbers that the operator named, long or with the prefix still to come."""
    if prefix is None:
        return Numbers(extensions=tuple(patterns))
    long = tuple(one if "*" in one else f"{prefix}*{one}" for one in patterns)
    return Numbers("PJSIP/{short}", long)


def number(phones: Sequence[Endpoint], prefix: Extension | None) -> Numbers:
    """Find the extensions in the names of a PBX's endpoints.

    Args:
        phones: The endpoints.
        prefix: What UAPI shall see before numbers that have no star; None for nothing.
    """
    parts = [phone.partition("/")[::2] for phone in phones]
    numeric = [(technology, name) for technology, name in parts if Extension.maybe(name)]
    if not numeric:
        return Numbers(unnamed=tuple(phones))
    common = Counter(technology for technology, _ in numeric).most_common(1)[0][0]
    short = prefix is not None and not any("*" in name for _, name in numeric)
    extensions: dict[str, str] = {}
    # Those of the common technology come first: a number that two have is theirs.
    for technology, name in sorted(numeric, key=lambda one: one[0] != common):
        extensions.setdefault(f"{prefix}*{name}" if short else name, technology)
    template = f"{common}/{{short}}" if short else f"{common}/{{extension}}"
    return Numbers(
        channel=template,
        extensions=tuple(sorted(extensions)),
        endpoints={
            extension: f"{technology}/{extension.rpartition('*')[2] if short else extension}"
            for extension, technology in sorted(extensions.items())
            if technology != common
        },
        unnamed=tuple(phone for phone in phones if not Extension.maybe(phone.partition("/")[2])),
    )


# --- writing


def configuration(ami: AmiSettings, secret: str, token_sha256: str, numbers: Numbers, pbx: Pbx) -> str:
    """A ``bridge.toml`` with what has no good default; all other keys are in ``bridge.example.toml``.

    Args:
        ami: Where the PBX is.
        secret: The secret of the bridge's own manager user.
        token_sha256: The hash of the first App's token.
        numbers: Its extensions.
        pbx: What the PBX said it has.
    """
    ca_file = f"ca_file = {_toml(ami.ca_file)}\n" if ami.ca_file else ""
    exceptions = "".join(f"{_toml(one)} = {_toml(phone)}\n" for one, phone in numbers.endpoints.items())
    unnamed = "".join(f"# {_toml('a number')} = {_toml(phone)}\n" for phone in numbers.unnamed)
    queues = "".join(
        f'\n# [[queues]]\n# name = {_toml(queue)}\n# extension = "the number that callers dial"\n'
        for queue in pbx.queues
    )
    return f"""\
# The configuration of the UAPI bridge. `uapi-bridge check` says what is wrong with it, `uapi-bridge doctor` whether
# the PBX fits; bridge.example.toml has every key there is.

[http]
host = "127.0.0.1"
port = 8080

[ami]
host = {_toml(ami.host)}
port = {ami.port}
tls = {_toml(ami.tls)}
{ca_file}username = "uapi"
# The same as in {MANAGER}.
secret = {_toml(secret)}

[pbx]
# How an extension becomes an endpoint.
channel = {_toml(numbers.channel)}

# Extensions whose endpoint has another name.
[pbx.endpoints]
{exceptions}{unnamed}
[[organizations]]
id = "1"
name = "Default Organization"

# Role organization: may act for the extensions of all users of the organization.
[[users]]
id = "1"
name = "Operator"
organization = "1"
role = "organization"
extensions = [{_lines(numbers.extensions)}]
{queues}
# Its token was shown when this file was written; `uapi-bridge token` makes another.
[[apps]]
id = "app-1"
user = "1"
tokens_sha256 = [{_toml(token_sha256)}]
"""


def _lines(extensions: Sequence[str]) -> str:
    rows = [
        ", ".join(_toml(one) for one in extensions[start : start + 8])
        for start in range(0, len(extensions), 8)
    ]
    return "\n" + "".join(f"    {row},\n" for row in rows) if rows else ""


def _toml(value: str | bool) -> str:  # noqa: FBT001 -- a value like any other
    """A value as TOML, whose texts have the escapes of JSON."""
    return json.dumps(value, ensure_ascii=False)


def _own_address(host: str) -> str | None:
    """The address that this machine has towards a host; None where there is no way."""
    if is_loopback(host):
        return "127.0.0.1"
    with suppress(OSError):
        # Connecting a datagram socket sends nothing; it only chooses the way.
        family, _, _, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as way:
            way.connect(address)
            return str(way.getsockname()[0]).partition("%")[0]  # of an IPv6 address, which interface it is at
    return None


def _untold(pbx: Pbx) -> list[str]:
    return [f"The PBX did not tell {what}." for what in pbx.silent]


def _next_steps(folder: Path, token: str, numbers: Numbers, pbx: Pbx, permit: str | None) -> list[str]:
    config = folder / CONFIGURATION
    manager, dialplan = folder / MANAGER, folder / DIALPLAN
    copies = "".join(
        f"\n       install -D -g asterisk -m 640 {shlex.quote(str(file))} /etc/asterisk/{name}"
        for file, name in ((manager, MANAGER), (dialplan, DIALPLAN))
    )
    include = (
        "Add to manager.conf there, which must say enabled = yes, unless it includes manager.d/*.conf already, as Debian's"
        f" does (FreePBX: manager_custom.conf):\n       #include {MANAGER}"
    )
    steps = [
        f"Copy, on the PBX and as root there, so that Asterisk (its group is asterisk) and nobody else can read them:{copies}",
        include,
        f"Add to extensions.conf there (FreePBX: extensions_custom.conf):\n       #include {DIALPLAN}",
        "Reload Asterisk:\n       asterisk -rx 'core reload'",
        f"Ask whether all is well:\n       uapi-bridge doctor --config {config}",
        f"Serve:\n       uapi-bridge serve --config {config}",
    ]
    if permit is None:
        steps.insert(0, f"Add a permit line for this machine's address to {manager}.")
    if not numbers.extensions:
        steps.insert(
            -1,
            f"Write your extensions into [[users]] of {config}: none are in it yet, the doctor lists them.",
        )
    if numbers.unnamed:
        steps.insert(
            0,
            f"Give a number to the endpoints that have none, in [pbx.endpoints] of {config}, or leave them out.",
        )
    if pbx.queues:
        steps.insert(0, f"Give an extension to the queues that are to be seen, in {config}.")
    return [
        *_untold(pbx),
        f"Written: {config}, {manager}, {dialplan}; {len(numbers.extensions)} extensions.",
        f"The token of app-1, shown only now:\n       {token}",
        "",
        *(f"  {place}. {step}" for place, step in enumerate(steps, 1)),
    ]
