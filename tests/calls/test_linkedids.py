"""Which channels are one call: the Linkedid in the latest BridgeEnter of a conversation is everybody's in it."""

from bridge.grammar import CallId
from calls.checks import drawn, shown
from calls.story import Story


def calls(story: Story) -> dict[str, list[str]]:
    """The legs of each call, by its Linkedid."""
    return {
        next(linkedid for linkedid in known(story) if CallId.of(linkedid) == call.id): [
            leg.number for leg in call.legs
        ]
        for call in story.live.calls()
    }


def known(story: Story) -> set[str]:
    return {chan.uniqueid for chan in story.channels.values()} | {
        chan.linkedid for chan in story.channels.values()
    }


def test_a_call_keeps_its_id() -> None:
    """Ring, talk, hold, park, fetch, transfer and pickup: one id throughout."""
    story = Story()
    story.dials("0003*100", "0003*210")
    call = story.call_of("0003*100")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.holds("0003*024")
    story.resumes("0003*024")
    story.parks("0003*024")
    story.hangs_up("0003*024")
    story.fetches("0003*025")
    story.transfers("0003*025", "0003*211")
    story.answers("0003*211")
    story.picks_talking("0003*101", "0003*211")
    story.takes("0003*101")
    assert [one.id for one in story.live.calls()] == [call]


def test_who_fetches_a_parked_call_joins_it() -> None:
    """Whoever dials the slot is a call of its own at first, and then one of the older call."""
    story = Story()
    story.parks_himself("0003*100")
    fetcher = story.comes_in("0003*025", "701")
    assert calls(story) == {"1795465922.0": ["0003*100"], "1795465922.1": ["0003*025"]}
    slot = story.slots["701"]
    story.unpark(slot, "UnParkedCall", fetcher)
    story.leave(slot.parkee)
    room = story.room()
    story.enter(slot.parkee, room)
    story.enter(fetcher, room)
    assert calls(story) == {"1795465922.0": ["0003*100", "0003*025"]}


def test_who_was_there_first_takes_the_older_id_in_silence() -> None:
    """The event of the second to enter alone tells that the first has another Linkedid now."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.dials("0003*101", "0003*211")
    story.answers("0003*211")
    old, young = story.chan("0003*210"), story.chan("0003*101")
    story.merges(old, young)
    said = [moment.event for moment in story.said if moment.event.get("Uniqueid") == young.uniqueid]
    enters = [event for event in said if event["Event"] == "BridgeEnter"]
    assert [event["Linkedid"] for event in enters] == ["1795465922.2"]
    assert calls(story) == {"1795465922.0": ["0003*210", "0003*101"]}


def test_strangers_in_a_parking_lot_stay_strangers() -> None:
    """A holding bridge joins nobody, however many are in it."""
    story = Story()
    for phone in ("0003*100", "0003*101", "0003*102"):
        story.parks_himself(phone)
    assert len({chan.room for chan in story.channels.values()}) == 1
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*807 answered
          00 0003*100 0003*100>0003*807 flow=2 status=5 answered waiting parked=701 by=0003*100 other=" <0003*807>"
        listed under 0003*101 0003*807 answered
          00 0003*101 0003*101>0003*807 flow=2 status=5 answered waiting parked=702 by=0003*101 other=" <0003*807>"
        listed under 0003*102 0003*807 answered
          00 0003*102 0003*102>0003*807 flow=2 status=5 answered waiting parked=703 by=0003*102 other=" <0003*807>"
    """)


def test_a_basic_bridge_that_holds_joins_nobody() -> None:
    """BridgeType basic with a holding technology is a waiting place as well."""
    story = Story()
    room = story.room("basic", "holding_bridge")
    for phone in ("0003*100", "0003*101"):
        chan = story.comes_in(phone, "0003*811")
        room.members.append(chan)
        chan.room = room
        story.say("BridgeEnter", story._bridge(room), {**chan.headers(), "Linkedid": "1795465922.0"})
    assert calls(story) == {"1795465922.0": ["0003*100"], "1795465922.1": ["0003*101"]}


def test_people_in_a_conference_are_calls_of_their_own() -> None:
    """ConfBridge joins nobody, nor does its Linkedid count."""
    story = Story()
    room = story.confers("0003*100")
    story.confers("0003*101", room)
    assert calls(story) == {"1795465922.0": ["0003*100"], "1795465922.1": ["0003*101"]}


def test_a_pickup_leg_before_it_is_bridged() -> None:
    """It is nobody's leg, though it has a Linkedid of its own; then its events show that one on, and it is the call's."""
    story = Story()
    story.dials("0003*100", "0003*210")
    leg = story.picks_ringing("0003*024", "0003*210")
    assert calls(story) == {"1795465922.0": ["0003*100", "0003*210"]}
    story.takes("0003*024")
    stale = {**leg.headers(), "Linkedid": leg.uniqueid}
    story.say("NewConnectedLine", stale)
    assert calls(story) == {"1795465922.0": ["0003*100", "0003*024"]}


def test_masquerade_without_a_bridge_enter() -> None:
    """PickupChan on a target just bridged: the pickup leg is in the call, whose bridge no event says it has entered."""
    table = """
        listed under 0003*024 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 024 <0003*024>"
          01 0003*024 0003*100>0003*210 flow=2 status=5 answered pickup=0003*210>0003*024:connected other="Ext 100 <0003*100>"
    """
    for told in ("last", "after the target", "first"):
        story = Story()
        story.dials("0003*100", "0003*210")
        leg = story.picks_ringing("0003*024", "0003*210")
        story.masquerades("0003*024", "0003*210", told=told)
        enters = [moment.event for moment in story.said if moment.event["Event"] == "BridgeEnter"]
        assert leg.uniqueid not in [event["Uniqueid"] for event in enters]
        assert shown(story.live) == drawn(table), told
        story.resyncs()
        assert shown(story.live) == drawn(table), told
        assert shown(story.fresh()) == drawn(table), told


def test_a_masquerade_is_remembered_when_the_leg_is_alone() -> None:
    """Asterisk says that it is in nobody's call then; who has seen it come knows whose, a resync notwithstanding."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.masquerades("0003*024", "0003*210")
    story.parks("0003*100")
    story.hangs_up("0003*100")
    before = [(call.id, [leg.view for leg in call.legs]) for call in story.live.calls()]
    assert before == [(CallId.of("1795465922.0"), ["01"])]
    story.resyncs()
    assert [(call.id, [leg.view for leg in call.legs]) for call in story.live.calls()] == before


def test_a_bridge_enter_of_a_channel_that_nobody_knows() -> None:
    """It tells of the Linkedid of those who are known and in that bridge."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    room = story.chan("0003*100").room
    assert room
    stranger = {"Uniqueid": "1795465900.9", "Linkedid": "1795465900.9", "Channel": "PJSIP/0003*101-1"}
    story.live.apply({"Event": "BridgeEnter", **story._bridge(room), **stranger}, story.now)
    assert [call.id for call in story.live.calls()] == [CallId.of("1795465900.9")]
