"""``uapi-bridge calls`` and ``uapi-bridge pickup``: the API's own client for a terminal and for scripts.

It knows nothing but the API: it works against any bridge, and shows what any other client would get.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote

import httpx2
from rich.console import Console
from rich.live import Live
from rich.prompt import Prompt
from rich.table import Table
from rich.text import Text

from bridge.grammar import Extension, GrammarError
from bridge.terminal import complain

DEFAULT_URL = "http://127.0.0.1:8080"
LONGEST_WAIT = 55.0
"""Seconds: a request may wait for an outcome for 60, and the phone must have stopped ringing by then."""

_MARGIN = 3
_PATIENCE = 10.0
"""Seconds until a bridge that says nothing is given up, besides those that it was asked to wait."""

_WIDE = 200
"""Columns of a table that no terminal limits."""


class Exit(IntEnum):
    """How it went, for scripts."""

    DONE = 0
    REFUSED = 1
    """The API refuses the request: wrong, or not allowed."""
    USAGE = 2
    """The command line, or the token, is missing something."""
    NOTHING = 3
    """There is no such call, or there are several and none was named."""
    NO_ANSWER = 4
    """Nobody answered in time; the call is where it was."""
    GONE = 5
    """The caller hung up meanwhile."""
    UNAVAILABLE = 6
    """The phone is busy, declined, or cannot be reached."""
    CONFLICT = 7
    """Somebody else took the call, or it cannot be picked up as it is."""
    UNREACHABLE = 8
    """The bridge, or its PBX, cannot be asked now."""
    STILL_RINGING = 9
    """The outcome is not known yet."""


EXIT_STATUS = """\
exit status: 0 connected (with --wait 0: the phone rings), 1 refused, 2 wrong usage, 3 no such call or several,
  4 not answered, 5 the caller hung up, 6 the phone is busy or cannot be reached, 7 taken by somebody else,
  8 the bridge or its PBX cannot be reached, 9 still ringing"""

_STATES = MappingProxyType(
    {"1": "off hook", "2": "dialling", "3": "ringing", "4": "calling", "5": "talking", "0": "unknown"}
)


class ClientError(Exception):
    """Something that ends the command; the text is for the person, the status for the script."""

    def __init__(self, status: Exit, message: str) -> None:
        super().__init__(message)
        self.status = status


# --- what the API says


@dataclass(frozen=True, slots=True)
class View:
    """One party's view of a call, as far as it is shown here."""

    id: str
    extension: str
    state: str
    other: str
    since: float | None
    ringing: bool
    pickup: str

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read a PhoneCallView; what it lacks is left empty."""
        state = _STATES.get(str(said.get("status", "0")), "unknown")
        dated = "answered" if state == "talking" else "ringing"
        if "parked" in said:
            state, dated = f"parked {said.get('parkedPos', '')}".strip(), "parked"
        elif "onHold" in said:
            state, dated = "holding" if said.get("holder") else "on hold", "onHold"
        note = said.get("pickUp") or {}
        return cls(
            id=str(said["id"]),
            extension=str(said.get("extension", "")),
            state=state,
            other=str(said.get("callerId", "")),
            since=_epoch(said.get(dated)),
            ringing=state == "ringing",
            pickup=f"{note['from']} by {note['sendCallTo']}: {note['status']}" if note else "",
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A live call."""

    id: str
    extension: str
    views: tuple[View, ...]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read a PhoneCall."""
        views = tuple(View.of(view) for view in said.get("phoneCallView", ()))
        return cls(str(said["id"]), str(said.get("extension", "")), views)

    def ringing(self) -> bool:
        """Whether it rings at the extension that was asked for."""
        return any(view.ringing and view.extension == self.extension for view in self.views)

    def view_to_take(self) -> View | None:
        """The view that a pickup from its extension means; None where that is not plain.

        The extension's own; where it has none, as a queue or who parked the call, the one there is.
        """
        own = [view for view in self.views if view.extension == self.extension]
        own = [view for view in own if view.ringing] or own
        candidates = own or [view for view in self.views if not view.ringing]
        return candidates[0] if len(candidates) == 1 else None

    def __str__(self) -> str:
        """The call in one line."""
        views = "; ".join(
            " ".join(part for part in (view.extension or "outside", view.state, view.other) if part)
            for view in self.views
        )
        return f"{self.id} ({views})"


def _epoch(date: object) -> float | None:
    try:
        return datetime.fromisoformat(str(date)).timestamp() if date else None
    except ValueError:
        return None


class Api:
    """The requests of this client.

    Args:
        http: Where they go, with the token among its headers.
    """

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def calls(self, extension: str | None = None) -> tuple[Call, ...]:
        """The live calls of an extension; of all that the token may act for where None."""
        return tuple(Call.of(entry) for entry in self.entries(extension))

    def entries(self, extension: str | None = None) -> list[dict[str, Any]]:
        """The same as the API tells it."""
        where = "@me/@self" if extension is None else f"@owner/{quote(extension, safe='*')}"
        answer = self._ask("GET", f"uapi/phoneCalls/{where}?count=5000")
        if answer.status_code != 200:
            raise _refusal(answer)
        entries: list[dict[str, Any]] = _json(answer)["entry"]
        return entries

    def pick_up(
        self, call: Call, view: str, to: str, *, wait: float = 20, caller_id: str | None = None
    ) -> httpx2.Response:
        """Pick a call up.

        Args:
            call: The call.
            view: The view to take over.
            to: Whose phone shall ring.
            wait: Seconds that it may ring, and that the outcome is waited for; 0 to wait for neither.
            caller_id: What that phone shows.
        """
        body: dict[str, Any] = {"action": "PickUp", "sendCallTo": to, "phoneCallViewId": view}
        body |= {"waitForPickup": wait} if wait else {}
        body |= {"callerId": caller_id} if caller_id else {}
        patience = round(wait + _MARGIN) if wait else 0
        return self._ask(
            "PUT",
            f"uapi/phoneCalls/@owner/{quote(call.extension, safe='*')}/{quote(call.id, safe='')}",
            content=json.dumps(body),
            headers={"Content-Type": "application/json", "Prefer": f"wait={patience}"},
        )

    def _ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx2.UnsupportedProtocol:
            raise ClientError(
                Exit.USAGE, f"{self._http.base_url}: must begin with http:// or https://"
            ) from None
        except httpx2.HTTPError as error:
            raise ClientError(Exit.UNREACHABLE, f"{self._http.base_url}: {error}") from error
        except UnicodeError:  # of the name's look-up
            raise ClientError(Exit.USAGE, f"{self._http.base_url}: the host's name is none") from None


def _json(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise ClientError(Exit.UNREACHABLE, f"{answer.url}: this is no UnifiedAPI") from None


def _refusal(answer: httpx2.Response) -> ClientError:
    """What an error says, and the exit status for it."""
    try:
        error = answer.json()["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "", f"{answer.url} answers {answer.status_code}: this is no UnifiedAPI"
    if answer.status_code >= 500 or not code:
        return ClientError(Exit.UNREACHABLE, message)
    if answer.status_code == 409:
        status = Exit.UNAVAILABLE if code == "pc_sendcallto_unavailable" else Exit.CONFLICT
        return ClientError(status, message)
    return ClientError(Exit.NOTHING if code == "pc_phonecall_invalid" else Exit.REFUSED, message)


# --- the command line


def add_calls_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``calls``."""
    parser.add_argument(
        "extension",
        nargs="?",
        type=_extension,
        metavar="EXTENSION",
        help="default: all that the token may act for",
    )
    parser.add_argument(
        "--watch", action="store_true", help="keep showing them as they change, until interrupted"
    )
    parser.add_argument("--json", action="store_true", help="as the API tells them, one JSON array")
    _add_access(parser)


