"""How near the read-outs of spiking neurons are to the fixed point of the rate network.

    python tests/benchmarks/spiking_readout.py --json

`digits_mlp` is trained as rates, as its file says. Then the same weights run with spikes on the
held-out digits, and free, plus and minus phases give the contrast of a batch of all of them.

    error       `sif`, by slots: median over the samples of the mean |rate - fixed point| over the units
    slope       of log error over log slots, 64 to 1,024, least squares
    agreement   share of the samples with the class of the fixed point, by slots
    cosine      of the contrast to that of settled rates at 128 slots, the least of the weights, on the
                held-out samples; `cosine_training` on the training samples, which the network knows so
                well that little is left to learn from: the responses are four times smaller
    ways        the same two of other nudged phases: `chained`, the minus phase begins at the end of the plus
                phase and not of the free one; `settled`, read over the last 60 % and not the whole;
                `one_sided`, the free phase instead of a minus phase
    messages_per_unit, messages_agreement, messages_error   of `annealed_sigma_delta` at 64 slots

`controls` reads the very same spikes by other windows: `count` weighs the slots of the triangle alike,
`trace` is a leaky trace at the end of the phase whose time constant (1/16, 1/8 or 1/4 of the phase) is
the one that is best for it. `codes` has every model at 128 slots; `drawn` is the error with the
weights that training started from, against the trained fixed points: it must be large.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

import mep_neuro as mep
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.spiking.neurons import Registers
from mep_neuro.equilibrium.spiking.phases import on_grid, run_phase
from mep_neuro.neurons.spiking import triangular_window
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron

SLOTS = (16, 32, 64, 128, 256, 512, 1024)
FITTED = (64, 128, 256, 512, 1024)
BETA = 0.3
CODES = ("sif", "sigma_delta", "annealed_sigma_delta", "lif")
TRACES = (1 / 16, 1 / 8, 1 / 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one epoch and few slots, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = mep.load_data("digits")
    net = mep.load("digits_mlp")
    drawn = net.to_network()
    mep.train(net, data, epochs=1 if options.quick else None)
    result = measure(net.to_network(), drawn, data, SLOTS[:3] if options.quick else SLOTS)
    print(json.dumps({"spiking_readout": result}, indent=None if options.json else 2))


def measure(network: Network, drawn: Network, data: DataSet, slots: tuple[int, ...]) -> dict[str, object]:
    x = torch.from_numpy(data.x_test)
    goal = settled(network, x)
    error: dict[str, dict[str, float]] = {name: {} for name in ("triangle", "count", "trace")}
    agreement: dict[str, float] = {}
    for number in slots:
        read = read_outs(network, x, number)
        for name, rates in grouped(read, goal).items():
            error[name][str(number)] = median_error(rates, goal)
        agreement[str(number)] = agree(network, read["triangle"], goal)
        print(number, {k: v[str(number)] for k, v in error.items()}, agreement[str(number)], file=sys.stderr)
    fitted = [number for number in FITTED if number in slots] if len(slots) > 3 else slots
    middle = 128 if 128 in slots else slots[-1]
    cosines = contrast_cosines(network, data.x_test, data.y_test, middle)
    known = contrast_cosines(network, data.x_train, data.y_train, middle)
    codes = {name: code(network, x, goal, name, middle) for name in CODES}
    for name, told in codes.items():
        told["cosine"] = code_cosine(network, data.x_test, data.y_test, name, middle)
        told["cosine_training"] = code_cosine(network, data.x_train, data.y_train, name, middle)
    annealed = code(network, x, goal, "annealed_sigma_delta", 64)
    return {
        "error": error["triangle"],
        "slope": slope(error["triangle"], fitted),
        "agreement": agreement,
        "cosine": cosines["triangle"],
        "cosine_training": known["triangle"],
        "ways": {
            way: {
                "cosine": way_cosine(network, data.x_test, data.y_test, middle, way),
                "cosine_training": way_cosine(network, data.x_train, data.y_train, middle, way),
            }
            for way in ("settled", "chained", "chained settled", "one_sided")
        },
        "messages_per_unit": annealed["messages_per_unit"],
        "messages_agreement": annealed["agreement"],
        "messages_error": annealed["error"],
        "controls": {
            name: {"error": error[name], "slope": slope(error[name], fitted), "cosine": cosines[name]}
            for name in ("count", "trace")
        },
        "codes": codes,
        "drawn": median_error(read_outs(drawn, x, middle)["triangle"], goal),
    }


def spiking(network: Network, model: str, slots: int) -> EquilibriumNetwork:
    """The network of another neuron and length of phases, float64."""
    other = network_with_neuron(network, model)
    equilibrium = other.spec.equilibrium.model_copy(update={"slots": slots})
    spec = other.spec.model_copy(update={"equilibrium": equilibrium})
    return EquilibriumNetwork(replace(other, spec=spec), torch.float64)


def settled(network: Network, x: Tensor) -> Tensor:
    """The fixed point of the rate network, shape (units, samples)."""
    states = free_phase(EquilibriumNetwork(network, torch.float64), x, tolerance=1e-12, max_steps=5000).point
    assert bool(states.settled.all())
    return torch.cat([state.T for state in states.states.values()])


def windows(slots: int, nudged: bool) -> dict[str, np.ndarray]:
    """What each read-out weighs a slot with, sum 1."""
    triangle = triangular_window(slots, nudged=nudged)
    found = {"triangle": triangle, "count": (triangle > 0).astype(float)}
    back = np.arange(slots)[::-1]
    found |= {f"trace_{share:g}": np.exp(-back / (share * slots)) for share in TRACES}
    return {name: window / window.sum() for name, window in found.items()}


class Readers:
    """Reads one phase by every window."""

    def __init__(self, slots: int, shape: torch.Size, *, nudged: bool = False) -> None:
        """All at zero."""
        self._windows, self._slot = windows(slots, nudged), 0
        self.rates = {name: torch.zeros(shape, dtype=torch.float64) for name in self._windows}

    def watch(self, now: Registers) -> None:
        """Add a slot."""
        for name, window in self._windows.items():
            self.rates[name].add_(now.m, alpha=float(window[self._slot]))
        self._slot += 1


def read_outs(network: Network, x: Tensor, slots: int) -> dict[str, Tensor]:
    """Rates of `sif` by every window, shape (units, samples) each."""
    model = spiking(network, "sif", slots)
    _, drive = model.drive(x)
    current = on_grid(model, drive, len(x))
    readers = Readers(slots, current.shape)
    run_phase(model, current, watch=readers.watch)
    return readers.rates


def grouped(read: dict[str, Tensor], goal: Tensor) -> dict[str, Tensor]:
    """One trace of the three: that which is nearest."""
    traces = [rates for name, rates in read.items() if name.startswith("trace")]
    best = min(traces, key=lambda rates: median_error(rates, goal))
    return {"triangle": read["triangle"], "count": read["count"], "trace": best}


def median_error(rates: Tensor, goal: Tensor) -> float:
    return float((rates - goal).abs().mean(0).median())


def agree(network: Network, rates: Tensor, goal: Tensor) -> float:
    size = network.output.size  # the last population from the input
    return float((rates[-size:].argmax(0) == goal[-size:].argmax(0)).double().mean())


def slope(error: dict[str, float], slots: tuple[int, ...] | list[int]) -> float:
    return float(np.polyfit(np.log(slots), np.log([error[str(number)] for number in slots]), 1)[0])


def contrast_cosines(
    network: Network, features: np.ndarray, labels: np.ndarray, slots: int
) -> dict[str, float]:
    """Of the contrast by every window to that of settled rates, the least of the weights."""
    cosines = by_window(network, features, labels, slots)
    traces = [value for name, value in cosines.items() if name.startswith("trace")]
    return {"triangle": cosines["triangle"], "count": cosines["count"], "trace": max(traces)}


def way_cosine(network: Network, features: np.ndarray, labels: np.ndarray, slots: int, way: str) -> float:
    """By the triangle, of nudged phases that begin or are read in another way."""
    return by_window(network, features, labels, slots, way)["triangle"]


def by_window(
    network: Network, features: np.ndarray, labels: np.ndarray, slots: int, way: str = ""
) -> dict[str, float]:
    """Cosine of the contrast by every window, in a way of the list above or as training has it."""
    x, target = torch.from_numpy(features), one_hot(network, labels)
    exact = exact_contrast(network, x, target)
    model = spiking(network, "sif", slots)
    _, drive = model.drive(x)
    steady = on_grid(model, drive, len(x))
    still = Readers(slots, steady.shape)
    rest = run_phase(model, steady, watch=still.watch)
    size = network.output.size
    pull = on_grid(model, {network.output.name: BETA * (target - rest.rates[-size:].T)}, len(x))
    plus, minus = (Readers(slots, steady.shape, nudged="settled" not in way) for _ in range(2))
    above = run_phase(model, steady + pull, rest.end, plus.watch)
    if way == "one_sided":
        minus = still
    else:
        run_phase(model, steady - pull, above.end if "chained" in way else rest.end, minus.watch)
    cosines: dict[str, float] = {}
    for name in plus.rates:
        high, low = plus.rates[name], minus.rates[name]
        hidden = (high[:-size] - low[:-size]) @ x
        output = high[-size:] @ high[:-size].T - low[-size:] @ low[:-size].T
        found = {"input_hidden": hidden, "hidden_output": output}
        cosines[name] = min(cosine(exact[f"projections.{key}.weight"], value) for key, value in found.items())
    return cosines


def one_hot(network: Network, labels: np.ndarray) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(labels), network.output.size).double()


def exact_contrast(network: Network, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Of settled rates, at the same beta."""
    rate = EquilibriumNetwork(network, torch.float64)
    free = free_phase(rate, x, tolerance=1e-12, max_steps=5000)
    return dict(
        contrast(rate, free, nudged_phase(rate, free, target, beta=BETA, tolerance=1e-10, max_steps=5000))
    )


def code_cosine(network: Network, features: np.ndarray, labels: np.ndarray, name: str, slots: int) -> float:
    """Of the contrast as training has it to that of settled rates, the least of the weights."""
    x, target = torch.from_numpy(features), one_hot(network, labels)
    exact, model = exact_contrast(network, x, target), spiking(network, name, slots)
    free = free_phase(model, x)
    found = contrast(model, free, nudged_phase(model, free, target, beta=BETA))
    return min(cosine(exact[key], found[key]) for key in exact if key.endswith(".weight"))


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0))


def code(network: Network, x: Tensor, goal: Tensor, name: str, slots: int) -> dict[str, float]:
    """Another model: error, agreement, messages."""
    model = spiking(network, name, slots)
    _, drive = model.drive(x)
    rest = run_phase(model, on_grid(model, drive, len(x)))
    return {
        "error": median_error(rest.rates, goal),
        "agreement": agree(network, rest.rates, goal),
        "messages_per_unit": float(rest.messages.mean()),
    }


if __name__ == "__main__":
    main()
