"""What messages say of a pattern: examples, each of which matches."""

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest

from xfs4iot.protocol import messages
from xfs4iot.protocol.kinds import examples_of

_DECLARED = re.compile(r"pattern=('[^\n]*?\\\\Z'|'\.')")


@pytest.mark.parametrize(
    ("pattern", "examples"),
    [
        (r"^transport\Z|^unit[0-9A-Za-z]+\Z", ("transport", "unit1")),
        (r"^(zero|one|[^0-9])\Z", ("zero", "one", "A")),
        (r"^black\Z|^white\Z|^([01]?[0-9]?[0-9]),([0-9])\Z", ("black", "white")),
        (r"^[0-9]{8}\Z", ()),
    ],
)
def test_examples_are_the_words_of_a_pattern_and_one_for_each_class(
    pattern: str, examples: tuple[str, ...]
) -> None:
    assert examples_of(pattern) == examples


def patterns() -> Iterator[str]:
    for module in iter_modules(messages.__path__):
        source = import_module(f"{messages.__name__}.{module.name}").__file__
        assert source is not None
        with open(source, encoding="utf-8") as text:
            yield from (one[1:-1].replace("\\\\", "\\") for one in _DECLARED.findall(text.read()))


def test_every_example_of_every_pattern_matches() -> None:
    found = {pattern: examples_of(pattern) for pattern in patterns()}
    assert sum(bool(examples) for examples in found.values()) > 30
    for pattern, examples in found.items():
        assert all(re.fullmatch(pattern, one) for one in examples), pattern
