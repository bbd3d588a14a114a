"""What the bridge must know about Asterisk's versions, from the version text alone."""

import re

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_CERTIFIED = re.compile(r"certified/(\d+)\.(\d+)-cert(\d+)")

_FIXED = {18: (24, 2), 20: (9, 2), 21: (4, 2)}
_FIXED_CERTIFIED = {(18, 9): 11, (20, 7): 2}
_FIRST_NEVER_OPEN = 22

_EXPORTS_SINCE = {16: 30, 18: 16, 19: 8, 20: 1}


def originate_runs_code(version: str) -> bool:
    """Whether CVE-2024-42365 is open: a manager user with `write=originate` may run code on the PBX.

    Fixed in 18.24.2, 20.9.2 and 21.4.2, certified 18.9-cert11 and 20.7-cert2 (GHSA-c4cg-9275-6w44); never in older
    branches, though a distribution may have patched its own.

    Args:
        version: as CoreSettings tells it, such as ``22.10.1``; one that cannot be read counts as safe.
    """
    certified = _CERTIFIED.match(version)
    if certified:
        major, minor, patch = (int(part) for part in certified.groups())
        return patch < _FIXED_CERTIFIED.get((major, minor), 0 if major >= 20 else 1000)
    release = _RELEASE.match(version)
    if not release:
        return False
    major, minor, patch = (int(part or 0) for part in release.groups())
    return major < _FIRST_NEVER_OPEN and (minor, patch) < _FIXED.get(major, (1000, 0))


def has_export(version: str) -> bool:
    """Whether the dialplan has the function EXPORT, which sets a variable of another channel.

    Since 16.30, 18.16, 19.8 and 20.1 (Asterisk's documentation of EXPORT).

    Args:
        version: as CoreSettings tells it, such as ``22.10.1``; one that cannot be read counts as too old.
    """
    found = _RELEASE.match(version.removeprefix("certified/"))
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    return major > 20 or minor >= _EXPORTS_SINCE.get(major, 1000)
