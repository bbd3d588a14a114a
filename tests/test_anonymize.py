"""Recordings with pseudonyms: nobody is left in them, and they tell the same story of others."""

import json
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ami import read
from bridge.anonymize import Anonymizer
from bridge.calls import Call, Change, Headers, Leg, PickupNote, Picture, text
from bridge.cli import main
from bridge.endpoints import Endpoints
from bridge.grammar import CallId, Extension
from recorded.telling import QUEUES

FOLDER = Path(__file__).parent / "recordings"
RECORDINGS = sorted(FOLDER.rglob("*.jsonl"))

Events = list[tuple[float, Headers]]


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(""))


def _events(path: Path) -> Events:
    head, events = read(path)
    return [(head.started + t, event) for t, event in events]


def _anonymous(events: Events, anonymizer: Anonymizer) -> Events:
    for _, event in events:
        anonymizer.meet(event)
    return [(at, anonymizer.event(event)) for at, event in events]


# ------------------------------------------------------------------ the recordings

_NUMBERS = re.compile(
    r"CallerIDNum|ConnectedLineNum|Exten|DNID|ParkingSpace|ParkerDialString|DialString|Device"
)
_NAMES = re.compile(r"CallerIDName|ConnectedLineName|SystemName|Queue|BridgeName")
_COUNTERS = re.compile(
    r"Seconds|ParkingDuration|ParkingTimeout|ListItems|Items|Total|Cause|TechCause|Priority|\w*Priority|Count|Position"
    r"|Wait|HoldTime|\w*State|Reason|OriginalPosition|TimeToHangup|Pickupgroup|Callgroup|BridgeNumChannels|CID-.*"
    r"|Event|Privilege|\w*StateDesc|Cause-txt|\w*Language|Bridge[TVC]\w*|Application|Type|\w*format\w*|\w*trans|Response"
)
_IDS = re.compile(
    r"1\d{9}\.\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|-[0-9a-f]{8}\b|uapi-[0-9a-f]{20}-\d+|/[0-9a-f]{12}\b"
)
_VARIABLES = re.compile(r"(CDR|CHANNEL)\(.*|UAPI_(VIEW|BY|MODE|ANSWERED|SINCE)=.*|UAPI_[A-Z]+=")
_ASTERISKS_OWN = {
    "s", "default", "avail", "pause", "park", "parkedcalls", "queue", "pjsip", "sip", "trunk", "local", "cbann", "internal",
    "confbridge", "surrogate", "unknown", "pickup", "gone",
}  # fmt: skip


def _all(events: Events) -> Iterator[tuple[str, str]]:
    for _, event in events:
        for name, value in event.items():
            for one in [value] if isinstance(value, str) else value:
                yield name, one


def _people(events: Events) -> set[str]:
    """The numbers and words that tell who had a part in it, taken from the headers that exist to tell it."""
    found: set[str] = set()
    for name, value in _all(events):
        if value not in ("<unknown>", "(null)") and (_NUMBERS.search(name) or _NAMES.search(name)):
            found |= {piece.lower() for piece in re.findall(r"\d{2,}|[A-Za-z]{2,}", value)}
    return found - _ASTERISKS_OWN


@pytest.mark.parametrize("path", RECORDINGS, ids=_name)
def test_nobody_is_left_in_it_and_the_story_is_the_same(path: Path) -> None:
    """No number and no name of the original, and each change of each call, with others in the parts."""
    before = _events(path)
    pseudonyms = Anonymizer("one key")
    after = _anonymous(before, pseudonyms)

    people = _people(before)
    assert {"0003", "100", "ext"} <= people
    left = set()
    for name, value in _all(after):
        if not _COUNTERS.fullmatch(name) and name != "ActionID":
            told = _VARIABLES.sub("", _IDS.sub(" ", value))
            left |= {piece.lower() for piece in re.findall(r"\d{2,}|[A-Za-z]{2,}", told)} & people
    assert left == set()

    queues = {pseudonyms.text(name): Extension(pseudonyms.text(one)) for name, one in QUEUES.items()}
    renamed = [
        Change(change.kind, _renamed(change.call, pseudonyms))
        for change in _changes(before, Picture(Endpoints.default(), QUEUES))
    ]
    changes = [
        Change(change.kind, _in_order(change.call))
        for change in _changes(after, Picture(Endpoints.default(), queues))
    ]
    assert changes == renamed
    assert changes


