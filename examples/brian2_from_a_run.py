"""A trained run as spiking neurons in Brian2, with a monitor of your own, and a picture of what happened.

Run it: python examples/brian2_from_a_run.py [RUN]   (some seconds; without a RUN it trains a short one)
Source: Stimberg, Brette and Goodman 2019, Brian 2, an intuitive and efficient neural simulator.
"""

import sys
import tempfile

import brian2 as b2
import numpy as np

import mep_neuro as mep
from mep_neuro.simulation.override import network_with_neuron


def main(run: str = "", picture: str = "", samples: int = 5, epochs: int = 3) -> dict[str, float]:
    """Convert, monitor, run, draw; returns the figures it prints."""
    data = mep.load_data("digits")
    with tempfile.TemporaryDirectory() as folder:
        if not run:
            run = f"{folder}/run"
            mep.train(mep.load("digits_mlp"), data, epochs=epochs, out=run)
        trained = mep.load(run).to_network()

    network = network_with_neuron(trained, "sif")  # the weights of the rates, integrate-and-fire units
    model = mep.convert(network, to="brian2", samples=samples)
    print(model.describe().splitlines()[0])
    with model.making():  # real Brian2 objects, so real monitors: of sample 0, the first 64 neurons
        spikes = b2.SpikeMonitor(model.populations["hidden"])
        current = b2.StateMonitor(model.populations["output"], "i_syn", record=range(10))
    model.network.add(spikes, current)
    recording = model.run(data.x_test[:samples], trace=True)

    right = np.mean(recording.rates["output"].argmax(1) == data.y_test[:samples])
    counted = sum(np.count_nonzero(s) for s in recording.spikes["hidden"])
    print(f"{spikes.num_spikes} spikes of hidden units, {right:.0%} of {samples} images read right")
    print(f"synaptic current into the outputs: {float(np.ptp(current.i_syn)):.2f} from least to most")
    figure = mep.plot_raster(recording, network, sample=0)
    if picture:
        figure.savefig(picture, dpi=150)
    return {
        "right": float(right),
        "spikes": float(spikes.num_spikes),
        "recorded": float(counted),
        "panels": float(len(figure.axes)),
    }


if __name__ == "__main__":
    main(*sys.argv[1:2], picture="raster.png")
