"""Header fields of a request or a reply, as ASGI has them: pairs of bytes, the names in lower case.

Looked up in place: to make a mapping of them first costs more than all that is asked of it for a request.
"""

from collections.abc import Iterable

Fields = Iterable[tuple[bytes, bytes]]


def first(fields: Fields, name: bytes) -> str:
    """The first value of a header; empty where there is none."""
    for one, value in fields:
        if one == name:
            return value.decode("latin-1")
    return ""


def every(fields: Fields, name: bytes) -> str:
    """All values of a header as one, with commas between them (RFC 9110, 5.3); empty where there is none."""
    return b",".join([value for one, value in fields if one == name]).decode("latin-1")
