"""Resynchronising: what Asterisk says is taken, what it leaves out has ended, and what happens meanwhile counts."""

import pytest

from bridge.grammar import CallId
from calls.checks import check, differences, nothing_left, planned
from calls.pbx import Told
from calls.story import Story, picture


def test_what_is_left_out_has_ended() -> None:
    """Channels whose Hangup never came are gone with the next resync."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    story.dials("0003*101", "0003*211")
    for phone in ("0003*100", "0003*210"):
        story.channels.pop(story.chan(phone).uniqueid)
    story.resyncs()
    assert [call.id for call in story.live.calls()] == [story.call_of("0003*101")]
    check(story.live)
    story.channels.clear()
    story.resyncs()
    nothing_left(story.live)


def test_one_channel_alone_prunes_nothing() -> None:
    """The answer to a question about one channel is no resync, whatever it leaves out."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.dials("0003*101", "0003*211")
    before = story.live.calls()
    story.tells_order(story.chan("0003*211"))
    story.live.apply({"Event": "StatusComplete"}, story.now)
    story.live.apply({"Event": "StatusComplete", "ActionID": "Status/9"}, story.now)
    assert story.live.calls() == before


def test_an_answer_that_comes_amid_a_resync_prunes_nothing() -> None:
    """Two questions may be under way at once: only the resync's own end counts."""
    story = Story()
    story.dials("0003*100", "0003*210")
    rows = story.rows()
    for row in rows[:-2]:
        story.live.apply(row, story.now)
    story.tells_order(story.chan("0003*210"))
    assert len(story.live.board.channels) == 2
    for row in rows[-2:]:
        story.live.apply(row, story.now)
    assert len(story.live.board.channels) == 2


def test_one_that_broke_off_does_not_count_for_the_next() -> None:
    """A channel whose row came before the link broke is gone when the next resync leaves it out."""
    story = Story()
    story.parks_himself("0003*100")
    story.dials("0003*101", "0003*210")
    late = picture()
    for row in story.rows()[:-1]:
        late.apply(row, story.now)
    story.channels.clear()
    story.slots.clear()
    story.tell(late)
    nothing_left(late)


@pytest.mark.parametrize("answered", range(1, 8))
def test_what_happens_while_the_lists_are_answered(answered: int) -> None:
    """A caller who is parked, or joins a queue, behind any of the answers is not taken for one who has left it."""
    for happens in ("parks", "queues"):
        story = Story()
        story.dials("0003*101", "0003*210")
        rows = story.rows()
        for row in rows[:answered]:
            story.live.apply(row, story.now)
        if happens == "parks":
            story.parks_himself("0003*100")
        else:
            story.queues("0003*100", "support")
        for row in rows[answered:]:
            story.live.apply(row, story.now)
        call = story.live.call(story.call_of("0003*100"))
        assert call and call.legs[0].waiting, (happens, answered)


def test_a_talk_that_begins_behind_the_list_of_bridges() -> None:
    """Its bridge is in no list, and its channels are known only from their rows: it is a talk all the same."""
    story = Story()
    story.dials("0003*100", "0003*210")
    late = picture()
    before = [row for row in story.rows() if not str(row["ActionID"]).endswith("/Status")]
    resync = str(before[0]["ActionID"]).partition("/")[0]
    for row in before:
        late.apply(row, story.now)
    said = len(story.said)
    story.answers("0003*210")
    for moment in story.said[said:]:
        late.apply(moment.event, moment.at)
    for row in story.rows():
        if str(row["ActionID"]).endswith("/Status"):
            late.apply({**row, "ActionID": f"{resync}/Status"}, story.now)
    assert differences(story.live, late) == []
    call = story.call_of("0003*100")
    assert planned(late, call, "01") == planned(story.live, call, "01")
    assert "talking" in planned(late, call, "01")


def test_an_id_of_somebody_elses_choice_that_comes_again() -> None:
    """Click-to-call may give the same one to each of its calls: the later is not dated by what is known of the earlier."""
    story = Story()
    story.dials("0003*100", "0003*210", uniqueid="click-1")
    story.answers("0003*210")
    away = story.live
    story.live = picture()
    story.hangs_up("0003*100")
    story.passes(600)
    story.dials("0003*100", "0003*210", uniqueid="click-1")
    story.answers("0003*210")
    story.tell(away)
    assert differences(story.live, away) == []
    (call,) = away.calls()
    assert call.published > story.now - 60


def test_a_channel_that_is_born_meanwhile() -> None:
    """It is in no list, and stays."""
    story = Story()
    rows = story.rows()
    story.live.apply(rows[0], story.now)
    story.dials("0003*100", "0003*210")
    for row in rows[1:]:
        story.live.apply(row, story.now)
    assert len(story.live.calls()) == 1


def test_a_call_that_ends_meanwhile() -> None:
    """Its parking row does not bring it back."""
    story = Story()
    story.parks_himself("0003*100")
    rows = story.rows()
    story.live.apply(rows[0], story.now)
    parked = next(n for n, row in enumerate(rows) if row["Event"] == "ParkedCall")
    for row in rows[1 : parked + 1]:
        story.live.apply(row, story.now)
    story.hangs_up("0003*100")
    for row in story.rows():
        story.live.apply({**row, "ActionID": str(row["ActionID"]).replace("-2/", "-1/")}, story.now)
    nothing_left(story.live)


