"""A bundle of stock LIF neurons: what it holds, and that its runner encodes and reads out as we do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_matrix

from mep_neuro.chip.lif.emulate import emulate_lif
from mep_neuro.chip.lif.quantize import QuantizedLif, quantize_lif
from mep_neuro.chip.profile import read_profile
from mep_neuro.converters.to_lava.backend import convert
from mep_neuro.converters.to_lava.bundle import RUNNER
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.spec import NetworkSpec


def network(softmax: bool = False) -> Network:
    dense = {"type": "dense"}
    output: dict[str, Any] = {"activation": "softmax"} if softmax else {"neuron": "u"}
    mapping: dict[str, Any] = {
        "name": "small",
        "neurons": {"u": {"activation": "hard_sigmoid"}},
        "populations": {
            "input": {"shape": [4], "role": "input", "encoding": {"scale": 0.5}},
            "a": {"shape": [2, 3], "neuron": "u", "bias": 0.2},
            "b": {"shape": [4], "neuron": "u"},
            "out": {"shape": [3], "role": "output"} | output,
        },
        "projections": {
            "in": {"pre": "input", "post": "a", "connector": dense},
            "up": {"pre": "a", "post": "b", "connector": dense, "weight": {"gain": 0.5}},
            "read": {"pre": "b", "post": "out", "connector": dense},
        },
    }
    return build(NetworkSpec.model_validate(mapping), seed=4)


def quantized(source: Network) -> QuantizedLif:
    return quantize_lif(source, read_profile("loihi2"))


@pytest.fixture
def encoding(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(RUNNER))
    import encoding

    return encoding


def test_it_holds_the_integers_and_names_stock_processes(tmp_path: Path) -> None:
    converted, q = (
        convert(network(), tmp_path / "b", neuron="lif", populations="separate"),
        quantized(network()),
    )
    bundle, m = converted.bundle, converted.bundle.manifest
    a, size = bundle.arrays, 26  # 13 units, two neurons each
    weight = coo_matrix((a["weight"], (a["weight_post"], a["weight_pre"])), shape=(size, size)).toarray()
    np.testing.assert_array_equal(weight, q.circuit.weight.toarray())
    assert (m["neuron"]["process"], m["layout"], m["units"]) == ("LIF", "separate", size)
    assert m["registers"] == {"du": 255, "dv": 0, "vth": q.circuit.neuron.vth}
    assert m["synapses"]["num_message_bits"] == 0
    assert [part["name"] for part in m["parts"]][3:] == ["a_above_one", "b_above_one", "out_above_one"]
    text = (tmp_path / "b" / "README.txt").read_text()
    assert "LIF and Sparse processes of Lava and nothing else" in text
    assert "--run-config NAME" in text
    assert any("stock LIF and Sparse processes alone" in line for line in converted.report.dropped)


def test_the_golden_run_is_the_emulators_with_counts_a_step_late(tmp_path: Path) -> None:
    golden, q = convert(network(), tmp_path / "b", neuron="lif").bundle.golden, quantized(network())
    bias = golden["mantissa"].astype(np.int64) << golden["exponent"]
    steps = golden["u"].shape[0] + 1
    trace = emulate_lif(q.circuit, bias, steps=steps, trace=True).trace
    assert trace is not None
    np.testing.assert_array_equal(golden["u"], trace.u[1:])
    np.testing.assert_array_equal(golden["v"], trace.v[1:])
    np.testing.assert_array_equal(golden["counts"], trace.spikes[:-1])
    assert golden["counts"].sum() > 10


@pytest.mark.parametrize("softmax", [False, True])
def test_the_runner_encodes_and_reads_out_as_we_do(tmp_path: Path, encoding: Any, softmax: bool) -> None:
    source = network(softmax)
    bundle, q = convert(source, tmp_path / "b", neuron="lif").bundle, quantized(source)
    x = np.random.default_rng(3).random((50, 4)) * 3
    bias = q.bias(present(source, x))
    mantissa, exponent = encoding.lif_bias_of(bundle, x)
    np.testing.assert_array_equal(mantissa, bias.mantissa)
    np.testing.assert_array_equal(exponent, bias.exponent)
    counts = np.random.default_rng(1).integers(0, 50, (50, q.circuit.size))
    rates = q.rates(counts, 3072)
    joined = np.concatenate([rates[name] for name in q.names], axis=1)
    results = encoding.results(bundle, {}, joined)
    np.testing.assert_array_equal(results["classes"], classes(source, with_readout(source, rates)))
    assert len(set(results["classes"])) > 1
    with pytest.raises(ValueError, match=r"^inputs: a current does not fit the bias of a LIF neuron; scale"):
        encoding.lif_bias_of(bundle, x * 1e6)


def test_an_unknown_neuron_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"^neuron 'lief': unknown on a chip; give sigma_delta or lif"):
        convert(network(), tmp_path / "b", neuron="lief")
    assert not (tmp_path / "b").exists()
