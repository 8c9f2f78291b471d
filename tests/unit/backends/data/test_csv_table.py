"""CSV tables, written to disk by the tests."""

import tracemalloc

import numpy as np
import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.errors import DataError


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes) -> str:
        path = tmp_path / "t.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def rows(count: int = 40, classes: int = 2) -> str:
    return "a,label,b\n" + "".join(f"{i},{i % classes},{-i / 8}\n" for i in range(count))


def refusal(path: str) -> str:
    with pytest.raises(DataError) as caught:
        load_data(path)
    return str(caught.value).replace(path, "t.csv")


def test_columns_are_in_order_and_the_label_column_is_taken_out(table):
    data = load_data(table(rows()))
    x, y = np.vstack([data.x_train, data.x_test]), np.r_[data.y_train, data.y_test]
    assert np.array_equal(np.sort(x[:, 0]), np.arange(40))
    assert np.array_equal(x[:, 1], -x[:, 0] / 8)
    assert np.array_equal(y, x[:, 0] % 2)


def test_a_quarter_is_held_out_of_every_class(table):
    data = load_data(table(rows(80, 4)))
    assert np.bincount(data.y_test).tolist() == [5, 5, 5, 5]
    assert np.bincount(data.y_train).tolist() == [15, 15, 15, 15]
    assert data.split == "60 samples to train, 20 held out, stratified by class, drawn with seed 1"


def test_the_split_is_that_of_the_seed(table):
    path = table(rows())
    assert load_data(path, seed=3).identity == load_data(path, seed=3).identity
    assert load_data(path, seed=3).identity != load_data(path, seed=4).identity
    assert load_data(path, seed=2**63 - 1).x_test.shape == (10, 2)


def test_the_smallest_table(table):
    data = load_data(table("a,label\n0,0\n1,1\n2,0\n3,1\n"))
    assert sorted(data.y_train) == sorted(data.y_test) == [0, 1]


def test_byte_order_mark_blank_lines_quotes_and_spaces(table):
    data = load_data(table('\ufeff label ,a\r\n0, 1\r\n\r\n1,2\r\n0,3e0\r\n"1",4\r\n\r\n'.encode()))
    assert sorted(np.r_[data.x_train[:, 0], data.x_test[:, 0]]) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv: empty; give a header and one sample a line"),
        ("a,label\n", "t.csv: no samples below the header; give one sample a line"),
        ("a,b\n1,2\n", "t.csv: line 1: no columns are named 'label' (there are: a, b); name the column"),
        ("label,label\n1,2\n", "t.csv: line 1: 2 columns are named 'label' (there are: label, label); name"),
        ("a;label\n1;0\n", "t.csv: line 1: no columns are named 'label' (there are: a;label); name"),
        ("label\n0\n1\n", "t.csv: line 1: no feature columns beside 'label'; add them"),
        ("a,label\n1,0\n1\n", "t.csv: line 3: 1 values, the header names 2 columns; give as many"),
        ("a,label\n1,0\n1,0,2\n", "t.csv: line 3: 3 values, the header names 2 columns; give as many"),
        ("a,label\n1,0\nx,0\n", "t.csv: line 3: column 'a': 'x' is no finite number; give one"),
        ("a,label\n,0\n", "t.csv: line 2: column 'a': '' is no finite number; give one"),
        ("a,label\n1,cat\n", "t.csv: line 2: column 'label': 'cat' is no finite number; give one"),
        ("a,label\nnan,0\n", "t.csv: line 2: column 'a': 'nan' is no finite number; give one"),
        ("a,label\n1e999,0\n", "t.csv: line 2: column 'a': '1e999' is no finite number; give one"),
        ("a,label\n1_000,0\n", "t.csv: line 2: column 'a': '1_000' is no finite number; give one"),
        ("a,label\n1,0\n2,-3\n", "t.csv: column 'label': label -3.0 in row 1; give whole numbers"),
        ("a,label\n1,0\n2,0.5\n", "t.csv: column 'label': label 0.5 in row 1; give whole numbers"),
        ("a,label\n1,0\n2,0\n", "t.csv: column 'label': only one class (label 0); give at least two"),
        ("a,label\n1,1\n2,2\n", "t.csv: column 'label': class 0 has no sample, but label 2 occurs; number"),
        (
            "a,label\n1,0\n2,0\n3,1\n",
            "t.csv: class 1 has 1 sample; give every class two or more, one to train",
        ),
        ('a,label\n"1,0\n', "t.csv: line 2: unexpected end of data; write plain comma-separated values"),
        (b"a,label\n\xff,0\n", "t.csv: no UTF-8 text (invalid start byte); save it as UTF-8"),
    ],
)
def test_refused(table, text, message):
    assert message in refusal(table(text))


def test_mistakes_are_collected_up_to_ten(table):
    lines = refusal(table("a,label\n" + "x,0\n1\n" * 100)).splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("t.csv: line 2: column 'a'")
    assert lines[1].startswith("t.csv: line 3: 1 values")


def test_reading_needs_a_small_multiple_of_the_data(table):
    cells = ",".join(["0.25"] * 199)
    load_data("xor")  # imports are not counted
    load_data(table(rows()))
    path = table("label," + ",".join(f"c{i}" for i in range(199)) + "\n" + f"0,{cells}\n1,{cells}\n" * 1000)
    tracemalloc.start()
    try:
        data = load_data(path)
        # The table, the features without labels, and the two parts: about 3 times; lists of texts would be 8.
        assert tracemalloc.get_traced_memory()[1] < 4.5 * (data.x_train.nbytes + data.x_test.nbytes)
    finally:
        tracemalloc.stop()
