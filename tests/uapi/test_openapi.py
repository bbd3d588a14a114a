"""The description of the API is the API, and so is the page to try it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.uapi import seed
from bridge.uapi.errors import CODES
from bridge.uapi.models import Accepted, Collection, PhoneCall, PhoneCallAction, SinglePhoneCall
from bridge.uapi.resources import Resource
from uapi.served import served
from uapi.world import TOKENS, World

_OF_OTHER_LAYERS = {"not_found", "method_not_allowed", "uri_too_long", "headers_too_large"}
"""Codes that belong to no operation."""


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    with World().client(None) as client:
        described: dict[str, Any] = client.get("/openapi.json").json()
    return described


def test_every_operation_is_described(api: dict[str, Any]) -> None:
    """All that routes, but the pages beside the API; each with an id of its own."""
    routed = {
        (resource.path, method.lower())
        for route in World().bridge.asgi.routes
        if isinstance(resource := getattr(route, "endpoint", None), Resource)
        for method, operation in resource.operations.items()
        if not operation.hidden
    }
    described = {
        (path, method) for path, item in api["paths"].items() for method in item if method != "parameters"
    }
    assert described == routed
    ids = [
        operation["operationId"]
        for item in api["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids)) == len(routed)


def test_every_code_is_described_under_its_status(api: dict[str, Any]) -> None:
    """Those that no operation has belong to the server and the routes."""
    described = {
        (code, int(status))
        for item in api["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
        for status, reply in operation["responses"].items()
        for code in reply.get("content", {}).get("application/json", {}).get("examples", {})
    }
    assert described == {
        (code, status) for code, (status, _) in CODES.items() if code not in _OF_OTHER_LAYERS
    }


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (PhoneCallAction, seed.PICKUP),
        (PhoneCallAction, seed.UNPARK),
        (Accepted, seed.ACCEPTED),
        (PhoneCall, seed.CALL),
        (Collection, seed.COLLECTION),
        (SinglePhoneCall, seed.SINGLE),
    ],
)
def test_the_examples_are_what_the_models_say(model: Any, example: dict[str, Any]) -> None:
    """Nothing in them is unknown to the models, nothing is missing."""
    read = model.model_validate(example)
    if model is not PhoneCallAction:
        assert read.model_dump(by_alias=True, exclude_none=True) == example


@pytest.mark.parametrize("fields", [None, frozenset({"id", "links"}), frozenset({"answered"})])
@pytest.mark.parametrize("kind", [Collection, SinglePhoneCall])
def test_a_reply_put_together_is_the_one_made_whole(
    kind: type[Collection], fields: frozenset[str] | None
) -> None:
    """Around phone calls that are JSON already comes the same as with them in it, byte for byte."""
    call = PhoneCall.model_validate(seed.CALL | {"answered": None})
    about = {"total_results": 1, "items_per_page": 20, "start_index": 0}
    members = fields or frozenset(PhoneCall.model_fields)
    own = {name: getattr(call, name) for name in members if kind is SinglePhoneCall}
    whole = kind(entry=[call], **own, **about)
    include: Any = {**dict.fromkeys((*Collection.model_fields, *own), True), "entry": {"__all__": members}}
    expected = whole.model_dump_json(by_alias=True, exclude_none=True, include=include).encode()
    empty = kind(entry=[], **about).to_json()
    assert kind.around(empty, [call.to_json(fields)]) == expected
    assert json.loads(kind.around(empty, []))["entry"] == []


def test_nothing_is_ever_null_in_a_reply(api: dict[str, Any]) -> None:
    """What is absent is left out; only in a request may null stand for it."""
    schemas = api["components"]["schemas"]
    assert {name for name, schema in schemas.items() if "null" in json.dumps(schema)} == {"PhoneCallAction"}


def test_the_page_to_try_it_needs_nobody_else() -> None:
    """Its assets come with the package, and its policy lets in nothing else."""
    with World().client(None) as client:
        page = client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assets = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
        assert set(assets) == {"/docs/docs.css", "/docs/docs.js", "/openapi.json"}
        for asset in ("/docs/docs.css", "/docs/docs.js"):
            reply = client.get(asset)
            assert reply.status_code == 200
            assert "://" not in reply.text
    assert "://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "style=" not in page.text


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """With all its checks and in all its phases, wrong data included, over the real server."""
    generous = {"burst": 1_000_000, "requests_per_second": 100_000, "failed_logins": 100_000}
    with served({"limits": {**generous, "pickups_per_phone": 100_000}}) as service:
        run = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
                "run",
                f"{service.address}/openapi.json",
                f"--header=Authorization: Bearer {TOKENS['john']}",
                "--checks=all",
                "--max-examples=15",
                "--seed=1",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert run.returncode == 0, run.stdout
