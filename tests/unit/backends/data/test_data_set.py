"""What `checked` refuses, whatever the format, and the identity."""

import numpy as np
import pytest

from mep_neuro.backends.data.data_set import checked
from mep_neuro.errors import DataError


def parts(**changes):
    good = {
        "x_train": np.arange(12.0).reshape(4, 3),
        "y_train": np.array([0, 1, 0, 1]),
        "x_test": np.ones((2, 3)),
        "y_test": np.array([1, 0]),
    }
    return good | {name: np.asarray(value) for name, value in changes.items()}


def refusal(**changes) -> str:
    with pytest.raises(DataError) as caught:
        checked("d.npz", parts(**changes), "as given")
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, ">f8", bool])
def test_every_real_type_is_taken_as_float64(dtype):
    data = checked("d", parts(x_train=np.eye(4, 3).astype(dtype)), "as given")
    assert data.x_train.dtype == np.float64
    assert data.x_train.dtype.isnative
    assert np.array_equal(data.x_train, np.eye(4, 3))


def test_whole_floats_are_labels():
    assert checked("d", parts(y_train=[0.0, 1.0, 2.0, 1.0]), "as given").classes == 3


def with_value(value, row, column):
    x = np.zeros((4, 3))
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.zeros((4, 3, 1))},
            "d.npz: x_train: shape (4, 3, 1); give (samples, features), such as",
        ),
        ({"x_test": np.zeros(3)}, "d.npz: x_test: shape (3,); give (samples, features)"),
        ({"x_train": np.zeros((0, 3))}, "d.npz: x_train: empty, shape (0, 3); give at least one sample"),
        ({"x_train": np.zeros((4, 0))}, "d.npz: x_train: empty, shape (4, 0); give at least one sample"),
        ({"x_train": np.full((4, 3), "a")}, "d.npz: x_train: values of type <U1; give real numbers"),
        ({"x_train": np.zeros((4, 3), complex)}, "d.npz: x_train: values of type complex128; give real"),
        (
            {"x_train": with_value(np.nan, 2, 1)},
            "d.npz: x_train: row 2, column 1 is nan; give finite numbers",
        ),
        ({"x_train": with_value(-np.inf, 0, 2)}, "d.npz: x_train: row 0, column 2 is -inf; give finite"),
        (
            {"y_train": np.zeros((4, 2, 2))},
            "d.npz: y_train: shape (4, 2, 2); give (samples,), one class number per sample, or (samples, pos",
        ),
        (
            {"y_train": [[0, 1], [0, 0], [1, 2.5], [0, 0]]},
            "d.npz: y_train: label 2.5 in row 2; give whole numbers",
        ),
        (
            {"y_train": np.eye(4, 2), "y_test": [[0, 1], [1, 3]]},
            "d.npz: y_test: label 3 in row 1 is out of range 0..1 of the training labels",
        ),
        (
            {"y_train": np.eye(4, 3), "y_test": [[0, 1], [1, 0]]},
            "d.npz: y_train has 3 positions, y_test has 2; give both the same",
        ),
        (
            {"y_test": [[0, 1], [1, 0]]},
            "d.npz: y_train has no positions, y_test has 2; give both the same",
        ),
        ({"y_test": []}, "d.npz: y_test: empty; give at least one label"),
        ({"y_train": ["a", "b", "a", "b"]}, "d.npz: y_train: labels of type <U1; give whole numbers from 0"),
        (
            {"y_train": [0, 1, -1, 0]},
            "d.npz: y_train: label -1 in row 2; give whole numbers from 0 to classes",
        ),
        ({"y_train": [0, 1, 0.5, 0]}, "d.npz: y_train: label 0.5 in row 2; give whole numbers"),
        ({"y_train": [0, np.nan, 1, 0]}, "d.npz: y_train: label nan in row 1; give whole numbers"),
        ({"y_train": [0, 1e300, 1, 0]}, "d.npz: y_train: label 1e+300 in row 1; give whole numbers"),
        ({"y_train": np.array([0, 2**63], np.uint64)}, "d.npz: y_train: label 9223372036854775808 in row 1;"),
        ({"y_train": [0, 1, 0]}, "d.npz: x_train has 4 samples, y_train has 3 labels; give one label per"),
        ({"y_test": [0, 1, 0]}, "d.npz: x_test has 2 samples, y_test has 3 labels; give one label per"),
        ({"x_test": np.zeros((2, 4))}, "d.npz: x_train has 3 features, x_test has 4; give both the same"),
        (
            {"y_train": [0, 0, 0, 0], "y_test": [0, 0]},
            "d.npz: y_train: only one class (label 0); give at least",
        ),
        ({"y_train": [0, 2, 0, 2]}, "d.npz: y_train: class 1 has no sample, but label 2 occurs; number the"),
        ({"y_train": [1, 2, 1, 2]}, "d.npz: y_train: class 0 has no sample, but label 2 occurs; number the"),
        ({"y_train": [0, 2**31 - 1, 0, 1]}, "d.npz: y_train: class 2 has no sample, but label 2147483647"),
        (
            {"y_test": [0, 7]},
            "d.npz: y_test: label 7 in row 1 is out of range 0..1 of the training labels; give",
        ),
    ],
)
def test_refused(changes, message):
    assert message in refusal(**changes)


def test_every_mistake_at_once():
    lines = refusal(x_train=with_value(np.nan, 0, 0), y_test=[-1, 0]).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["x_train", "y_test"]


def test_a_value_beyond_the_first_block_of_rows_is_found():
    x = np.zeros((10_000, 2))
    x[9_999, 1] = np.inf
    assert "x_train: row 9999, column 1 is inf" in refusal(x_train=x, y_train=np.arange(10_000) % 2)


def test_the_identity_changes_with_each_array_and_nothing_else():
    original = checked("a", parts(), "one")
    assert (
        checked("b", parts(x_train=np.asfortranarray(parts()["x_train"])), "two").identity
        == original.identity
    )
    x = parts()["x_train"]
    x[3, 2] = np.nextafter(x[3, 2], 0)
    changed = [
        checked("a", parts(**change), "one").identity
        for change in (
            {"x_train": x},
            {"y_train": [1, 0, 0, 1]},
            {"x_test": np.zeros((2, 3))},
            {"y_test": [0, 1]},
            {"x_train": parts()["x_train"].reshape(6, 2), "y_train": [0, 1] * 3, "x_test": np.ones((2, 2))},
        )
    ]
    assert len({original.identity, *changed}) == 6
