"""What is asked after each connect, and once a minute, so that the picture of calls is Asterisk's own.

The rows of the answers reach the picture like any event, in the order of the questions: first what Status does not
say (kinds of bridges, parking slots, queues, endpoints), then Status of all channels, whose end completes the picture.
"""

from dataclasses import dataclass, field, replace

from bridge.ami.actions import Request, context_exists, status
from bridge.ami.connection import Connection
from bridge.ami.errors import Refused

LISTS = (
    Request("BridgeList", rows=True),
    Request("ParkedCalls", rows=True),
    # No queue has such a member: the callers alone are told, not thousands of agents.
    Request("QueueStatus", (("Member", "-"),), rows=True),
    Request("DeviceStateList", rows=True),
)

MODULES = {"ParkedCalls": "res_parking", "QueueStatus": "app_queue"}
"""Lists that a PBX need not have, and the module that answers them."""

UNKNOWN = "Invalid/unknown command"


@dataclass(frozen=True, slots=True)
class Found:
    """What a resync learnt besides the rows.

    Attributes:
        context_loaded: whether the dialplan has the pickup context.
        rows: rows of each list.
        missing: lists that Asterisk does not know.
    """

    context_loaded: bool
    rows: dict[str, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


async def read_lists(connection: Connection, prefix: str, context: str, *, cdr: bool) -> Found:
    """Ask all questions, one after the other.

    Args:
        connection: whom to ask.
        prefix: of the questions' ActionIDs, one for each resync: by it the rows can be told from events, and those
            of a resync that broke off from those of the next.
        context: the dialplan context to look for.
        cdr: whether to ask for CDRs.

    Raises:
        Refused: one was; the message names it. An unknown list of `MODULES` is left to the caller to judge.
        LinkDown, NoAnswer: as ever.
    """
    rows: dict[str, int] = {}
    missing = set()
    for request in (*LISTS, status(cdr=cdr)):
        try:
            end = await connection.ask(replace(request, action_id=f"{prefix}/{request.name}"))
        except Refused as refusal:
            if request.name not in MODULES or not refusal.message.startswith(UNKNOWN):
                raise Refused(f"{request.name}: {refusal.message}") from refusal
            missing.add(request.name)
        else:
            items = str(end.get("ListItems", ""))
            rows[request.name] = int(items) if items.isdecimal() else 0
    answer = await connection.ask(context_exists(context))
    return Found(answer.get("Value") == "1", rows, frozenset(missing))