def _changes(events: Events, picture: Picture) -> Iterator[Change]:
    picture.track_changes = True
    for at, event in events:
        picture.apply(event, at)
        yield from picture.take_changes()


def _renamed(call: Call, pseudonyms: Anonymizer) -> Call:
    return _in_order(
        replace(
            call,
            id=CallId(pseudonyms.call(call.id)),
            legs=tuple(_renamed_leg(leg, pseudonyms) for leg in call.legs),
            listed=frozenset(Extension(pseudonyms.text(one)) for one in call.listed),
        )
    )


def _renamed_leg(leg: Leg, pseudonyms: Anonymizer) -> Leg:
    put = pseudonyms.text
    note = leg.pickup
    return replace(
        leg,
        view=pseudonyms.view(leg.view),
        uniqueid=put(leg.uniqueid),
        channel=put(leg.channel),
        extension=Extension(put(leg.extension)) if leg.extension else None,
        number=put(leg.number),
        source=put(leg.source),
        destination=put(leg.destination),
        other_name=pseudonyms.name(leg.other_name),
        other_number=put(leg.other_number),
        parked_pos=put(leg.parked_pos),
        parked_by=Extension(put(leg.parked_by)) if leg.parked_by else None,
        pickup=PickupNote(put(note.taken_from), Extension(put(note.send_call_to)), note.status)
        if note
        else None,
    )


def _in_order(call: Call) -> Call:
    """Views whose ids are digests stand in the order of those."""
    return replace(call, legs=tuple(sorted(call.legs, key=lambda leg: leg.uniqueid)))


# ------------------------------------------------------------------ forms


@pytest.mark.parametrize(
    ("original", "form"),
    [
        ("0003*210", r"0\d{3}\*[1-9]\d\d"),
        ("+4930900100", r"\+[1-9]\d{9}"),
        ("John Doe", r"[A-Z][a-z]{3} [A-Z][a-z]{2}"),
        ("McDonald & Söhne", r"[A-Z][a-z]{7} & [A-Z][a-z]{4}"),
        ("PJSIP/0003*210-0000002c", r"PJSIP/0\d{3}\*\d{3}-0000002c"),
        ("SIP/acme-08b32af0", r"SIP/[a-z]{4}-f[0-9a-f]{7}"),
        ("Local/0003*210@from-acme-00000003;1", r"Local/0\d{3}\*\d{3}@from-[a-z]{4}-00000003;1"),
        ("PJSIP/acme-00000001<ZOMBIE>", r"PJSIP/[a-z]{4}-00000001<ZOMBIE>"),
        ("acme-1-1795472887.2", r"[a-z]{4}-1-1795472887\.2"),
        ("sip:210@10.1.2.3:5060", r"sip:[1-9]\d\d@(192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}:[1-9]\d{3}"),
        ("fe80::1234:5678", r"2001:db8::[0-9a-f]{4}:[0-9a-f]{4}"),
        ("127.0.0.1", r"127\.0\.0\.1"),
        ("sip.acme.com", r"sip\.[a-z]{4}\.[a-z]{3}"),
        ("<unknown>", "<unknown>"),
        ("s", "s"),
    ],
)
def test_a_pseudonym_has_the_form_of_the_original(original: str, form: str) -> None:
    """Digits for digits, letters for letters, and another of them; Asterisk's own words stay."""
    for key in ("a", "b", "c"):
        pseudonym = Anonymizer(key).text(original)
        assert re.fullmatch(form, pseudonym), pseudonym
        assert pseudonym != original or re.fullmatch(form, original)


