"""Extension lists: what a pattern covers, and which patterns have numbers in common."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.grammar import Extension, GrammarError
from bridge.patterns import Pattern, PatternIndex

# Few characters and short texts, so that all numbers of a length can be written out.
_DIGITS = "0123456789"
_patterns = st.text(alphabet="07*?", min_size=1, max_size=4).map(Pattern)
_numbers = st.text(alphabet="017*", min_size=1, max_size=4).map(Extension)


def _written_out(pattern: Pattern) -> set[str]:
    """All numbers of a pattern, by brute force."""
    return {
        "".join(chars) for chars in itertools.product(*(_DIGITS if one == "?" else one for one in pattern))
    }


@given(_patterns, _numbers)
def test_a_pattern_covers_the_numbers_it_is_written_out_to(pattern: Pattern, number: Extension) -> None:
    """? is any one digit and never the star; everything else is itself."""
    assert pattern.matches(number) == (number in _written_out(pattern))


@given(_patterns, _patterns)
def test_two_patterns_have_in_common_what_both_write_out(one: Pattern, other: Pattern) -> None:
    """The common numbers are those of a pattern again, whichever of the two is asked."""
    common = one.common(other)
    both = _written_out(one) & _written_out(other)
    assert (set() if common is None else _written_out(common)) == both
    assert other.common(one) == common


@given(st.lists(_patterns, max_size=12), _patterns)
def test_the_index_finds_what_comparing_one_by_one_finds(patterns: list[Pattern], asked: Pattern) -> None:
    """Asked by a pattern or by a number, the index answers with every pattern that shares a number with it."""
    index: PatternIndex[int] = PatternIndex()
    for place, pattern in enumerate(patterns):
        index.add(pattern, place)
    expected = [place for place, pattern in enumerate(patterns) if pattern.common(asked)]
    assert sorted(index.find(asked)) == expected
    number = Extension(asked.replace("?", "3"))
    assert sorted(index.find(number)) == [at for at, one in enumerate(patterns) if one.matches(number)]


@pytest.mark.parametrize(
    "text", ["", "0003*21x", "0003#210", "0003*[1-3]", "0003*210 ", "٠٠٠٣*٢١٠", "1" * 33, 210, None]
)
def test_what_no_number_can_be_written_as_is_no_pattern(text: object) -> None:
    """Letters, classes, blanks, other scripts' digits and numbers longer than an extension are refused."""
    with pytest.raises(GrammarError):
        Pattern.parse(text)


def test_a_prefix_is_told_only_when_all_numbers_have_it() -> None:
    """The prefix is what stands before the first star; a ? in it means there is no single one."""
    assert [Pattern(one).prefix for one in ("0003*2??", "210", "*97", "000?*210", "1*2*3")] == [
        "0003",
        "",
        "",
        None,
        "1",
    ]
    assert Pattern("0003*210").exact
    assert not Pattern("0003*21?").exact
