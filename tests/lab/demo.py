"""``make demo``: a call is picked up through the API on a real Asterisk, told step by step.

``demo`` tells the story and takes everything down; ``demo --keep`` leaves it up in the background, ``demo phone``
gives one of its phones a hand, ``demo down`` ends it.
"""

import argparse
import asyncio
import functools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from rich.console import Console
from rich.markup import escape

from lab import keep, root
from lab.asterisk import Asterisk
from lab.floor import Lab
from lab.phone import PhoneCall, PhoneError
from lab.ports import is_free
from lab.service import JOHN, Bridge

CALLER, CALLED, TAKER, SPARE = "0003*100", "0003*210", "0003*024", "0003*101"
SHOWN = ("John Doe", "42420042")
CALLER_ID = "{} <{}>".format(*SHOWN)

_console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave everything up")
    parser.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command")
    phone = commands.add_parser("phone")
    phone.add_argument("extension")
    phone.add_argument("do")
    phone.add_argument("to", nargs="?", default="")
    commands.add_parser("down")
    options = parser.parse_args()
    if options.command:
        return _ask_the_kept_one(options)
    if why := root.unavailable():
        _console.print(escape(f"The demo cannot run here: {why}"))
        return 1
    if options.keep:
        return _leave_up()
    try:
        asyncio.run(_demo(keep_up=options.detached))
    except root.LabUnavailableError as why:
        _console.print(escape(f"The demo cannot run here: {why}"))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


# ---------------------------------------------------------------- the story


async def _demo(*, keep_up: bool) -> None:
    began = time.monotonic()
    _console.print(
        "[bold]Call pickup by UAPI:[/] an app has a call that rings at one phone taken by another.\n"
        "The caller keeps his place until the other phone has answered.\n"
        "\n[dim]Starting Asterisk, softphones and the bridge ...[/]"
    )
    lab = Lab(asterisk=_asterisk(keep_up=keep_up), phones=(CALLER, CALLED, TAKER))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lab)
        port = 8080 if keep_up and is_free(8080) else 0
        bridge = await stack.enter_async_context(Bridge(lab.asterisk.ami, port=port))
        versions = await asyncio.to_thread(root.versions)
        _console.print(
            f"Up after {time.monotonic() - began:.1f} s: {versions}, on the configuration in asterisk-conf/;\n"
            f"softphones for {CALLER}, {CALLED} and {TAKER}; uapi-bridge at {bridge.url}.\n"
            "Elsewhere in the house two others talk and a third is parked, as in any office."
        )
        await _tell(lab, bridge)
        if keep_up:
            _console.print(_instructions(lab, bridge))
            await keep.serve(functools.partial(_hand, lab))
    if not keep_up:
        _console.print("\n[dim]Everything is down again: no process and no mount is left.[/]")


def _asterisk(*, keep_up: bool) -> Asterisk:
    """Left up, it is there for phones outside this machine, on SIP's own port where that is free."""
    if not keep_up:
        return Asterisk()
    return Asterisk(sip=("0.0.0.0", 5060 if is_free(5060, socket.SOCK_DGRAM) else 0))


async def _tell(lab: Lab, bridge: Bridge) -> None:
    """A calls B; an app has C take it."""
    caller, called, taker = lab[CALLER], lab[CALLED], lab[TAKER]

    _step(f"{CALLER} calls {CALLED}. It rings there.")
    outgoing = await caller.dial(CALLED)
    ring = await called.wait_for_ring()
    _phone(CALLED, f"rings, showing {_display(ring.name, ring.number)}")
    _phone(CALLER, "hears it ringing")

    _step(f"An app asks which calls there are at {CALLED}.")
    call = await bridge.seen(CALLED)
    address = f"/uapi/phoneCalls/@me/{CALLED}"
    _exchange("GET", bridge, address, None, await bridge.get("@me", CALLED))

    _step(f"Nobody is at {CALLED}. The app has the call picked up by {TAKER}.")
    asked = time.monotonic()
    reply = await bridge.pick_up(CALLED, call["id"], TAKER, caller_id=CALLER_ID, ring=20)
    body = json.loads(reply.request.content)
    _exchange("PUT", bridge, f"{address}/{call['id']}", body, reply)

    picked = await taker.wait_for_ring()
    _phone(
        TAKER,
        f"rings {(picked.since - asked) * 1000:.0f} ms after the PUT, showing {_display(picked.name, picked.number)}",
    )
    _phone(CALLER, f"still hears {CALLED} ringing: he has lost nothing")
    await taker.accept(picked)
    answered = time.monotonic()
    await lab.wait_together(CALLER, TAKER)
    took = max(1, (time.monotonic() - answered) * 1000)
    await caller.wait_shown(outgoing, *SHOWN)
    _phone(TAKER, "answers")
    _phone(CALLER, f"talks to {TAKER} within {took:.0f} ms, and is shown {_display(*SHOWN)}")
    stopped = await called.wait_closed(ring)
    told = (
        "answered elsewhere: no missed call"
        if stopped.elsewhere
        else f"{stopped.reason}, cause {stopped.cause}"
    )
    _phone(CALLED, f"stops ringing, told [bold]{told}[/]")
    await lab.wait_sound(CALLER, TAKER)
    _phone(TAKER, f"and {CALLER} hear each other (RTP packets flow both ways)")

    _step(f"The list again: the same call, its view 01 is at {TAKER} now, status 5 (talking).")
    _exchange("GET", bridge, address, None, await bridge.get("@me", CALLED))

    await taker.hangup()
    await caller.wait_closed(outgoing)
    await lab.assert_company_untouched()
    _step(f"{TAKER} hangs up, and {CALLER} is free. The others in the house noticed nothing.")
    await lab.reset()


