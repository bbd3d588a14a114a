"""Extensions to phones and back, by template and exceptions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.endpoints import Endpoints, EndpointsError
from bridge.grammar import Endpoint, Extension
from bridge.patterns import Pattern

_TEMPLATES = (
    "PJSIP/{extension}",
    "PJSIP/t-{extension}",
    "SIP/{prefix}-{short}",
    "PJSIP/{prefix}*{short}",
    "PJSIP/{short}*{prefix}",
    "PJSIP/{short}_{prefix}-desk",
    "PJSIP/{prefix}{short}",
    "PJSIP/{short}{prefix}",
    "PJSIP/{short}",
    "PJSIP/{short}-{short}",
    "PJSIP/{prefix}9{short}",
    "IAX2/{extension}-{short}",
)
_NUMBERS = tuple(Pattern(one) for one in ("0003*210", "0003*1??", "0003*9"))
_extensions = st.one_of(
    st.text(alphabet="0123*", min_size=1, max_size=9).map(Extension),
    st.text(alphabet="0129*", min_size=1, max_size=4).map(lambda short: Extension("0003*" + short)),
)
_endpoints = st.one_of(
    st.sampled_from(("PJSIP/desk-7", "SIP/lobby", "PJSIP/desk")).map(Endpoint),
    _extensions.map(lambda extension: Endpoint(f"PJSIP/{extension}")),
)
_exceptions = st.lists(
    st.tuples(_extensions, _endpoints), max_size=4, unique_by=(lambda one: one[0], lambda one: one[1])
).map(dict)


@given(st.sampled_from(_TEMPLATES), _exceptions, _extensions)
def test_what_is_rung_for_an_extension_is_found_under_it(
    template: str, exceptions: dict[Extension, Endpoint], extension: Extension
) -> None:
    """Whatever template and exceptions say, an endpoint leads back to the extension it was made from."""
    endpoints = Endpoints.from_settings(template, exceptions, _NUMBERS)
    endpoint = endpoints.endpoint(extension)
    if endpoint is not None:
        assert endpoints.of_device(endpoint) == extension
        assert endpoints.of_channel(f"{endpoint}-0000002c") == extension


@st.composite
def _device_names(draw: st.DrawFn, template: str) -> str:
    """Names of the template's shape, each placeholder filled on its own."""
    for name in ("{extension}", "{prefix}", "{short}"):
        while name in template:
            value = draw(st.text(alphabet="0123*9", min_size=1, max_size=4) | st.just("0003"))
            template = template.replace(name, value, 1)
    return template


@given(st.sampled_from(_TEMPLATES), _exceptions, st.sampled_from((_NUMBERS, (Pattern("210"),))), st.data())
def test_what_is_found_under_an_extension_is_what_is_rung_for_it(
    template: str, exceptions: dict[Extension, Endpoint], numbers: tuple[Pattern, ...], data: st.DataObject
) -> None:
    """A device that belongs to an extension is that extension's endpoint, and never a second one beside it."""
    endpoints = Endpoints.from_settings(template, exceptions, numbers)
    for device in (data.draw(_device_names(template)), *exceptions.values()):
        extension = endpoints.of_device(device)
        assert extension is None or endpoints.endpoint(extension) == device


@given(st.sampled_from(_TEMPLATES), st.sampled_from(("0003*210", "0003*100", "0003*191", "0003*9")))
def test_every_configured_extension_has_a_phone(template: str, number: str) -> None:
    """No accepted template leaves a configured extension without an endpoint."""
    assert Endpoints.from_settings(template, {}, _NUMBERS).endpoint(Extension(number)) is not None


@pytest.mark.parametrize(
    ("template", "device"),
    [
        ("PJSIP/{extension}", "PJSIP/0003*210"),
        ("SIP/{prefix}-{short}", "SIP/0003-210"),
        ("PJSIP/{prefix}{short}", "PJSIP/0003210"),
        ("PJSIP/{short}", "PJSIP/210"),
        ("PJSIP/{short}@{prefix}", "PJSIP/210@0003"),
    ],
)
def test_a_template_names_the_phone(template: str, device: str) -> None:
    """{extension}, {prefix} and {short} are the number and its two sides of the star."""
    endpoints = Endpoints.from_settings(template, {}, _NUMBERS)
    assert endpoints.endpoint(Extension("0003*210")) == device
    assert endpoints.of_device(device) == "0003*210"
    assert endpoints.of_channel(f"{device}-0000002c") == "0003*210"


def test_a_name_without_prefix_is_nobody_elses_phone() -> None:
    """With {short} alone, 0004*210 is not rung at PJSIP/210, which is 0003*210's."""
    endpoints = Endpoints.from_settings("PJSIP/{short}", {}, _NUMBERS)
    assert endpoints.endpoint(Extension("0004*210")) is None
    assert endpoints.endpoint(Extension("210")) is None


def test_a_name_that_only_reads_like_the_template_is_nobodys() -> None:
    """A longer name is not cut down to one that fits, and what stands twice in a template must agree."""
    short = Endpoints.from_settings("PJSIP/{short}", {}, [Pattern("210")])
    assert short.of_device("PJSIP/210") == "210"
    assert short.of_device("PJSIP/0003*210") is None
    twice = Endpoints.from_settings("IAX2/{extension}-{short}", {}, _NUMBERS)
    assert twice.of_device("IAX2/0003*210-210") == "0003*210"
    assert twice.of_device("IAX2/0003*210-211") is None


