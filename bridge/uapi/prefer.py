"""The Prefer header (RFC 7240), of which ``wait`` is understood."""

import re

LONGEST_WAIT = 60
"""Seconds that a request may wait for its outcome at most."""

_PREFERENCES = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+(?:"|\\?$))++')
"""What stands between commas, those in quotes aside. A quote without an end goes on to the end: tried from each place in
it again, a long one would hold up everybody."""

_WAIT = re.compile(r'\s*wait\s*=\s*(?:"([0-9]{1,9})"|([0-9]{1,9}))\s*(?:;.*)?', re.IGNORECASE)


def wait(values: list[str]) -> int | None:
    """The seconds that a client prefers to wait.

    Args:
        values: The values of all its Prefer headers, in order.

    Returns:
        The seconds, at most ``LONGEST_WAIT``; None where it does not say, or not in a form of the RFC. Of several the
        first counts (RFC 7240, 2).
    """
    for value in values:
        for preference in _PREFERENCES.findall(value):
            if match := _WAIT.fullmatch(preference):
                return min(int(match[1] or match[2]), LONGEST_WAIT)
    return None
