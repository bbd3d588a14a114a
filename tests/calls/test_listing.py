"""Under which extensions a call is found."""

from bridge.calls import Picture
from bridge.endpoints import Endpoints
from bridge.grammar import CallId, Extension
from calls.checks import check, differences
from calls.story import Story


def found(story: Story, extension: str) -> list[list[str]]:
    """The views of each call found under an extension."""
    return [[leg.number for leg in call.legs] for call in story.live.calls_of(Extension(extension))]


def test_under_everybody_in_it_and_what_was_dialled() -> None:
    """One entry, all its views in it, for each of them."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    everybody = [["0003*100", "0003*210", "0003*211"]]
    for extension in ("0003*100", "0003*210", "0003*211", "0003*800"):
        assert found(story, extension) == everybody
    assert found(story, "0003*024") == []


def test_no_more_under_who_has_left() -> None:
    """A fork that was not answered is gone, and with it the entry."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210", "0003*211")
    story.answers("0003*210")
    assert found(story, "0003*211") == []
    assert found(story, "0003*210") == [["0003*100", "0003*210"]]


def test_under_what_was_dialled_when_who_answers_is_somebody_else() -> None:
    """The dialled extension's owner finds a call that was transferred on."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.transfers("0003*210", "0003*211")
    assert found(story, "0003*210") == [["0003*100", "0003*211"]]


def test_under_the_parker() -> None:
    """Whoever has parked it, until it is fetched."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210")
    story.answers("0003*210")
    story.parks("0003*210")
    story.hangs_up("0003*210")
    assert found(story, "0003*210") == [["0003*100"]]
    story.fetches("0003*025")
    assert found(story, "0003*210") == []


def test_under_the_queue_while_the_caller_waits() -> None:
    """Then no more, unless he dialled it."""
    story = Story()
    story.queues("0003*100", "support", "0003*210", dialled="0003*700")
    assert found(story, "0003*900") == [["0003*100", "0003*210"]]
    story.answers("0003*210")
    assert found(story, "0003*900") == []


def test_where_a_pickup_found_it() -> None:
    """For as long as its leg lives; a bridge that starts finds it there too."""
    story = Story()
    story.queues("0003*100", "support", dialled="030555")
    assert found(story, "0003*900") == [["0003*100"]]
    story.picks_waiting("0003*024", "0003*100", UAPI_UNDER="0003*900")
    story.takes("0003*024")
    assert found(story, "0003*900") == [["0003*100", "0003*024"]]
    assert differences(story.live, story.fresh()) == []
    story.hangs_up("0003*024")
    assert found(story, "0003*900") == []


def test_two_calls_of_one_phone() -> None:
    """Each is an entry of its own."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.dials("0003*101", "0003*210")
    assert sorted(found(story, "0003*210")) == [["0003*100", "0003*210"], ["0003*101", "0003*210"]]
    story.hangs_up("0003*100")
    assert found(story, "0003*210") == [["0003*101", "0003*210"]]


def test_a_call_by_its_id() -> None:
    """Only while it lives."""
    story = Story()
    story.dials("0003*100", "0003*210")
    id_ = story.call_of("0003*100")
    call = story.live.call(id_)
    assert call and call.leg("01") is call.legs[1] and call.leg("07") is None
    assert story.live.call(CallId.of("another")) is None
    story.hangs_up("0003*100")
    assert story.live.call(id_) is None
    assert story.live.channels_of(id_) == []


def test_a_phone_that_was_renamed() -> None:
    """A channel that gets another's name in a masquerade belongs to that one's phone."""
    story = Story()
    story.dials("0003*100", "0003*210")
    callee = story.chan("0003*210")
    story.say("Rename", callee.headers(), Newname="PJSIP/0003*211-00000009")
    assert found(story, "0003*210") == [["0003*100", "0003*211"]]  # it was dialled
    assert found(story, "0003*211") == [["0003*100", "0003*211"]]
    callee.name = "PJSIP/0003*212-00000009"
    story.resyncs()
    assert found(story, "0003*212") == [["0003*100", "0003*212"]]
    assert found(story, "0003*211") == []
    check(story.live)


def test_without_queues() -> None:
    """A picture needs no configured queue."""
    story = Story()
    story.live = Picture(Endpoints.default())
    story.queues("0003*100", "support")
    assert [sorted(call.listed) for call in story.live.calls()] == [["0003*100", "0003*900"]]


def test_under_what_a_phone_of_chan_sip_has_dialled() -> None:
    """Its channel is born down, and calls an instant later (seen on 16.28)."""
    picture = Picture(Endpoints.default())
    born = {
        "Event": "Newchannel", "Uniqueid": "1795465922.7", "Linkedid": "1795465922.7", "CallerIDNum": "0003*100",
        "Channel": "SIP/0003*100-00000007", "ChannelState": "0", "Exten": "0003*905",
    }  # fmt: skip
    picture.apply(born, 1795465922.0)
    assert picture.calls_of(Extension("0003*905")) == []
    picture.apply(born | {"Event": "Newstate", "ChannelState": "4"}, 1795465922.1)
    (call,) = picture.calls_of(Extension("0003*905"))
    assert (call.legs[0].destination, call.legs[0].number) == ("0003*905", "0003*100")
    picture.apply(born | {"Event": "Newstate", "ChannelState": "6", "Exten": "s"}, 1795465922.2)
    assert picture.calls_of(Extension("0003*905")) == picture.calls()
