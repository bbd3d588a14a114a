"""What an Asterisk can do, by what it says of its version."""

import pytest

from bridge.ami import has_export


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ("16.28.0~dfsg-0+deb11u4", False),
        ("16.30.0", True),
        ("17.9.4", False),
        ("18.15.1", False),
        ("18.16.0", True),
        ("19.8.0", True),
        ("20.0.1", False),
        ("20.1.0", True),
        ("22.10.1", True),
        ("certified/18.9-cert8", False),
        ("certified/20.7-cert1", True),
        ("GIT-master-0a1b2c3", False),
        ("", False),
    ],
)
def test_the_dialplan_can_tell_another_channel_where_to_go(version: str, *, has: bool) -> None:
    """EXPORT came with 16.30, 18.16, 19.8 and 20.1; one that is not known to have it has not."""
    assert has_export(version) is has
