"""Whatever a request holds: what reaches the manager interface has passed a positive grammar, and is one action."""

import json
import re
from typing import Any
from urllib.parse import quote

from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.endpoints import Endpoints
from bridge.grammar import Extension, GrammarError
from fuzz.inside import Inside
from fuzz.nasty import CLASSICS
from fuzz.pbx import PARKED, PARKED_CALL, PHONES

_LINE = re.compile(r"([A-Za-z]{1,32}): ([^\x00-\x1f\x7f]*)")
_ACTION_ID = r"[A-Za-z0-9/_-]{1,80}"
_QUESTIONS = (
    {"Action": "Getvar", "Channel": re.escape(PARKED), "Variable": "BRIDGEPEER"},
    {"Action": "Getvar", "Variable": r"PJSIP_ENDPOINT\(0003\*[0-9]{3},callerid\)"},
    {"Action": "Getvar", "Variable": "UAPI_MARK"},
    {
        "Action": "Status",
        "Channel": r"uapi-[0-9a-f]{20}-[0-9]+",
        "Variables": r"[A-Za-z_,()]+",
        "AllVariables": "false",
    },
    {"Action": "Ping"},
)
_VARIABLES = {
    "UAPI_VIEW": "00", "UAPI_FROM": r"0003\*100", "UAPI_TO": r"0003\*[0-9]{3}", "UAPI_SOURCE": re.escape(PARKED),
    "UAPI_TARGET": re.escape(PARKED), "UAPI_LEG": r"PJSIP/0003\*100-00000007", "UAPI_MODE": "waiting",
    "UAPI_BY": "[0-9a-f]{12}", "UAPI_ANSWERED": r"[0-9]+\.[0-9]{6}", "UAPI_SINCE": r"[0-9]+\.[0-9]{6}",
    "UAPI_CALLER": r"0003\*100", "UAPI_DIALLED": r"0003\*210",
    "FORWARD_CONTEXT": "uapi-pickup",
}  # fmt: skip

_SETTINGS = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_texts = st.one_of(
    st.text(max_size=60),
    st.sampled_from(CLASSICS),
    st.text(st.sampled_from("0123456789*#+<>&,|/@\r\n ${}\"';\\"), max_size=40),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(200, 3000)),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def _around(*right: Any) -> st.SearchStrategy[Any]:
    """Right values, and such with something before, in or behind them, and anything else."""
    texts = st.sampled_from([value for value in right if isinstance(value, str)])
    return st.one_of(
        st.sampled_from(right),
        st.sampled_from(right),
        st.tuples(texts, st.sampled_from(CLASSICS), st.integers(0, 12)).map(
            lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] :]
        ),
        _json,
    )


_names = st.text(max_size=90).filter(lambda name: "<" not in name)
_bodies = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["PickUp", "PickUp", "PickUp", "UnPark"]),
        "sendCallTo": _around("0003*024", "024", "0003*025", 101),
        "phoneCallViewId": _around("00", "00", 0),
    },
    optional={
        "callerId": st.one_of(
            _around("John Doe <42420042>"), st.builds("{} <+4930{}>".format, _names, st.integers(0, 9**20))
        ),
        "waitForPickup": _around("20", 3, 0.5, "3600", "2.25"),
        "nonce": _json,
    },
)


def _parsed(data: bytes) -> dict[str, list[str]]:
    """An action as a strict reader takes it; there is nothing but headers in it, and one end."""
    assert data.count(b"\r\n\r\n") == 1
    assert data.endswith(b"\r\n\r\n")
    assert all(len(line) < 1023 for line in data.split(b"\r\n")), "longer than Asterisk reads"
    action: dict[str, list[str]] = {}
    for line in data[:-4].decode("utf-8", "strict").split("\r\n"):
        match = _LINE.fullmatch(line)
        assert match, line
        action.setdefault(match[1], []).append(match[2])
    assert re.fullmatch(_ACTION_ID, action.pop("ActionID")[0])
    return action


def _is_question(action: dict[str, list[str]]) -> bool:
    return any(
        action.keys() == known.keys()
        and all(
            len(action[name]) == 1 and re.fullmatch(pattern, action[name][0])
            for name, pattern in known.items()
        )
        for known in _QUESTIONS
    )


def _long(send_call_to: Any) -> str:
    """The one extension that a right sendCallTo names."""
    text = str(send_call_to)
    return text if "*" in text else f"0003*{text}"


