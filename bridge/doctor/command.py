"""The command ``uapi-bridge doctor``: examine a PBX, print what was found, and say by the exit status how it stands."""

import argparse
import asyncio
import json
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.text import Text

from bridge.ami import LinkDown, NoAnswer, Refused, Timing
from bridge.doctor.asking import Heard, ask_all, open_session
from bridge.doctor.checks import judge
from bridge.doctor.findings import Finding, Level, ok, problem
from bridge.includes import MANAGER
from bridge.settings import AmiSettings, Settings, load

_STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination found.

    Attributes:
        pbx: Which PBX it was, as host:port.
        asterisk: Its version; empty where it did not say.
        findings: What was found, in order.
    """

    pbx: str
    asterisk: str
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; notes and warnings are none."""
        return self.count(Level.PROBLEM) == 0

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(finding.level is level for finding in self.findings)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--json", action="store_true", help="findings as one JSON object")
    parser.add_argument(
        "--no-probe",
        action="store_true",
        help="only ask: send no channel through the bridge's dialplan (for 0.2 s; it rings nobody, leaves a notice"
        " in Asterisk's log, and shows whether events, their filter and PickupChan() are as they must be)",
    )


def run(options: argparse.Namespace) -> int:
    """Examine the configured PBX.

    Returns:
        0 without problems, 1 with some.

    Raises:
        SettingsError: the configuration is not usable.
    """
    settings = load(options.config, os.environ)
    examination = asyncio.run(examine(settings, probing=not options.no_probe))
    if options.json:
        print(_as_json(examination))  # noqa: T201 -- it is what the command is for
    else:
        _print(examination)
    return 0 if examination.healthy else 1


async def examine(settings: Settings, *, probing: bool = True, timing: Timing | None = None) -> Examination:
    """Examine a PBX.

    Args:
        settings: The configuration that is to fit it.
        probing: Whether to send a channel through the bridge's dialplan.
        timing: How long to wait for answers.
    """
    ami = settings.ami
    pbx = f"{ami.host}:{ami.port}"
    heard = Heard()
    timing = timing or Timing()
    try:
        session = await open_session(ami, timing, heard)
    except LinkDown as error:
        return Examination(pbx, "", (unreachable(ami, error),))
    except Refused as error:
        return Examination(pbx, "", (_reached(ami), _no_login(ami, error)))
    met = [_reached(ami), ok("login", f"It takes the login of {ami.username}.")]
    try:
        facts = await ask_all(session, heard, settings, probing=probing, patience=timing.answer)
    except (LinkDown, NoAnswer, Refused) as error:
        lost = problem(
            "answers",
            f"Asterisk did not answer all questions. {error}",
            "look at `core show uptime` and `core show locks` on the PBX, and run the doctor again",
        )
        return Examination(pbx, "", (*met, lost))
    finally:
        await session.close(logoff=True)
    return Examination(pbx, facts.asterisk or "", (*met, *judge(facts)))


def _reached(ami: AmiSettings) -> Finding:
    return ok("reachable", f"Asterisk's manager interface answers at {ami.host}:{ami.port}.")


def unreachable(ami: AmiSettings, error: LinkDown) -> Finding:
    """Why a PBX cannot be connected to."""
    cause = error.__cause__
    where = f"{ami.host}:{ami.port}"
    if isinstance(cause, socket.gaierror):
        return problem("reachable", f"There is no host {ami.host}.", "correct ami.host in bridge.toml")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return problem(
            "reachable",
            f"The certificate of {where} is not to be trusted: {cause.verify_message}.",
            "set ami.ca_file to the CA that signed it; ami.host must be a name in it",
        )
    if isinstance(cause, ssl.SSLError) or (ami.tls and isinstance(cause, ConnectionResetError)):
        return problem(
            "reachable",
            f"{where} speaks no TLS.",
            "ami.port must be that of tlsbindaddr in manager.conf (5039 is usual), with tlsenable = yes; or ami.tls = false",
        )
    if isinstance(cause, ConnectionRefusedError):
        return problem(
            "reachable",
            f"Nobody listens at {where}.",
            "enabled = yes, bindaddr and port in [general] of manager.conf, then restart Asterisk; ami.host and"
            " ami.port in bridge.toml must say the same",
        )
    if isinstance(cause, OSError):
        return problem(
            "reachable",
            f"There is no way to {where}: {cause.strerror or cause}.",
            "ami.host in bridge.toml, or the network between",
        )
    return problem(
        "reachable",
        f"No Asterisk answers at {where}. {error}",
        "ami.host and ami.port must be those of manager.conf; a firewall may stand between, or Asterisk may hang",
    )


def _no_login(ami: AmiSettings, error: Refused) -> Finding:
    if error.message == "Login Already In Use":
        return problem(
            "login",
            f"Asterisk lets {ami.username} log in once at a time, and somebody is: the bridge itself, perhaps.",
            "allowmultiplelogin = yes in [general] of manager.conf, then `manager reload`: so that bridges can stand"
            " beside each other, and the doctor and the recorder beside them",
        )
    return problem(
        "login",
        f"Asterisk refuses the login of {ami.username} ({error.message}): no such user, another secret, or not from"
        " this address.",
        f"[{ami.username}] with the secret of ami.secret and a permit line for this machine in {MANAGER}, which Asterisk's"
        f" user must be able to read; #include {MANAGER} in manager.conf, then `manager reload`",
    )


def _as_json(examination: Examination) -> str:
    return json.dumps(
        {
            "healthy": examination.healthy,
            "pbx": examination.pbx,
            "asterisk": examination.asterisk,
            "findings": [asdict(finding) for finding in examination.findings],
        },
        ensure_ascii=False,
        indent=2,
    )


def _print(examination: Examination) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.id) for finding in examination.findings)
    for finding in examination.findings:
        line = Text(f"{finding.level:<8}", _STYLES[finding.level])
        line.append(f" {finding.id:<{width}}  ", "dim")
        line.append(finding.sentence)
        console.print(line)
        if finding.remedy:
            console.print(Text(f"{'':<{width + 11}}to do: {finding.remedy}"))
    console.print(Text(_summary(examination)))


def _summary(examination: Examination) -> str:
    counts: Sequence[tuple[str, int]] = (
        ("problem", examination.count(Level.PROBLEM)),
        ("warning", examination.count(Level.WARNING)),
    )
    told = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts if count)
    return told or "All is well."
