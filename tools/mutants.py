"""Switch a guard off by name and see a test go red: `make mutants`, or `make mutants ONLY=dialplan-guard`.

Each mutant is one change to one file, made in a copy of the checkout. A mutant that survives its tests is a guard
that nothing holds.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard switched off.

    Args:
        name: The guard's name.
        file: Where it is.
        guard: Its text there, found exactly once.
        off: What stands there instead.
        tests: Those of which one at least has to fail.
    """

    name: str
    file: str
    guard: str
    off: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "dialplan-guard",
        "asterisk-conf/extensions.d/uapi.conf",
        'GotoIf($["${IMPORT(${UAPI_PLACE},BRIDGEPEER)}" != "${UAPI_PEER}"]?end)',
        "NoOp()",
        ("tests/real/test_guards.py::test_who_was_fetched_meanwhile_stays_with_his_fetcher",),
    ),
    Mutant(
        "dialplan-guard-of-a-talk",
        "asterisk-conf/extensions.d/uapi.conf",
        'GotoIf($["${CHANNEL_EXISTS(${UAPI_TARGET})} ${IMPORT(${UAPI_SOURCE},BRIDGEPEER)}" = "1 ${UAPI_LEG}" & "${UAPI_LEG}" != ""]?tell${UAPI_EXPORT})',
        "Goto(tell${UAPI_EXPORT})",
        ("tests/real/test_guards.py::test_who_talks_to_somebody_else_by_now_stays_with_him",),
    ),
    Mutant(
        "channel-id-lock",
        "bridge/calls/plan.py",
        "pickup=PickupId.of(call.id, 1 + max(numbers, default=0)),",
        "pickup=PickupId.of(call.id, 1 + __import__('secrets').randbelow(99999)),",
        ("tests/real/test_guards.py::test_two_bridges_and_two_phones_make_one_ring",),
    ),
    Mutant(
        "view-rights",
        "bridge/pickup.py",
        "    if leg.extension and directory.may_act_for(user, leg.extension):\n        return True",
        "    if leg:\n        return True",
        ("tests/real/test_guards.py::test_nobody_throws_anothers_phone_out_of_its_call",),
    ),
    Mutant(
        "cancel-when-the-caller-is-gone",
        "bridge/calls/outlook.py",
        "return Outlook.ALONE if pickup.up else Outlook.LEFT",
        "return Outlook.WATCH",
        ("tests/real/test_guards.py::test_a_ring_ends_with_the_call_it_is_for",),
    ),
    Mutant(
        "nothing-is-sent-again-after-a-reconnect",
        "bridge/ami/connection.py",
        "        future = self._manager.send_action(Action(headers), as_list=None if request.rows else False)\n",
        """\
        unsent = Connection.__dict__.get("unsent") or {}
        for old in list(unsent.values()):
            self._manager.send_action(Action(dict(old)), as_list=False)
        Connection.unsent = unsent | ({action_id: headers} if request.name == "Originate" else {})
        future = self._manager.send_action(Action(headers), as_list=None if request.rows else False)
""",
        ("tests/real/test_pbx_fails.py::test_an_originate_under_way_is_not_sent_again",),
    ),
)


def survives(mutant: Mutant) -> bool:
    """Run a mutant's tests; whether they are all green in spite of it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__"))
        file = copy / mutant.file
        text = file.read_text()
        if text.count(mutant.guard) != 1:
            raise SystemExit(
                f"{mutant.name}: its guard stands {text.count(mutant.guard)} times in {mutant.file}"
            )
        file.write_text(text.replace(mutant.guard, mutant.off))
        run = subprocess.run(  # our own table
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy), "CI": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode not in (0, 1):
            raise SystemExit(
                f"{mutant.name}: the tests did not run:\n{run.stdout[-3000:]}{run.stderr[-3000:]}"
            )
        if " error" in run.stdout.splitlines()[-1] and " failed" not in run.stdout.splitlines()[-1]:
            raise SystemExit(f"{mutant.name}: the tests broke instead of failing:\n{run.stdout[-3000:]}")
        return run.returncode == 0


def main() -> int:
    """Try all mutants, or those that ONLY names."""
    only = os.environ.get("ONLY", "")
    chosen = [mutant for mutant in MUTANTS if only in mutant.name]
    if not chosen:
        print(f"no such guard: {only}; there are {', '.join(mutant.name for mutant in MUTANTS)}")
        return 2
    survivors = 0
    for mutant in chosen:
        alive = survives(mutant)
        survivors += alive
        print(f"{'SURVIVES' if alive else 'red':8} {mutant.name}: {mutant.tests[0]}", flush=True)
    print(f"{len(chosen)} guards switched off, {len(chosen) - survivors} seen by a test, {survivors} survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