def test_the_same_is_the_same_everywhere() -> None:
    """An extension, its channel and its name have one number; JOHN and John one name; two extensions one prefix."""
    pseudonyms = Anonymizer("k")
    number = pseudonyms.text("0003*210")
    assert pseudonyms.text("PJSIP/0003*210-0000002c") == f"PJSIP/{number}-0000002c"
    assert pseudonyms.text("Desk 210").endswith(f" {number.partition('*')[2]}")
    assert pseudonyms.text("0003*024").partition("*")[0] == number.partition("*")[0]
    assert pseudonyms.text("JOHN") == pseudonyms.text("John").upper()
    assert Anonymizer("k").text("0003*210") == number
    assert Anonymizer("").text("0003*210 4930900100") != Anonymizer("").text("0003*210 4930900100")


def test_initials_are_taken_out_of_names_alone() -> None:
    """J. Doe is somebody else's initial; the extension s is Asterisk's."""
    event = Anonymizer("k").event({"Event": "Newchannel", "CallerIDName": "J. D.", "Exten": "s"})
    assert event["Exten"] == "s"
    assert not {"j", "d"} & set(text(event, "CallerIDName").lower())


@pytest.mark.parametrize("name", ["Agent Park", "park", "Custom", "Park2", "Mobile Macro"])
def test_nobody_keeps_a_name_that_means_something_to_asterisk(name: str) -> None:
    """Mr. Park is somebody else; the lot in which he is parked, the words for nobody, and an id's beginning stay."""
    event: Headers = {
        "Event": "ParkedCall",
        "ParkeeCallerIDName": name,
        "ParkeeConnectedLineName": "Anonymous",
        "Parkinglot": "park",
        "BridgeName": "park",
        "ParkeeUniqueid": "park-1795472464.1",
    }
    told = Anonymizer("k").event(event)
    assert told | {"ParkeeCallerIDName": name} == event
    before, after = (text(one, "ParkeeCallerIDName").lower() for one in (event, told))
    assert not set(re.findall("[a-z]+", before)) & set(re.findall("[a-z]+", after))


@pytest.mark.parametrize(
    ("original", "form"),
    [
        ("PJSIP/001565a1b2c3-0000002c", r"PJSIP/0\d{5}(?!a1b2c3)[a-z]\d[a-z]\d[a-z]\d-0000002c"),
        ("PJSIP/001565A1B2C3", r"PJSIP/0\d{5}(?!A1B2C3)[A-Z]\d[A-Z]\d[A-Z]\d"),
        ("PJSIP/a1b2c3d4", r"PJSIP/(?!a1b2c3d4)([a-z]\d){4}"),
        ("00:1a:2b:3c:4d:5e", r"(?!..:1a:2b:3c:4d:5e)\d\d(:\d[a-f]){5}"),
        ("00:1A:2B:3C:4D:5E", r"(?!..:1A:2B:3C:4D:5E)\d\d(:\d[A-F]){5}"),
        ("00-1a-2b-3c-4d-5e", r"0\d(?!-1a-2b-3c-4d-5e)(-\d[a-z]){5}"),
        ("001a.2b3c.4d5e", r"0\d\d[a-z](?!.2b3c.4d5e)(\.\d[a-z]\d[a-z]){2}"),
        ("030-00123456", r"0\d\d-(?!00123456)0\d{7}"),
        ("7a", r"(?!7a)\d[a-z]"),
    ],
)
def test_letters_and_digits_in_one_piece_are_somebodys(original: str, form: str) -> None:
    """A phone's hardware address, however it is written, and whatever else is made of both."""
    for key in ("a", "b", "c"):
        pseudonym = Anonymizer(key).text(original)
        assert re.fullmatch(form, pseudonym), pseudonym


@pytest.mark.parametrize("kept", ["IAX2/", "Local/5@s;1", ":::", "1", "s,1"])
def test_what_stands_alone_stays(kept: str) -> None:
    """A technology, a half of a Local channel, the extension s: none is a part of somebody."""
    assert Anonymizer("k").text(kept) == kept


def test_a_piece_of_letters_and_digits_is_the_same_everywhere() -> None:
    """A device and its channel, in small letters and in capital ones; a210 has the number of 210; no two become one."""
    pseudonyms = Anonymizer("k")
    device = pseudonyms.text("PJSIP/001565a1b2c3")
    assert pseudonyms.text("PJSIP/001565a1b2c3-0000002c") == f"{device}-0000002c"
    assert pseudonyms.name("001565A1B2C3") == device.removeprefix("PJSIP/").upper()
    assert pseudonyms.text("a210")[1:] == pseudonyms.text("210")
    rooms = [f"{letter}{digit}" for letter in string.ascii_lowercase for digit in string.digits]
    assert len({pseudonyms.text(room) for room in rooms}) == len(rooms)


