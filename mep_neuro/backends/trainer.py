"""A training in a simulator that has not begun, so that its objects can be reached before it runs."""

from typing import TYPE_CHECKING, Any

from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.registry import find_trainer

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork


def trainer(
    net: "EquilibriumNetwork",
    data: DataSet | str = "digits",
    *,
    epochs: int | None = None,
    on: str = "brian2",
    target: str | None = None,
) -> Any:
    """Make what `train(..., on=on)` trains with, ready to train.

    Args:
        net: The network; not changed. `net.load_arrays(trainer.arrays())` takes the outcome.
        data: A data set, or what `load_data` reads.
        epochs: Replaces learning.epochs.
        on: The simulator.
        target: Code generation target of the simulator; its own choice if left out.

    Returns:
        Of Brian2: `plastic.network`, `plastic.populations`, `plastic.projections`, `making()` for monitors,
        `train()`, `arrays()` and `predict(features)`.

    Raises:
        DataError: The data cannot be read or do not fit the network.
        UnknownBackendError: Nothing learns in a simulator of this name.
        UnsupportedError: The network cannot learn there, by name of the part.
    """
    data = load_data(data, seed=net.spec.seeds.data) if isinstance(data, str) else data
    data.check(net.spec)
    epochs = net.spec.learning.epochs if epochs is None else epochs
    options = {} if target is None else {"target": target}
    made = find_trainer(on)(net.to_network(), data.x_train, data.y_train, epochs=epochs, **options)
    made.prepare()
    return made
