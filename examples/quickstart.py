"""Learn handwritten digits by Equilibrium Propagation, then settle the same network in Brian2.

Run it: python examples/quickstart.py   (some seconds)
Source: Scellier and Bengio 2017, Equilibrium Propagation.
"""

import numpy as np
import torch

import mep_neuro as mep


def main(epochs: int = 10, samples: int = 20) -> dict[str, float]:
    """Train, convert, compare; returns the figures it prints."""
    data = mep.load_data("digits")
    net = mep.load("digits_mlp")  # a name, a path or a mapping
    training = mep.train(net, data, epochs=epochs)
    print(f"held-out accuracy {training.held_out.value:.3f} of {training.held_out.samples} images")

    model = mep.convert(net, to="brian2", samples=samples)
    hidden = model.populations["hidden"]  # a NeuronGroup
    synapses = model.projections["hidden->output"]  # its Synapses
    print(f"Brian2: {len(hidden)} hidden neurons and {len(synapses)} synapses for {samples} images at once")
    recording = model.run(data.x_test[:samples], 0.5, tolerance=1e-9)

    point = mep.free_phase(net, torch.as_tensor(data.x_test[:samples]), tolerance=1e-6).point
    reference = point.states["output"].numpy()
    deviation = float(np.abs(recording.rates["output"] - reference).max())
    agreement = float(np.mean(recording.rates["output"].argmax(1) == reference.argmax(1)))
    print(f"Brian2: largest deviation of an output rate {deviation:.1e}, same class in {agreement:.0%}")
    return {"accuracy": training.held_out.value, "deviation": deviation, "agreement": agreement}


if __name__ == "__main__":
    main()