def test_a_piece_that_is_somebodys_is_given_to_nobody() -> None:
    """Rooms 0 to 4 of each floor have been met: who is there becomes somebody in rooms 5 to 9."""
    pseudonyms = Anonymizer("k")
    rooms = [f"{letter}{digit}" for letter in string.ascii_lowercase for digit in "01234"]
    for room in rooms:
        pseudonyms.meet({"Device": f"PJSIP/{room}"})
    given = [pseudonyms.text(room) for room in rooms[:20]]
    assert {room[1:] for room in given} <= set("56789")


@pytest.mark.parametrize("id_", ["resync-1/Status", "resync-12-0a1b2c3d/QueueStatus", "Getvar/31-0a1b2c3d"])
def test_which_question_is_answered_stays(id_: str) -> None:
    """A resync is one by the id of its answers."""
    assert Anonymizer("k").event({"Event": "Status", "ActionID": id_})["ActionID"] == id_


def test_no_two_get_one_pseudonym() -> None:
    """All two-digit extensions of an office have different ones; a number too many becomes a longer one."""
    pseudonyms = Anonymizer("k")
    office = [f"{number:02d}" for number in range(100)]
    for one in office:
        pseudonyms.meet({"Exten": one})
    given = [pseudonyms.text(one) for one in office]
    assert len(set(given)) == 100
    assert all(one != other for one, other in zip(office, given, strict=True))


NUMBER = st.from_regex(r"\A[1-9][0-9]{8,14}\Z")
PERSON = st.from_regex(r"\A[A-Z][a-z]{4,12}q[a-z]{3}\Z")
PIECE = st.from_regex(r"\A[0-9a-z]{0,6}([a-z][0-9]|[0-9][a-z])[0-9a-z]{0,6}\Z").filter("iax2".__ne__)
HEADERS = {name for path in RECORDINGS[:12] for _, event in read(path)[1] for name in event}
ITS_OWN_WORDS = re.compile(
    r"Event\w*|Response|Type|Application|State|\w*StateDesc|Bridge[TCV]\w*|Privilege|Cause-txt"
)
"""Headers in which Asterisk speaks of nobody."""
ITS_CODECS = re.compile(r"\w*formats?|\w*trans")
FORMS = (
    "{}",
    "<{}>",
    "UAPI_FROM={}",
    "x={}",
    "SIP/{}-00000001",
    "{}, {}",
    'a "{}"\r\nExten: {}',
    "CDR(answer,u)={}",
)


@given(
    st.tuples(NUMBER, st.sampled_from(sorted(HEADERS)))
    | st.tuples(PERSON, st.sampled_from(sorted(one for one in HEADERS if not ITS_OWN_WORDS.fullmatch(one))))
    | st.tuples(NUMBER | PERSON, st.from_regex(r"\AX-[A-Za-z-]{1,20}\Z")),
    st.sampled_from(FORMS),
)
def test_nothing_gets_through_by_any_header(secret_and_header: tuple[str, str], form: str) -> None:
    """A telephone number or a name in a header, known or not, in whatever surroundings, is not in what comes out."""
    secret, header = secret_and_header
    event: Headers = {
        header: form.replace("{}", secret),
        f"X({secret})": "1",
        "Variable": [f"{secret}={secret}"],
    }
    assert secret.lower() not in json.dumps(Anonymizer().event(event)).lower()


@given(
    PIECE,
    st.sampled_from(
        sorted(one for one in HEADERS if not ITS_OWN_WORDS.fullmatch(one) and not ITS_CODECS.fullmatch(one))
    )
    | st.from_regex(r"\AX-[A-Za-z-]{1,20}\Z"),
    st.sampled_from(FORMS),
)
def test_no_piece_of_letters_and_digits_gets_through(secret: str, header: str, form: str) -> None:
    """However short it is, in whatever order, it does not come out as it went in."""
    event: Headers = {
        header: form.replace("{}", secret),
        f"X({secret})": "1",
        "Variable": [f"{secret}={secret}"],
    }
    told = json.dumps(Anonymizer().event(event)).lower()
    assert not re.search(f"(?<![0-9a-z]){secret}(?![0-9a-z])", told)