def test_the_rows_of_a_busy_pbx_in_any_order() -> None:
    """Status tells the channels in whatever order: the picture is the same."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.picks_ringing("0003*024", "0003*210")
    story.takes("0003*024")
    story.dials_through_local("0003*101", "0003*801", "0003*211")
    story.answers("0003*211")
    story.holds("0003*211")
    rows = story.rows()
    begin = next(n for n, row in enumerate(rows) if row["Event"] == "Status")
    forth, back = picture(), picture()
    for one, status in ((forth, rows[begin:-1]), (back, rows[begin:-1][::-1])):
        for row in (*rows[:begin], *status, rows[-1]):
            one.apply(row, story.now)
        check(one)
    assert sorted(forth.calls(), key=str) == sorted(back.calls(), key=str)
    assert differences(story.live, forth) == []


def test_nothing_is_seen_of_a_list_that_has_begun() -> None:
    """A slow Asterisk takes seconds for its rows: no leg is shown meanwhile whose caller's row is yet to come.

    So it is with calls whose events are slower than the rows, and with where the parties of known calls are by now.
    """
    story = Story()
    story.dials("0003*100", "0003*210")
    late = story.replayed()
    story.answers("0003*210")
    story.dials("0003*101", "0003*211")
    before = late.calls()
    *rows, last = story.rows()
    for one in rows:
        late.apply(one, story.now)
        assert late.calls() == before, one
    late.apply(last, story.now)
    check(late)
    assert differences(story.live, late) == []
    ringing = story.call_of("0003*211")
    assert planned(late, ringing, "01") == planned(story.live, ringing, "01")


@pytest.mark.parametrize("seconds", [0, 8])
def test_who_is_born_while_a_slow_list_is_made(seconds: int) -> None:
    """A list of seconds may have a ringing phone and not its caller: both are shown once they are announced.

    One who joins amid an earlier call whose caller has gone takes it from a list that was made at once.
    """
    story = Story()
    story.dials("0003*100", "0003*210")
    late = story.replayed()
    before, told = late.calls(), len(story.said)
    began, rows = story.now, story.rows()
    story.passes(seconds)
    story.dials("0003*101", "0003*211")
    young = story.status(story.ringing("0003*211"), str(rows[-1]["ActionID"]))
    for one in rows[:-1]:
        late.apply(one, began)
    for one in (young, rows[-1]):
        late.apply(one, story.now)
    check(late)
    assert (late.calls() == before) is bool(seconds)
    for moment in story.said[told:]:
        late.apply(moment.event, moment.at)
    check(late)
    assert differences(story.live, late) == []


def test_what_is_told_between_two_rows_is_newer_than_the_first() -> None:
    """A channel that ends behind its row, but before the list does, has ended."""
    story = Story()
    story.dials("0003*100", "0003*210")
    late = picture()
    *rows, last = story.rows()
    for one in rows:
        late.apply(one, story.now)
    story.hangs_up("0003*100")
    for moment in story.said[-2:]:
        late.apply(moment.event, moment.at)
    late.apply(last, story.now)
    nothing_left(late)


def row(**headers: str) -> Told:
    return {"Event": "Status", "ActionID": "Status/1", **headers}


def test_a_row_that_says_little() -> None:
    """Missing headers are what is not known, and no exception."""
    one = picture()
    one.apply(row(Uniqueid=""), 1.0)
    one.apply(row(), 1.0)
    assert one.calls() == []
    one.apply(row(Uniqueid="x"), 1.0)
    assert [leg.status for leg in one.calls()[0].legs] == ["0"]
    assert one.call(CallId.of("x"))


@pytest.mark.parametrize(
    ("answer", "start", "time"),
    [
        ("1795465923.5", "1795465922.4", 1795465923.5),
        ("1795465923.5", "1795465922.9", 1795465923.5),
        ("1795465930.5", "1795465930.1", None),  # its CDR began anew when it was bridged again
        ("1795465930.5", "1795465930.5", None),  # and is answered from its beginning then
        ("0.000000", "1795465922.4", None),
        ("1795465923.5", "", None),
        ("", "1795465922.4", None),
        ("nan", "1795465922.4", None),
        ("(null)", "(null)", None),
    ],
)
def test_when_a_channel_was_answered(answer: str, start: str, time: float | None) -> None:
    """Its CDR tells only while it is the channel's first; what is not told is not guessed."""
    one = picture()
    headers = row(Uniqueid="1795465922.4", Channel="PJSIP/0003*100-4", ChannelState="6", Seconds="9")
    headers["Variable"] = [f"CDR(answer,u)={answer}", f"CDR(start,u)={start}"]
    one.apply(headers, 1795465931.0)
    (call,) = one.calls()
    assert (call.legs[0].answered, call.answered) == (time, time)


def test_a_call_is_answered_at_no_known_time_when_one_of_its_legs_is() -> None:
    """The leg that nobody knows about may have been the first."""
    story = Story()
    story.parks_himself("0003*100")
    story.passes(60)
    story.fetches("0003*025")
    (call,) = story.fresh().calls()
    assert call.answered is None
    assert [leg.answered is None for leg in call.legs] == [True, False]


def test_devices_are_remembered_but_not_whatever_was_dialled() -> None:
    """An endpoint's state is kept, until it is none any more; a Local channel's is not: they are without number."""
    one = picture()
    for device, state in (("PJSIP/0003*210", "NOT_INUSE"), ("PJSIP/0003*211", "UNAVAILABLE"), ("", "x")):
        one.apply({"Event": "DeviceStateChange", "Device": device, "State": state}, 1.0)
    for number in range(50):
        one.apply({"Event": "DeviceStateChange", "Device": f"Local/{number}@internal", "State": "INUSE"}, 1.0)
    assert one.devices == {"PJSIP/0003*210": "NOT_INUSE", "PJSIP/0003*211": "UNAVAILABLE", "": "x"}
    gone = {"Device": "PJSIP/0003*211", "State": "INVALID", "ActionID": "resync-1/DeviceStateList"}
    one.apply({"Event": "DeviceStateChange", **gone}, 1.0)
    assert "PJSIP/0003*211" not in one.devices
