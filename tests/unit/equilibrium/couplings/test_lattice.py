"""What lattices cost to build, and that they settle and learn as all units at once do."""

import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec


def cube(side: int, gain: float = 0.5, **connector: Any) -> Network:
    dense = {"connector": {"type": "dense"}}
    return build(
        NetworkSpec.model_validate(
            {
                "schema": "mep-neuro/1",
                "name": "cube",
                "neurons": {"unit": {"activation": "tanh"}},
                "populations": {
                    "input": {"shape": [5], "role": "input"},
                    "cube": {"shape": [side] * 3, "neuron": "unit"},
                    "output": {"shape": [3], "role": "output", "activation": "softmax"},
                },
                "projections": {
                    "face": {"pre": "input", "post": "cube[:, :, 0]", **dense},
                    "lattice": {
                        "pre": "cube",
                        "post": "cube",
                        "connector": {"type": "lattice", **connector},
                        "feedback_gain": gain,
                        "weight": {"gain": 0.3},
                    },
                    "read": {"pre": "cube[:, :, -1]", "post": "output", **dense},
                },
                "equilibrium": {
                    "tolerance": 1e-12,
                    "max_steps": 500,
                    "nudge": {"cost": "cross_entropy"},
                },
            }
        )
    )


def test_a_lattice_refuses_other_numbers_than_floats_of_4_and_8_bytes() -> None:
    with pytest.raises(
        UnsupportedError,
        match=r"projection 'lattice': a lattice computes in float32 or float64, not in torch[.]bfloat16",
    ):
        EquilibriumNetwork(cube(3), torch.bfloat16)


def test_networks_without_a_lattice_never_load_numba() -> None:
    code = """
import sys, torch
import mep_neuro as mep
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.topology.reader import read_spec
model = mep.load("digits_mlp")
free_phase(model, torch.zeros(2, 64))
print("numba" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


@pytest.mark.parametrize("periodic", [False, True])
def test_unit_by_unit_and_all_at_once_have_one_fixed_point_and_one_contrast(periodic: bool) -> None:
    network = cube(7, neighbours=18, radius=2, periodic=periodic, gain=1.0 if periodic else 0.5)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    y = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1]]
    model, found = EquilibriumNetwork(network, torch.float64), []
    for lattices in (model.system.lattices, [None] * len(model.system.lattices)):
        model.system.lattices = list(lattices)
        free = free_phase(model, x)
        nudged = nudged_phase(model, free, y)
        found.append((free.point.states["cube"], dict(contrast(model, free, nudged)), free.point.steps))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=1e-11)  # 10 times the tolerance
    for name, value in found[0][1].items():
        torch.testing.assert_close(value, found[1][1][name], rtol=1e-8, atol=1e-11)
    assert float(found[0][2].max()) < 0.8 * float(found[1][2].max())


def test_memory_of_a_build_grows_with_the_synapses() -> None:
    peaks = []
    for side in (12, 24):
        tracemalloc.start()
        network = cube(side)
        EquilibriumNetwork(network)
        peaks.append(tracemalloc.get_traced_memory()[1] / network.projections["lattice"].weight.size)
        tracemalloc.stop()
    assert peaks[1] < 400  # bytes a synapse, numpy's temporaries included; pairs of units would be 9,000
    assert peaks[1] < 1.3 * peaks[0]


def test_more_units_than_int32_has_pairs() -> None:
    k = cube(48, gain=0.5).populations["cube"].energy_weight.reshape(48, 48, 48)
    slices = np.unique(k[:, :, 20])
    assert slices.max() / slices.min() < 1 + 1e-12
    np.testing.assert_allclose(k[0, 0, 20] / k[0, 0, 21], 2.0, rtol=1e-12)
