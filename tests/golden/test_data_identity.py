"""The held-out digits are these and no others: accuracies of different versions are comparable."""

from mep_neuro.backends.data.load import load_data


def test_digits_identity():
    # sha256 of the arrays, computed once with scikit-learn 1.9.1 and numpy 2.3.5 (split seed 1797).
    assert load_data("digits").identity == "a2784249006487fbfb75cd82add3348632943ef83350e5da738a46667286ae56"


def test_xor_identity():
    assert load_data("xor").identity == "587e65486b1c13f4a4abae1aeb45e49e49e95f0e83fb665fd690bd71b573b636"
