"""Request bodies: read up to a limit, and understood as one JSON object whatever content type it claims."""

import asyncio
from typing import Any

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from bridge.uapi.errors import ApiError

ARRIVES_WITHIN = 30.0
"""Seconds in which a body has to come whole."""


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        ApiError: it is larger than the limit, or does not come.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:18]) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(ARRIVES_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise ApiError("request_timeout", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise ApiError("request_invalid", "The request ended before its body.") from None
    return bytes(body)


async def read_object(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object, without the members that are null.

    Raises:
        ApiError: it is none.
    """
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise ApiError("media_type_unsupported")
    body = await read_bytes(request, limit)
    try:
        data = from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError:
        raise ApiError("request_invalid", "The request body is not JSON.") from None
    if not isinstance(data, dict):
        raise ApiError("request_invalid", "The request body must be a JSON object.")
    return {name: value for name, value in data.items() if value is not None}


def _too_large(limit: int) -> ApiError:
    # The rest is not read: the connection cannot be used for another request.
    return ApiError(
        "request_too_large",
        f"The request body is too large. At most {limit} bytes are read.",
        headers={"Connection": "close"},
    )
