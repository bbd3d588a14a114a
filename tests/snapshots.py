"""Events as Asterisk sends them: whatever a test says of one, and all else that stands in each of its kind."""

from collections.abc import Mapping
from typing import TypeVar

from bridge.calls.whole import SHAPES

T = TypeVar("T", str, bytes | str, str | list[str])


def snapshot(name: str, headers: Mapping[str, T]) -> dict[str, T | str]:
    """The headers of a running event, made whole, in Asterisk's order; other events as they are."""
    shape = SHAPES.get(name, ())
    if not shape:
        return dict(headers)
    if name == "DialBegin" and "Uniqueid" not in headers:
        shape = tuple(header for header in shape if header.startswith("D"))
    told: dict[str, T | str] = {"Privilege": "call,all"}
    told |= {header: headers[header] for header in ("Timestamp",) if header in headers}
    told |= {header: headers.get(header, "") for header in shape}
    return told | {header: value for header, value in headers.items() if header not in told}
