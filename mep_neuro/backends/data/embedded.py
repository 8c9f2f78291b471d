"""The data sets that need no file: handwritten digits, and exclusive or."""

import numpy as np

from mep_neuro.backends.data.data_set import DataSet, checked
from mep_neuro.backends.data.split import stratified_split

# Fixed for good: accuracies of different training seeds are then on the same held-out images. Not one
# of scikit-learn's splits 0, 1 and 2, on which the recipes of the library networks were found.
DIGITS_SPLIT_SEED = 1797
DIGITS_HELD_OUT = 450


def digits() -> DataSet:
    """The 1,797 images of 8x8 pixels that come with scikit-learn, pixels divided by 16.

    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), its test part.
    """
    from sklearn.datasets import load_digits  # a second to import, and only this source needs it

    x, y = load_digits(return_X_y=True)
    train, test = stratified_split("digits", y, DIGITS_HELD_OUT, DIGITS_SPLIT_SEED)
    return checked(
        "digits",
        {"x_train": x[train] / 16, "y_train": y[train], "x_test": x[test] / 16, "y_test": y[test]},
        f"{len(train)} images to train, {len(test)} held out, stratified by class; always the same images "
        f"(split seed {DIGITS_SPLIT_SEED}), whatever the training seed",
    )


def xor() -> DataSet:
    """The four patterns of exclusive or, each input beside its complement: (x1, x2, 1 - x1, 1 - x2)."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    features = np.hstack([x, 1 - x])
    labels = np.array([0, 1, 1, 0])
    return checked(
        "xor",
        {"x_train": features, "y_train": labels, "x_test": features.copy(), "y_test": labels.copy()},
        "the four patterns are both the training and the test part: nothing is held out",
    )