def _caller(body: dict[str, Any], phone: str) -> str:
    """What the new phone is to show."""
    if body.get("callerId") is None:
        return f"<{phone}>"
    match = re.fullmatch(r" *([^<>]*)< *(\+?[0-9*#]{1,32}) *> *", body["callerId"])
    assert match, body["callerId"]
    name = match[1].strip(" ")
    assert len(name) <= 80
    assert not set(name) & set('"\\<>;${}')
    return f"{name} <{match[2]}>" if name else f"<{match[2]}>"


def _check_originate(action: dict[str, list[str]], body: dict[str, Any]) -> None:
    """It has the expected headers, each with the one value that the body stands for, and no other."""
    told = dict(text.split("=", 1) for text in action.pop("Variable"))
    assert _VARIABLES.keys() - told.keys() <= {"UAPI_ANSWERED", "UAPI_SINCE"}  # where nobody knows them
    for name, value in told.items():
        assert re.fullmatch(_VARIABLES[name], value), (name, value)
    phone = _long(body["sendCallTo"])
    assert phone in PHONES
    ring = body.get("waitForPickup")
    timeout = max(1, round(float(25 if ring is None else ring) * 1000))
    pickup = action.pop("ChannelId")
    assert len(pickup) == 1
    assert re.fullmatch(rf"uapi-{PARKED_CALL}-[0-9]+", pickup[0])
    assert told["UAPI_TO"] == phone
    assert action == {
        "Action": ["Originate"],
        "Channel": [f"PJSIP/{phone}"],
        "Context": ["uapi-pickup"],
        "Exten": ["pickup"],
        "Priority": ["1"],
        "Timeout": [str(timeout)],
        "CallerID": [_caller(body, phone)],
        "Async": ["true"],
    }


def _check(service: Inside, status: int, body: dict[str, Any]) -> None:
    """At most one Originate, where the answer says so, and questions."""
    actions = [_parsed(data) for data in service.pbx.raw]
    originates = [action for action in actions if action["Action"] == ["Originate"]]
    assert len(originates) == (status == 202)
    for action in actions:
        if action not in originates:
            assert _is_question(action), action
    for originate in originates:
        _check_originate(originate, body)
    assert service.faults() == []


def test_one_originate_or_none(portal: BlockingPortal, service: Inside) -> None:
    """Any member of any kind: what is sent is the one action that the body stands for, or nothing but questions."""
    statuses: dict[int, int] = {}

    @_SETTINGS
    @given(_bodies)
    def holds(body: dict[str, Any]) -> None:
        portal.call(service.nothing_rings)
        reply = portal.call(service.put, body)
        statuses[reply.status_code] = statuses.get(reply.status_code, 0) + 1
        assert reply.status_code in (202, 400, 409, 413), reply.text
        _check(service, reply.status_code, body)

    holds()
    assert statuses[202] > 10, statuses
    assert statuses[400] > 10, statuses


def test_nothing_of_an_address_a_query_or_a_header_reaches_ami(
    portal: BlockingPortal, service: Inside
) -> None:
    """Any text in each path segment, parameter and header: Asterisk hears nothing that was in it."""
    body = {"action": "PickUp", "sendCallTo": "0003*024", "phoneCallViewId": "00"}
    headers = st.sampled_from(
        ["Prefer", "X-Request-Id", "If-None-Match", "X-Forwarded-For", "Accept", "User-Agent"]
    )

    @_SETTINGS
    @given(
        st.integers(0, 2), _texts, st.dictionaries(st.text(max_size=9), _texts, max_size=2), headers, _texts
    )
    def holds(place: int, part: str, query: dict[str, str], header: str, value: str) -> None:
        portal.call(service.nothing_rings)
        parts = ["@me", "0003*210", PARKED_CALL]
        parts[place] = part[:2000]
        path = "/uapi/phoneCalls/" + "/".join(
            quote(one.encode("utf-8", "surrogatepass"), safe="") for one in parts
        )
        told = "&".join(
            "=".join(quote(one.encode("utf-8", "surrogatepass")) for one in pair) for pair in query.items()
        )[:9000]
        line = re.sub(r"[^\x20-\x7e]", "?", value)[:2000].strip()

        async def put() -> int:
            reply = await service.http.put(
                f"{path}?{told}", content=json.dumps(body).encode(), headers={header: line}
            )
            return int(reply.status_code)

        status = portal.call(put)
        assert status in (202, 400, 403, 404, 405), status
        _check(service, status, body)

    holds()


@given(_texts)
def test_an_extension_is_one_phone(text: str) -> None:
    """It names one channel of the configured technology: no second one, no Local channel, no application, no option."""
    endpoints = Endpoints.default()
    try:
        extension = Extension.parse(text)
    except GrammarError:
        return
    endpoint = endpoints.endpoint(extension)
    assert endpoint is None or re.fullmatch(r"PJSIP/[0-9*]{1,32}", endpoint)
