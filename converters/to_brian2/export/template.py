"""The parts of an exported script that are the same for every network; `@NAME@` is filled in."""

PRINTED = "@PRINTED@"
"""Stands for what the script prints, until it has."""

HEADER = '''\
"""@TITLE@

    python network.py              settles the stored samples, and compares them with the reference
    python network.py FILE.npz     settles your own samples: 'features' of shape (samples, @INPUTS@)

It needs brian2 and numpy, nothing else (written with brian2 @BRIAN2@, numpy @NUMPY@), and is yours to edit:
the equations below are those that mep-neuro runs, weights.npz holds their numbers, golden.npz the samples
and what the reference makes of them. To look inside, or to go on from here:

    from network import DURATION, build
    network, groups, synapses = build(features)
    monitor = b2.StateMonitor(groups["@EXAMPLE@"], "v", record=True)
    network.add(monitor)
    network.run(DURATION)  # rates(groups, len(features)) reads them; build again for other samples

@KEPT@

How near the rates of the @SAMPLES@ stored samples are to the reference, as this printed when it was written:
'the same steps' of mep-neuro's numpy reference, 'the fixed point' of the rate network by torch.

@PRINTED@
"""
'''

IMPORTS = """
import sys
from pathlib import Path

import brian2 as b2
import numpy as np

b2.prefs.codegen.target = "numpy"  # "cython" compiles for half a minute at first, and is faster afterwards

HERE = Path(__file__).parent
DT = @DT@ * b2.ms
DURATION = @STEPS@ * DT
TOLERANCE = @TOLERANCE@
POPULATIONS = @POPULATIONS@
@GRID@"""

GRID_SAID = """\
# Spiking units hold every number on a grid of 1 / 16777216 = 2^-24, on which sums are exact in any order:
# so the same spikes come in every simulator. Take the rounding out, and spikes differ after some slots.
"""

DRIVES = '''

def drives(features):
    """Constant current into each population: its bias, and what the clamped input sends; (samples, n)."""
    numbers = np.load(HERE / "weights.npz")
    shown = (features - numbers["@INPUT@.offset"]) / numbers["@INPUT@.scale"]
    current = {name: np.tile(numbers[f"{name}.bias"], (len(shown), 1)) for name in POPULATIONS}
    for name, post in @FROM_INPUT@:
        i, j, w = (numbers[f"{name}.{key}"] for key in "ijw")
        for sample, own in zip(shown, current[post]):
            own += np.bincount(j, w * sample[i], minlength=own.size)
    return @DRIVE@
'''

ON_GRID = "{name: np.floor(each * 2.0**24 + 0.5) / 2.0**24 for name, each in current.items()}"
"""Spiking units take their current on the grid on which their sums are exact."""

BUILD = '''

def build(features):
    """Brian2's objects for these samples: unit i of sample b is neuron b * n + i of its group.

    Returns:
        The Network, and by the names of the file its NeuronGroups and its Synapses.
    """
    samples, drive, numbers = len(features), drives(features), np.load(HERE / "weights.npz")
    clock = b2.Clock(DT)
    groups, synapses = {}, {}
@OBJECTS@
    return b2.Network(*groups.values(), *synapses.values()), groups, synapses
'''

CONNECT = '''

def connect(synapses, name, samples, numbers):
    """Every synapse of a projection, once for each sample, with its weights."""
    sample = np.arange(samples)[:, None]
    synapses.connect(
        i=(numbers[f"{name}.i"] + sample * (len(synapses.source) // samples)).ravel(),
        j=(numbers[f"{name}.j"] + sample * (len(synapses.target) // samples)).ravel(),
    )
    for variable in "wgb":
        if f"{name}.{variable}" in numbers:
            value = numbers[f"{name}.{variable}"]
            setattr(synapses, variable, np.tile(value, samples) if value.size > 1 else value.item())
'''

RATES = '''

def rates(groups, samples):
    """Rates of each population as they are now, shape (samples, n) each."""
    found = {name: np.array(group.r).reshape(samples, -1) for name, group in groups.items()}
    return @READ@
'''

READ_OUTS = '''

def rates(groups, samples):
    """What the window has read of each population since the start, shape (samples, n) each."""
    numbers = np.load(HERE / "weights.npz")
    found = {
        name: np.array(group.read0).reshape(samples, -1) / numbers[f"{name}.ep_window0"].sum()
        for name, group in groups.items()
    }
    return @READ@
'''

SOFTMAX = '''

def with_output(found):
    """The read-out '@OUTPUT@' too: a softmax of the settled rates, outside the dynamics."""
    numbers, first = np.load(HERE / "weights.npz"), next(iter(found.values()))
    current = np.tile(numbers["@OUTPUT@.bias"], (len(first), 1))
    for name, pre in @READS@:
        i, j, w, offset = (numbers[f"{name}.{key}"] for key in ("i", "j", "w", "offset"))
        for sample, own in zip(found[pre], current):
            own += np.bincount(j, w * (sample[i] - offset[i]), minlength=own.size)
    each = current.reshape(len(first), @POSITIONS@, -1)
    each = np.exp(each - each.max(axis=-1, keepdims=True))
    return {**found, "@OUTPUT@": (each / each.sum(axis=-1, keepdims=True)).reshape(len(first), -1)}
'''

MAIN = """

def main():
    golden = np.load(HERE / "golden.npz")
    own = sys.argv[1:]
    features = np.asarray(np.load(own[0])["features"] if own else golden["features"], dtype=float)
    if features.ndim != 2 or features.shape[1] != @INPUTS@:
        sys.exit(f"features have shape {features.shape}; give (samples, @INPUTS@)")
    network, groups, _ = build(features)
    network.run(DURATION)
    found = rates(groups, len(features))
    print("largest output:", *found["@OUTPUT@"].argmax(axis=1))
    if own:
        return 0
    print("the reference's:", *golden["fixed_point.@OUTPUT@"].argmax(axis=1))
    print(f"{'largest difference from':24}{'the same steps':>16}{'the fixed point':>17}")
    worst = 0.0
    for name, each in found.items():
        same, fixed = (np.abs(each - golden[f"{key}.{name}"]).max() for key in ("same_steps", "fixed_point"))
        print(f"{name:24}{same:16.2g}{fixed:17.2g}")
        worst = np.fmax(worst, same if np.isfinite(same) else np.inf)
    if worst > TOLERANCE:
        print(f"network.py: the rates differ from golden.npz by {worst:.2g}, more than {TOLERANCE:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
"""