# ------------------------------------------------------------------ the command


def test_the_command_writes_another_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins when the first did, replays to as many changes, and comes out the same with the same key."""
    path = FOLDER / "connecting" / "a-PBX-with-a-systemname.jsonl"
    out = tmp_path / "out.jsonl"
    again = tmp_path / "again.jsonl"
    for file in (out, again):
        assert main(["anonymize", str(path), str(file), "--key", "k"]) == 0
    assert out.read_text() == again.read_text()
    again.unlink()
    assert main(["anonymize", str(path), str(again)]) == 0
    assert out.read_text() != again.read_text()
    head = read(out)[0]
    assert head.started == read(path)[0].started
    assert re.fullmatch(r"[a-z]{3}-[a-z]{6}-1", head.systemname)
    assert "berlin" not in out.read_text()
    assert capsys.readouterr().out == ""
    told = []
    for file in (path, out):
        assert main(["replay", str(file)]) == 0
        lines = map(json.loads, capsys.readouterr().out.splitlines())
        told.append([(line["t"], line["change"], len(line["call"]["phoneCallView"])) for line in lines])
    assert told[0] == told[1]


def test_the_command_does_not_write_over_the_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it take for a recording what is none."""
    file = tmp_path / "r.jsonl"
    file.write_text("what?\n")
    assert main(["anonymize", str(file), str(file)]) == 1
    assert "is the recording itself" in capsys.readouterr().err
    assert main(["anonymize", str(file), str(tmp_path / "out.jsonl")]) == 1
    assert f"{file}: line 1: not JSON" in capsys.readouterr().err
    assert file.read_text() == "what?\n"
    assert main(["anonymize", str(tmp_path / "missing"), str(file)]) == 1
    assert "missing: No such file" in capsys.readouterr().err
    assert file.read_text() == "what?\n"
    assert list(tmp_path.iterdir()) == [file]


def test_what_goes_wrong_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a recording that is not whole nothing is written; of a whole one a file for its owner's eyes alone."""
    cut = tmp_path / "cut.jsonl"
    cut.write_text('{"t": 0, "event": {"Event": "Hangup"}}\n{"t": 1, "eve')
    out = tmp_path / "out.jsonl"
    assert main(["anonymize", str(cut), str(out)]) == 1
    assert f"{cut}: line 2: not JSON" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [cut]
    cut.write_text('{"t": 0, "event": {"Event": "Hangup"}}\n')
    assert main(["anonymize", str(cut), str(out)]) == 0
    assert len(out.read_text().splitlines()) == 2
    assert out.stat().st_mode & 0o777 == 0o600


def test_no_other_file_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As by ``record``: it may be the recording of another problem."""
    out = tmp_path / "out.jsonl"
    out.write_text("of yesterday")
    assert main(["anonymize", str(FOLDER / "pickup" / "ringing.jsonl"), str(out)]) == 1
    assert capsys.readouterr().err == f"{out}: is there already; give another name, or delete it first\n"
    assert [one.read_text() for one in tmp_path.iterdir()] == ["of yesterday"]


def test_a_place_that_cannot_be_looked_at_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind a folder that may not be entered, or with a name that no file can have: in a line, not a traceback."""
    recording = FOLDER / "pickup" / "ringing.jsonl"
    out = tmp_path / ("x" * 300)
    assert main(["anonymize", str(recording), str(out)]) == 1
    assert capsys.readouterr().err == f"{out}: File name too long\n"


def test_the_command_writes_to_a_pipe_as_well() -> None:
    """As in ``anonymize FILE /dev/stdout | less``."""
    recording = FOLDER / "pickup" / "ringing.jsonl"
    words = (sys.executable, "-m", "bridge", "anonymize", str(recording), "/dev/stdout")
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert len(said.stdout.splitlines()) == len(recording.read_text().splitlines())