def _step(text: str) -> None:
    _console.rule(style="dim")
    _console.print(f"[bold]{text}[/]")


def _phone(extension: str, text: str) -> None:
    _console.print(f"  [cyan]{extension}[/] {text}")


def _display(name: str, number: str) -> str:
    return f"[bold]{escape(name)} {escape(number)}[/]"


def _exchange(method: str, bridge: Bridge, path: str, body: Any, reply: httpx2.Response) -> None:
    """Show a request as one would type it, and the reply as curl -i would."""
    lines = [
        f"$ curl -i -X {method}" if method != "GET" else "$ curl -i",
        f"-H 'Authorization: Bearer {JOHN}'",
    ]
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(body)}'"]
    lines.append(f"'{bridge.url}{path}'")
    _console.print(f"[green]{escape(chr(10).join(_folded(lines)))}[/]")
    _console.print(f"[yellow]HTTP/1.1 {reply.status_code} {reply.reason_phrase}[/]")
    _console.print(f"[yellow]{escape(_pretty(reply.json()))}[/]")


def _folded(words: list[str], width: int = 110) -> list[str]:
    """Fold a command over lines that a shell takes as one."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines[-1] += " \\"
            lines.append(f"    {word}")
    return lines


def _pretty(value: Any, indent: str = "", width: int = 110) -> str:
    """JSON with whatever fits on a line on one line."""
    flat = json.dumps(value)
    if len(indent) + len(flat) <= width or not isinstance(value, dict | list) or not value:
        return flat
    inner = f"{indent}  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_pretty(item, inner, width)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _pretty(item, inner, width) for item in value) + f"\n{indent}]"


# ---------------------------------------------------------------- left up


def _leave_up() -> int:
    """Tell the story from a process of its own, and come back when it has only to be there."""
    if keep.running():
        _console.print("A demo is up already: make demo-down ends it.")
        return 1
    child = subprocess.Popen([sys.executable, "-m", "lab.demo", "--detached"], start_new_session=True)
    try:
        while (status := child.poll()) is None:
            if keep.running() == child.pid:
                return 0
            time.sleep(0.1)
    except KeyboardInterrupt:
        child.terminate()
        return 130
    return status


def _instructions(lab: Lab, bridge: Bridge) -> str:
    calls = f"{bridge.url}/uapi/phoneCalls/@me/{CALLED}"
    authorized = f"-H 'Authorization: Bearer {JOHN}'"
    body = json.dumps(
        {"action": "PickUp", "sendCallTo": TAKER, "callerId": CALLER_ID, "phoneCallViewId": "01"}
    )
    first_id = 'grep -o \'"id":"[0-9a-f]*"\' | head -1 | cut -d\'"\' -f4'
    lines = f"""
[bold]All of it stays up.[/] By hand, in any terminal here:

  call      make phone EXT='{CALLER}' DO=dial TO='{CALLED}'
  list      curl {authorized} '{calls}'
  pick up   ID=$(curl -s {authorized} '{calls}' | {first_id})
            curl -i -X PUT {authorized} \\
                -d '{body}' \\
                "{calls}/$ID"
  answer    make phone EXT='{TAKER}' DO=accept
  more      DO=hangup, decline, hold, resume, transfer TO=..., dtmf TO=..., show
  numbers   {CALLER}, {CALLED}, {TAKER}; 0003*900 is a queue, 700 parks, slots from 702

A real softphone registers at {_address()}:{lab.asterisk.sip_port} (UDP) as {SPARE} with the password change-me;
it can be called, and picks calls up with "sendCallTo": "{SPARE}".

  down      make demo-down"""
    return lines.replace("[0-9a-f]", "\\[0-9a-f]")


def _address() -> str:
    """This machine's own address on its way out; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


async def _hand(lab: Lab, extension: str, do: str, to: str) -> str:
    """Do at a phone what a hand would do, and say what its display shows then."""
    try:
        phone = lab[extension]
    except KeyError:
        raise PhoneError(
            f"there is no softphone {extension}; there are {', '.join(sorted(lab.phones))}"
        ) from None
    alone: dict[str, Callable[[], Awaitable[object]]] = {
        "accept": phone.accept,
        "decline": phone.decline,
        "hangup": phone.hangup,
        "hold": phone.hold,
        "resume": phone.resume,
    }
    with_number: dict[str, Callable[[str], Awaitable[object]]] = {
        "dial": phone.dial,
        "transfer": phone.transfer,
        "dtmf": phone.dtmf,
    }
    if do in alone:
        await alone[do]()
    elif do in with_number and to:
        await with_number[do](to)
    elif do != "show":
        raise PhoneError(f"DO is one of {', '.join(alone)}, show, or with TO=number {', '.join(with_number)}")
    lines = [_described(phone.extension, call, phone.shown(call)) for call in phone.calls.values()]
    return "\n".join(lines) or f"{phone.extension}: no call"


def _described(extension: str, call: PhoneCall, shown: tuple[str, str]) -> str:
    other = " ".join(part for part in shown if part)
    end = " (answered elsewhere)" if call.elsewhere else f" ({call.reason})" if call.reason else ""
    return f"{extension}: {call.direction} call, {other}: {call.state}{end}"


def _ask_the_kept_one(options: argparse.Namespace) -> int:
    """``make phone`` and ``make demo-down``: talk to the demo that was left up."""
    if not (pid := keep.running()):
        _console.print("No demo is up: make demo KEEP=1 starts one.")
        return 0 if options.command == "down" else 1
    if options.command == "phone":
        done, text = keep.ask({"extension": options.extension, "do": options.do, "to": options.to})
        _console.print(escape(text))
        return 0 if done else 1
    keep.ask({"do": "down"})
    while _alive(pid):
        time.sleep(0.05)
    _console.print("Everything is down: no process and no mount is left.")
    return 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
