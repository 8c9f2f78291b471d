"""Pictures show what was recorded, say their units, and refuse what a recording does not hold."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import mep_neuro as mep
from mep_neuro.backends.registry import find
from mep_neuro.errors import RunFolderError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.spiking import spiking_phase
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

SAMPLES, SLOTS = 3, 40
X = np.random.default_rng(0).random((SAMPLES, 4))


@pytest.fixture(scope="module")
def rates() -> Network:
    return build(read_spec("xor"))


@pytest.fixture(scope="module")
def settled(rates: Network) -> Recording:
    return find("brian2")(rates, X, RunOptions(tolerance=1e-6, trace=True))


@pytest.fixture(scope="module")
def spiking(rates: Network) -> tuple[Recording, Network]:
    """What the numpy reference of spiking neurons sent, as a recording."""
    network = network_with_neuron(rates, "sif")
    phase = spiking_phase(network, present(network, X), slots=SLOTS, trace=True)
    still = np.full(SAMPLES, SLOTS), np.ones(SAMPLES, dtype=bool)
    made = Recording("numpy", phase.rates, *still, 0.0, spikes=phase.sent, membranes=phase.membranes)
    return made, network


def labelled(figure: Figure) -> bool:
    """Whether each panel, or one it shares the axis with, says what is on its axes; white ground."""
    axes = [a for a in figure.axes if a.axison and a.get_visible()]
    assert any(a.get_xlabel() for a in axes)
    assert any(a.get_ylabel() for a in axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    buffer.seek(0)
    pixels = imread(buffer)
    return bool((pixels[0, 0, :3] == 1.0).all()) and pixels[..., :3].mean() > 0.6


def test_the_raster_has_a_mark_a_spike(spiking: tuple[Recording, Network]) -> None:
    recording, network = spiking
    figure = mep.plot_raster(recording, network, sample=1)
    marks = sum(len(a.collections[0].get_offsets()) for a in figure.axes)
    assert marks == sum(int(np.count_nonzero(s[:, 1])) for s in recording.spikes.values())
    assert marks > 0
    assert labelled(figure)
    assert figure.axes[-1].get_xlabel() == "time (ms)"


def test_membranes_are_those_of_the_sample(spiking: tuple[Recording, Network]) -> None:
    recording, network = spiking
    figure = mep.plot_membranes(recording, network, sample=2)
    drawn = [
        line.get_ydata() for line in figure.axes[0].lines if len(np.atleast_1d(line.get_ydata())) == SLOTS
    ]
    held = recording.membranes["output"][:, 2]
    assert len(drawn) == 2
    assert all(any(np.array_equal(line, held[:, u]) for u in range(2)) for line in drawn)
    assert labelled(figure)


def test_rates_stand_in_for_membranes(settled: Recording, rates: Network) -> None:
    figure = mep.plot_membranes(settled, rates)
    assert figure.axes[0].get_ylabel() == "rate s (dimensionless)"


def test_messages_are_counted(spiking: tuple[Recording, Network]) -> None:
    recording, network = spiking
    figure = mep.plot_messages(recording, network)
    mean = np.count_nonzero(recording.spikes["output"]) / (2 * SAMPLES)
    assert f"mean {mean:.2f}" in figure.axes[0].get_legend_handles_labels()[1]
    assert labelled(figure)


def test_equilibrium_shows_how_far_off(spiking: tuple[Recording, Network], settled: Recording) -> None:
    recording, network = spiking
    figure = mep.plot_equilibrium(recording, settled, network)
    assert figure.axes[0].get_xlabel() == "rate at the fixed point of brian2 (dimensionless)"
    assert labelled(figure)
    other = replace(settled, rates={n: r[:2] for n, r in settled.rates.items()})
    with pytest.raises(UnsupportedError, match=r"population 'output': .* run both on the same samples"):
        mep.plot_equilibrium(recording, other, network)


def test_weights_are_where_their_synapses_are(rates: Network) -> None:
    figure = mep.plot_weights(rates, "input_hidden")
    (image,) = figure.axes[0].images
    assert np.array_equal(np.asarray(image.get_array()), rates.projections["input_hidden"].weight)
    assert labelled(figure)
    with pytest.raises(UnsupportedError, match="projection 'none': unknown; write one of input_hidden"):
        mep.plot_weights(rates, "none")


def test_a_cube_is_sliced_along_its_third_axis() -> None:
    network = build(read_spec("digits_cube"))
    cube = np.random.default_rng(1).uniform(-1, 1, (2, 216))
    recording = Recording("torch", {"cube": cube}, np.ones(2, dtype=np.int64), np.ones(2, dtype=bool), 0.0)
    figure = mep.plot_cube(recording, network, "cube", sample=1)
    shown = [np.asarray(a.images[0].get_array()) for a in figure.axes if a.images]
    assert np.array_equal(np.stack([s.T for s in shown], axis=-1), cube[1].reshape(6, 6, 6))
    assert labelled(figure)
    with pytest.raises(UnsupportedError, match=r"population 'output': slices need three axes.*: cube"):
        mep.plot_cube(recording, network, "output")


def test_the_curve_of_a_settle(settled: Recording) -> None:
    assert labelled(mep.plot_settling(settled))


def test_without_spikes_there_is_no_raster(settled: Recording, rates: Network) -> None:
    with pytest.raises(UnsupportedError, match="recording of brian2: it holds no spikes or messages; run"):
        mep.plot_raster(settled, rates)
    with pytest.raises(UnsupportedError, match="it holds no trace; run it with trace=True"):
        mep.plot_membranes(replace(settled, trace={}), rates)
    with pytest.raises(UnsupportedError, match="it measured no residual"):
        mep.plot_settling(replace(settled, residual_curve=None))


def test_a_sample_that_was_not_recorded_is_refused(settled: Recording, rates: Network) -> None:
    with pytest.raises(UnsupportedError, match="sample 3: the recording has 3; give 0 to 2"):
        mep.plot_membranes(settled, rates, sample=3)


def test_files_are_whole_and_what_is_left_out_is_said(
    settled: Recording, rates: Network, tmp_path: Path
) -> None:
    drawn = mep.write_pictures(tmp_path / "new", rates, settled)
    names = ["membranes", "settling", "weights_input_hidden", "weights_hidden_output"]
    assert [p.name for p in drawn.files] == [f"{name}.png" for name in names]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(f"{name}.png" for name in names)
    assert [why.split(":")[0] for why in drawn.left_out] == ["raster", "messages"]
    assert all(imread(path).ndim == 3 for path in drawn.files)


def test_a_folder_that_is_a_file_is_refused(settled: Recording, rates: Network, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="the pictures could not be written"):
        mep.write_pictures(tmp_path / "file", rates, settled)
