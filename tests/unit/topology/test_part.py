"""Parts of a population mean what numpy's indices mean."""

import numpy as np
import pytest

from mep_neuro.topology.part import parse_part


@pytest.mark.parametrize(
    "index", ["", "[0]", "[-1]", "[:, :, -1]", "[1:3]", "[:, -2:]", "[2, 1:, :-1]", "[ 1 , : ]", "[-99:99]"]
)
def test_selects_what_numpy_selects(index: str) -> None:
    shape = (4, 3, 5)
    flat = np.arange(60).reshape(shape)
    expected = eval(f"flat{index}", {"flat": flat})  # numpy itself is the judge
    assert np.array_equal(parse_part(f"cube{index}").units(shape), np.sort(expected.ravel()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cube[4]", "index 4 is outside axis 0 of 4 units; write 0 to 3"),
        ("cube[:, -4]", "index -4 is outside axis 1 of 3 units; write 0 to 2"),
        ("cube[3:1]", "the index selects no unit of axis 0, which has 4; widen it"),
        ("cube[0, 0, 0, 0]", "4 indices into 3 axes; write at most 3"),
        ("cube[::2]", "'::2' in 'cube\\[::2\\]' is no index"),
        ("cube[9999999999]", "'9999999999' in .* is no index"),
        ("cube[]", "'' in 'cube\\[\\]' is no index"),
        ("2cube", "'2cube' is no population; write a name, or a part such as"),
    ],
)
def test_refuses(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_part(text).units((4, 3, 5))
