"""Waits between tries."""

from bridge.ami.backoff import Backoff


def test_doubles_up_to_the_longest() -> None:
    """Each wait is in the upper half of 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5 seconds, and after a reset of 0.2."""
    backoff = Backoff(0.2, 5)
    for longest in (0.2, 0.4, 0.8, 1.6, 3.2, 5, 5):
        assert longest / 2 <= backoff.wait() <= longest
    backoff.reset()
    assert backoff.wait() <= 0.2


def test_no_two_bridges_wait_alike() -> None:
    """Waits are drawn at random."""
    assert len({Backoff(1, 5).wait() for _ in range(20)}) > 10
