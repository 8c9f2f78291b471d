"""Networks by name, path, mapping and RUN folder; and what they convert to."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.backends.convert import convert
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.training import train
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import RunFolderError, TopologyError, UnknownBackendError, UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.topology.library import library_path
from mep_neuro.topology.reader import read_spec


def test_a_name_a_path_and_a_mapping_are_the_same_network() -> None:
    nets = [
        load(s) for s in ("xor", library_path("xor"), str(library_path("xor")), read_spec("xor").to_mapping())
    ]
    for net in nets[1:]:
        assert net.spec == nets[0].spec
        for name, array in nets[0].arrays().items():
            assert np.array_equal(net.arrays()[name], array), name


def test_it_is_a_torch_module_in_float32_that_requires_no_grad() -> None:
    net = load("digits_cube")
    assert isinstance(net, torch.nn.Module)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}
    assert sorted(parameter.numel() for parameter in net.parameters()) == [10, 216, 360, 1940, 36 * 64]
    assert {id(parameter) for parameter in net.parameters()} == {
        id(parameter) for parameter in (*net.weights.values(), *net.biases.values())
    }
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_the_seed_replaces_that_of_the_file() -> None:
    weight = "projections.input_hidden.weight"
    nets = [load("xor", seed=seed) for seed in (None, 0, 1)]
    file, same, other = (net.arrays()[weight] for net in nets)
    assert np.array_equal(file, same)
    assert not np.array_equal(file, other)
    assert [net.spec.seeds.init for net in nets] == [0, 0, 1]  # so that a RUN tells it


def test_a_run_folder_gives_its_trained_weights(tmp_path: Path) -> None:
    net = load("xor")
    train(net, "xor", epochs=2, out=tmp_path)
    for source in (tmp_path, str(tmp_path)):
        for name, array in load(source).arrays().items():
            assert np.array_equal(array, net.arrays()[name]), name


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="digits_mpl: file: does not exist; did you mean 'digits_mlp'"):
        load("digits_mpl")
    with pytest.raises(RunFolderError, match=r"run\.json"):
        load(tmp_path)
    with pytest.raises(TopologyError, match="populations"):
        load({"name": "empty"})


def test_a_network_converts_with_its_present_weights() -> None:
    net = load("xor")
    net.biases["output"].fill_(0.25)
    shown = load_data("xor").x_test

    def output(network: EquilibriumNetwork | Network) -> NDArray[np.float64]:
        return convert(network, "brian2", samples=4).run(shown, 0.1).rates["output"]

    assert np.array_equal(output(net), output(net.to_network()))
    assert np.abs(output(net) - output(load("xor"))).max() > 0.1


def test_a_target_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownBackendError, match=r"brain2.*did you mean 'brian2'"):
        convert(load("xor"), "brain2")


def test_a_target_that_cannot_express_the_network_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="tanh"):
        convert(
            load("digits_cube"), "lava", path=tmp_path / "bundle", features=load_data("digits").x_test[:2]
        )