def test_an_exception_wins_in_both_directions() -> None:
    """A mapped extension is found under its own name only, and a name given away is rung for its new owner only."""
    desk, taken = Endpoint("PJSIP/desk-7"), Endpoint("PJSIP/0003*211")
    endpoints = Endpoints.from_settings(
        "PJSIP/{extension}", {Extension("0003*210"): desk, Extension("0003*212"): taken}
    )
    assert endpoints.endpoint(Extension("0003*210")) == desk
    assert endpoints.of_channel("PJSIP/desk-7-0000002c") == "0003*210"
    assert endpoints.of_device("PJSIP/0003*210") is None
    assert endpoints.of_device("PJSIP/0003*211") == "0003*212"
    assert endpoints.endpoint(Extension("0003*211")) is None


@pytest.mark.parametrize(
    "channel",
    [
        "Local/0003*210@uapi-00000001;1",
        "AsyncGoto/PJSIP/0003*210-0000002c",
        "PJSIP/0003*210",
        "PJSIP/0003*210-0000002c<ZOMBIE>",
        "PJSIP/0003*210\n-0000002c",
        "PJSIP/٠٠٠٣*٢١٠-0000002c",
        "PJSIP/trunk-00000001",
        "SIP/0003*210-0000002c",
        "Message/ast_msg_queue",
        "PJSIP/" + "1" * 33 + "-00000001",
        "",
    ],
)
def test_what_is_no_phone_by_the_template_has_no_extension(channel: str) -> None:
    """Local halves, trunks, zombies, other technologies and broken names belong to nobody."""
    assert Endpoints.from_settings("PJSIP/{extension}", {}, _NUMBERS).of_channel(channel) is None


def test_without_a_configuration_every_technology_counts() -> None:
    """Replaying a stranger's recording, a phone whose name is a number has that extension."""
    endpoints = Endpoints.default()
    names = (
        "PJSIP/0003*210-0000002c",
        "SIP/210-0000a02c",
        "IAX2/210-12",
        "PJSIP/desk-7-0000002c",
        "Local/1@c-01;1",
    )
    assert [endpoints.of_channel(one) for one in names] == ["0003*210", "210", "210", None, None]
    assert endpoints.of_device("PJSIP/0003*210") == "0003*210"
    assert endpoints.endpoint(Extension("0003*210")) == "PJSIP/0003*210"


@pytest.mark.parametrize(
    ("template", "numbers", "says"),
    [
        ("PJSIP/phone", ["1*1"], "it needs {extension}"),
        ("PJSIP/{prefix}", ["1*1"], "it needs {extension}"),
        ("PJSIP/{short}", ["0003*1", "0004*1"], "add {prefix}"),
        ("PJSIP/{short}", ["0003*1", "1"], "add {prefix}"),
        ("PJSIP/{short}", ["000?*1"], "the prefix of 000?*1 has a ?"),
        ("PJSIP/{short}", [], "no extension is configured"),
        ("PJSIP/{prefix}{short}", ["3*1", "03*1"], "put a character such as -"),
        ("PJSIP/{number}", ["1*1"], "unknown placeholder {number}"),
        ("PJSIP/{}", ["1*1"], "unknown placeholder {}"),
        ("PJSIP/{extension", ["1*1"], "technology/name"),
        ("PJSIP", ["1*1"], "technology/name"),
        ("{extension}/x", ["1*1"], "technology/name"),
        ("PJSIP/{extension}&PJSIP/x", ["1*1"], "technology/name"),
        ("PJSIP/{extension},30", ["1*1"], "technology/name"),
        ("PJSIP/${X}{extension}", ["1*1"], "unknown placeholder"),
        ("Local/{extension}@phones", ["1*1"], "a Local channel is none"),
    ],
)
def test_a_template_that_does_not_lead_back_is_refused(template: str, numbers: list[str], says: str) -> None:
    """The error names the remedy, so that nobody has to guess what reversible means."""
    with pytest.raises(EndpointsError) as caught:
        Endpoints.from_settings(template, {}, [Pattern(one) for one in numbers])
    assert says in str(caught.value)
    assert caught.value.extension is None


def test_two_extensions_cannot_share_a_phone() -> None:
    """Calls of a shared endpoint could not be told apart, so the second exception is refused."""
    desk = Endpoint("PJSIP/desk")
    with pytest.raises(EndpointsError, match=r"same endpoint as 1\*1") as caught:
        Endpoints.from_settings("PJSIP/{extension}", {Extension("1*1"): desk, Extension("1*2"): desk})
    assert caught.value.extension == "1*2"


def test_an_exception_is_never_a_local_channel() -> None:
    """A Local channel runs dialplan instead of ringing a phone."""
    with pytest.raises(EndpointsError, match="Local") as caught:
        Endpoints.from_settings("PJSIP/{extension}", {Extension("1*1"): Endpoint("Local/1@x")})
    assert caught.value.extension == "1*1"


def test_a_number_with_a_phone_of_its_own_name_leaves_the_template_alone() -> None:
    """An exception's foreign prefix does not make {short} ambiguous."""
    endpoints = Endpoints.from_settings(
        "PJSIP/{short}", {Extension("0004*210"): Endpoint("PJSIP/lobby")}, [*_NUMBERS, Pattern("0004*210")]
    )
    assert endpoints.of_device("PJSIP/210") == "0003*210"
    assert endpoints.of_device("PJSIP/lobby") == "0004*210"
