"""A stratified split into a training and a held-out part."""

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import DataError


def stratified_split(
    where: str, labels: NDArray[np.int64], held_out: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the held-out part so that every class keeps its share.

    Args:
        where: Begins the error message.
        labels: Class of each sample, 0..n-1.
        held_out: Samples to hold out; at least one per class is taken.
        seed: Of the draw.

    Returns:
        Indices of the training and of the held-out samples, each in random order, so that the
        first N of either part are a fair sample of it.

    Raises:
        DataError: A class has fewer than two samples.
    """
    from sklearn.model_selection import train_test_split  # a second to import, and only two sources need it

    counts = np.bincount(labels)
    if counts.min() < 2:
        raise DataError(
            f"{where}: class {int(counts.argmin())} has {counts.min()} sample; "
            "give every class two or more, one to train on and one to hold out"
        )
    train, test = train_test_split(
        np.arange(labels.size),
        test_size=max(held_out, counts.size),
        stratify=labels,
        random_state=np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))),
    )
    return train, test