def add_pickup_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``pickup``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXIT_STATUS
    parser.add_argument("extension", type=_extension, metavar="EXTENSION", help="whose call is taken")
    parser.add_argument(
        "call", nargs="?", metavar="CALL", help="the call's id; default: the one that rings there"
    )
    parser.add_argument(
        "--to", type=_extension, required=True, metavar="EXTENSION", help="whose phone takes it"
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help=f"how long the phone may ring, at most {LONGEST_WAIT:g}; the outcome is waited for. 0: do not wait",
    )
    parser.add_argument("--view", metavar="ID", help="the view to take over; default: the extension's own")
    parser.add_argument("--caller-id", metavar="TEXT", help="what the phone shows: 'John Doe <42420042>'")
    _add_access(parser)


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", help=f"where the bridge serves; default: BRIDGE_URL in the environment, else {DEFAULT_URL}"
    )
    parser.add_argument(
        "--token",
        help="bearer token; better in the environment as BRIDGE_TOKEN, where other users do not see it",
    )


def _extension(argument: str) -> Extension:
    try:
        return Extension.parse(argument)
    except GrammarError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(argument: str) -> float:
    try:
        seconds = float(argument)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 to {LONGEST_WAIT:g}")
    return seconds


def run_calls(options: argparse.Namespace) -> int:
    """Show live calls.

    Returns:
        A value of `Exit`.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    return _guarded(options, lambda api: show_calls(api, options, console))


def run_pickup(options: argparse.Namespace) -> int:
    """Pick a call up.

    Returns:
        A value of `Exit`.
    """
    console = Console(highlight=False, soft_wrap=True)
    return _guarded(options, lambda api: pick_up(api, options, console))


def _guarded(options: argparse.Namespace, work: Callable[[Api], Exit]) -> int:
    """Do something with the API, and tell a person what goes wrong."""
    try:
        with _http(options) as http:
            return work(Api(http))
    except ClientError as error:
        complain(str(error))
        return error.status


def _http(options: argparse.Namespace) -> httpx2.Client:
    token = options.token or os.environ.get("BRIDGE_TOKEN", "")
    if not token:
        raise ClientError(Exit.USAGE, "a token is needed: BRIDGE_TOKEN in the environment, or --token")
    if not token.isascii() or not token.isprintable():
        raise ClientError(Exit.USAGE, "the token has characters that no token has")
    url = (options.url or os.environ.get("BRIDGE_URL") or DEFAULT_URL).rstrip("/")
    try:
        return httpx2.Client(
            base_url=f"{url}/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(_PATIENCE, read=_PATIENCE + getattr(options, "wait", 0)),
        )
    except httpx2.InvalidURL as error:
        raise ClientError(Exit.USAGE, f"{url}: {error}") from None


# --- calls


def show_calls(
    api: Api,
    options: argparse.Namespace,
    console: Console,
    *,
    pause: Callable[[], None] = lambda: time.sleep(1),
) -> Exit:
    """Show the calls once, or again and again.

    Args:
        api: The API.
        options: The command line.
        console: Where to.
        pause: What to do between two looks.
    """
    if options.watch:
        _watch(api, options.extension, console, pause)
    elif options.json:
        console.out(json.dumps(api.entries(options.extension), ensure_ascii=False, indent=2), highlight=False)
    else:
        console.print(table(api.calls(options.extension), time.time()))
    return Exit.DONE


def _watch(api: Api, extension: str | None, console: Console, pause: Callable[[], None]) -> None:
    """Show them until interrupted. What fails for the moment is told below the table, and tried again.

    A terminal has the one table kept up to date; a file or a pipe gets a new one for each change.
    """
    before: tuple[Sequence[Call], str] | None = None
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        while True:
            now = _look(api, extension)
            if live is not None:
                live.update(table(now[0], time.time(), now[1]), refresh=True)
            elif now != before:
                console.print(table(now[0], time.time(), now[1]))
            before = now
            pause()


def _look(api: Api, extension: str | None) -> tuple[Sequence[Call], str]:
    """The calls; or none, and why."""
    try:
        return api.calls(extension), ""
    except ClientError as error:
        if error.status is not Exit.UNREACHABLE:
            raise
        return (), str(error)


def table(calls: Sequence[Call], now: float, trouble: str = "") -> Table:
    """The calls as a table; what comes from the network is text, never markup.

    Args:
        calls: The calls.
        now: Seconds since 1970.
        trouble: What to say below.
    """
    made = Table(caption=Text(trouble or ("" if calls else "no calls")), caption_justify="left", box=None)
    for column in ("call", "view", "extension", "state", "for", "with", "pickup"):
        made.add_column(column, no_wrap=column != "with", justify="right" if column == "for" else "left")
    for call in calls:
        for place, view in enumerate(call.views):
            lasting = "" if view.since is None else _lasting(now - view.since)
            cells = (view.id, view.extension, view.state, lasting, view.other, view.pickup)
            made.add_row(*(Text(cell) for cell in (call.id if place == 0 else "", *cells)))
    return made


def _lasting(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    return f"{minutes}:{rest:02d}"


# --- pickup


def pick_up(
    api: Api,
    options: argparse.Namespace,
    console: Console,
    *,
    ask: Callable[[str, list[str]], str] | None = None,
) -> Exit:
    """Pick a call up, and tell how that went.

    Args:
        api: The API.
        options: The command line.
        console: Where to.
        ask: Lets the person choose one of some texts; None where nobody is there.
    """
    if ask is None and console.is_terminal and sys.stdin.isatty():
        ask = _ask
    calls = api.calls(options.extension)
    call = _chosen(calls, options, ask)
    view = options.view or _view(call)
    if options.wait:
        console.print(Text(f"ringing {options.to} ..."))
    answer = api.pick_up(call, view, options.to, wait=options.wait, caller_id=options.caller_id)
    status, told = _outcome(api, options, call, answer)
    console.print(Text(told))
    return status


def _chosen(
    calls: Sequence[Call], options: argparse.Namespace, ask: Callable[[str, list[str]], str] | None
) -> Call:
    if options.call:
        call = next((call for call in calls if call.id == options.call), None)
        if call is None:
            raise ClientError(
                Exit.NOTHING, f"{options.extension} has no call {options.call}.{_there_are(calls)}"
            )
        return call
    ringing = [call for call in calls if call.ringing()]
    if len(ringing) == 1:
        return ringing[0]
    candidates = ringing or calls
    if candidates and ask:
        chosen = ask("Which call?", [str(call) for call in candidates])
        return next(call for call in candidates if str(call) == chosen)
    what = "several calls ring" if ringing else "no call rings"
    raise ClientError(Exit.NOTHING, f"At {options.extension} {what}.{_there_are(candidates)}")


def _there_are(calls: Sequence[Call]) -> str:
    return "".join(f"\n  {call}" for call in calls) if calls else " There is no call at all."


def _view(call: Call) -> str:
    view = call.view_to_take()
    if view is None:
        raise ClientError(Exit.NOTHING, f"Which view is meant (--view) is not plain:\n  {call}")
    return view.id


def _ask(question: str, choices: list[str]) -> str:
    for place, choice in enumerate(choices, 1):
        sys.stdout.write(f"  {place}  {choice}\n")
    numbers = [str(place) for place in range(1, len(choices) + 1)]
    return choices[int(Prompt.ask(question, choices=numbers)) - 1]


def _outcome(api: Api, options: argparse.Namespace, call: Call, answer: httpx2.Response) -> tuple[Exit, str]:
    to = options.to
    if answer.status_code == 200:
        return Exit.DONE, f"{to} has the call {call.id}."
    if answer.status_code == 202:
        if not options.wait:
            return Exit.DONE, f"{to} rings for the call {call.id}."
        return Exit.STILL_RINGING, f"{to} still rings; what becomes of it is not known yet."
    if answer.status_code == 204:
        if any(one.id == call.id for one in api.calls(options.extension)):
            return Exit.NO_ANSWER, f"{to} did not answer; the call is where it was."
        return Exit.GONE, "The caller has hung up."
    raise _refusal(answer)
