"""Names of data sets, the two embedded ones, and the fit to a network."""

import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
from ruamel.yaml import YAML

from mep_neuro.backends.data.load import load_data
from mep_neuro.errors import DataError
from mep_neuro.simulation.build import build
from mep_neuro.topology.spec import NetworkSpec


def library(name: str) -> NetworkSpec:
    text = files("mep_neuro.networks").joinpath(f"{name}.yaml").read_text()
    return NetworkSpec.model_validate(YAML(typ="safe").load(text))


def test_digits_are_the_1797_images_split_once_and_scaled():
    data = load_data("digits")
    assert data.x_train.shape == (1347, 64)
    assert data.x_test.shape == (450, 64)
    assert (data.x_train.dtype, data.y_train.dtype) == (np.float64, np.int64)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert np.array_equal(np.unique(data.x_train * 16), np.arange(17))
    assert data.classes == 10
    assert "1347 images to train, 450 held out" in data.split


def test_no_digit_is_in_both_parts_more_often_than_in_the_source():
    from sklearn.datasets import load_digits

    data = load_data("digits")
    together = np.hstack([np.vstack([data.x_train, data.x_test]), np.r_[data.y_train, data.y_test][:, None]])
    x, y = load_digits(return_X_y=True)
    source = np.hstack([x / 16, y[:, None]])
    assert np.array_equal(together[np.lexsort(together.T)], source[np.lexsort(source.T)])


def test_the_digits_split_is_stratified_and_in_no_order():
    data = load_data("digits")
    train, test = np.bincount(data.y_train), np.bincount(data.y_test)
    assert np.abs(test / (train + test) - 450 / 1797).max() < 0.005  # half a sample in about 180
    assert np.bincount(data.y_test[:100], minlength=10).min() >= 3  # the first 100 are a fair sample


def test_the_digits_split_does_not_move_with_the_seed():
    assert load_data("digits", seed=5).identity == load_data("digits", seed=6).identity


def test_xor_is_the_four_patterns_with_their_complements():
    data = load_data("xor")
    assert data.x_train.tolist() == [[0, 0, 1, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]]
    assert data.y_train.tolist() == [0, 1, 1, 0]
    assert np.array_equal(data.x_train, data.x_test)
    assert np.array_equal(data.y_train, data.y_test)
    assert data.split == "the four patterns are both the training and the test part: nothing is held out"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", "data 'digit': unknown data set; did you mean 'digits'? (known: digits, xor, mnist:DIR, "),
        ("XOR", "data 'XOR': unknown data set; choose one of those known (known: digits"),
        ("mnist", "data 'mnist': unknown data set; did you mean 'mnist:DIR'?"),
        ("mnist:", "data 'mnist:': unknown data set; did you mean 'mnist:DIR'?"),
        ("", "data '': unknown data set; choose one of those known"),
        ("table.txt", "data 'table.txt': unknown data set; choose one of those known"),
        ("none.npz", "none.npz: no such file; check the path"),
        ("none.csv", "none.csv: no such file; check the path"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(DataError) as caught:
        load_data(name)
    assert message in str(caught.value)


def test_a_folder_gets_a_hint(tmp_path):
    with pytest.raises(DataError, match=f"a folder; for a folder of IDX files write 'mnist:{tmp_path}'"):
        load_data(str(tmp_path))


def test_check_accepts_what_fits_as_specification_and_as_network():
    load_data("digits").check(library("digits_mlp"))
    load_data("xor").check(build(library("xor")))


def test_check_names_both_populations_that_do_not_fit():
    with pytest.raises(DataError) as caught:
        load_data("digits").check(library("xor"))
    assert str(caught.value).splitlines() == [
        "population 'input': 4 units, the data has 64 features (digits); "
        "give the population 64 units or choose other data",
        "population 'output': 2 units, the data has 10 classes (digits); "
        "give the population 10 units or choose other data",
    ]


def test_reading_data_does_not_import_torch():
    code = (
        "import sys, mep_neuro.backends.data.load as l; l.load_data('digits'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
