"""The validated specification of a network: what one topology file says.

Field names are the file's vocabulary (PyNN, SONATA, NIR). Times are held in seconds.
"""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictStr

from mep_neuro.topology.mistakes import unknown
from mep_neuro.topology.section import Count, Fraction, Positive, Radius, Real, Section, Seed, Side, Time
from mep_neuro.topology.training_spec import Consolidation, Equilibrium, Learning

Activation = Literal["hard_sigmoid", "relu", "tanh", "sigmoid", "linear", "softmax"]
NeuronModel = Literal["rate", "sif", "sigma_delta", "annealed_sigma_delta", "lif"]


class Seeds(Section):
    """Seeds of every random draw, by purpose."""

    init: Seed = Field(0, description="weights at the start")
    data: Seed = Field(1, description="train/test split and the order of the samples")
    noise: Seed = Field(2, description="noise, dropout and random signs")


class Neuron(Section):
    """A neuron model with its parameters (names as in NIR); those left out have the model's own value.

    rate: tau_mem. sif: tau_syn, v_threshold. sigma_delta and annealed_sigma_delta: tau_mem, v_threshold.
    lif: tau_mem, tau_syn, v_threshold, v_reset, v_leak. A sif has no leak and leaves tau_mem unused.
    """

    model: NeuronModel = Field(
        "rate",
        description="rate; integrate and fire with a soft reset; messages of a constant threshold, or of one "
        "that halves; leaky integrate and fire with a hard reset",
    )
    activation: Activation = Field("hard_sigmoid", description="rho, from membrane to rate")
    tau_mem: Time = Field(0.005, gt=0, description="membrane time constant, such as '5 ms'")
    tau_syn: Time | None = Field(
        None, gt=0, description="of sif and lif: time constant of the synapses; 4 ms if empty"
    )
    v_threshold: Positive | None = Field(
        None,
        description="of spiking models, dimensionless: 1 if empty; of sigma-delta models the smallest change "
        "that is sent, a power of two: 2^-8 if empty, and 0.25 at first where it halves",
    )
    v_reset: Real | None = Field(None, description="of lif: membrane after a spike; 0 if empty")
    v_leak: Real | None = Field(None, description="of lif: membrane at rest; 0 if empty")

    @property
    def parameters(self) -> dict[str, float]:
        """Every number that the file gives, by name, in SI units."""
        names = ("tau_mem", "tau_syn", "v_threshold", "v_reset", "v_leak")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


class Encoding(Section):
    """From a data set's features to input currents: (x - centre) / scale."""

    centre: Literal["none", "mean"] = Field(
        "none", description="'mean' subtracts the mean of each feature over the training part"
    )
    scale: Positive = Field(1.0, description="divides the centred features")


class Population(Section):
    """Units of one kind; `shape` is (n,) for a layer, (x, y, z) for a cube."""

    shape: tuple[Count, ...] = Field(min_length=1, max_length=3, description="units along each axis")
    role: Literal["input", "hidden", "output"] = Field("hidden", description="input is clamped")
    neuron: StrictStr | None = Field(None, description="name under `neurons`")
    activation: Activation | None = Field(None, description="overrides the neuron's")
    bias: Real = Field(0.0, description="bias current of every unit at the start")
    plastic_bias: StrictBool = Field(True, description="whether learning changes the biases")
    bias_per: Literal["unit", "channel"] = Field(
        "unit", description="'channel' gives the units of a channel (first of three axes) one bias"
    )
    encoding: Encoding | None = Field(None, description="input population only")
    sparsity: Count | None = Field(
        None, description="active units at a time: the most driven ones, the same through all phases"
    )
    dropout: Annotated[float, Field(strict=True, ge=0, lt=1)] = Field(
        0.0, description="share of the units silenced in training, one mask through all phases of a batch"
    )


class WeightInit(Section):
    """How weights start.

    normal: standard deviation gain / sqrt(fan-in); uniform: the same deviation; zeros; constant: gain.
    `spectral_radius` then scales them to that largest |eigenvalue| of the projection's
    own coupled map.
    """

    init: Literal["normal", "uniform", "zeros", "constant"] = Field("normal", description="distribution")
    gain: Positive = Field(
        1.0, description="multiplies the standard deviation 1 / sqrt(fan-in); the value itself if constant"
    )
    spectral_radius: Positive | None = Field(None, description="scales the coupled map to this")


def _padding(value: object) -> object:
    if value in ("same", "valid") or (type(value) is int and 0 <= value <= 10_000):
        return value
    raise ValueError(f"{value!r} is no padding; write same, valid, or a number of zeros on each side")


def _weight_bits(value: object) -> object:
    if value == "ternary" or (type(value) is int and 2 <= value <= 8):
        return value
    if isinstance(value, str):
        raise ValueError(unknown("choice", value, ["ternary", *map(str, range(2, 9))]))
    raise ValueError(f"{value!r} is no number of bits; write ternary, or 2 to 8")


WeightBits = Literal["ternary"] | int


class Dense(Section):
    """Every unit of `pre` to every unit of `post`."""

    type: Literal["dense"]


class Lattice(Section):
    """Symmetric coupling of neighbours within one 3D population.

    Neighbours are at most `radius` steps apart along each axis, and in all at most radius (6),
    2 radius (18) or 3 radius (26) steps: an octahedron, a cuboctahedron and a cube.
    """

    type: Literal["lattice"]
    neighbours: Literal[6, 18, 26] = Field(26, description="6 faces, 18 with edges, 26 with corners")
    radius: Radius = Field(1, description="steps along an axis; the numbers of neighbours hold for 1")
    periodic: StrictBool = Field(False, description="whether opposite faces are neighbours")
    axis: Annotated[int, Field(strict=True, ge=0, le=2)] = Field(
        2, description="axis from input to read-out, along which feedback_gain acts"
    )


class Conv2d(Section):
    """A convolution, then the mean over squares.

    Populations have the shape [channels, height, width], or [height, width] for one channel.
    """

    type: Literal["conv2d"]
    kernel: Side = Field(3, description="side of the kernel")
    stride: Side = Field(1, description="step of the kernel")
    padding: Annotated[Literal["same", "valid"] | int, BeforeValidator(_padding)] = Field(
        "same", description="'same' keeps the size at stride 1, 'valid' adds no zeros, or zeros on each side"
    )
    pool: Side = Field(1, description="side of the squares whose mean is taken after the convolution")


class OneToOne(Section):
    """The first unit of `pre` to the first of `post`, the second to the second."""

    type: Literal["one_to_one"]


class Sparse(Section):
    """Each unit of `pre` to each unit of `post` with a probability, drawn from seeds.init."""

    type: Literal["sparse"]
    probability: Fraction = Field(0.1, description="share of the pairs that have a synapse")


class Pointwise(Section):
    """At each position (first axis), every unit of `pre` to every unit of `post`, by the same weights."""

    type: Literal["pointwise"]


class Attention(Section):
    """Tokens (first axis) of `post` attend to those of `pre`, by an energy of their own.

    E = -(1 / b) sum over heads and tokens of log sum exp(b Q . K), Q = W_Q s_post, K = W_K s_pre.
    Where pre is post, no token attends to itself.
    """

    type: Literal["attention"]
    heads: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(4, description="number of heads")
    key_width: Annotated[int, Field(strict=True, ge=1, le=100_000)] = Field(
        16, description="length of a query and of a key of one head"
    )
    inverse_temperature: Positive = Field(1.0, description="b: sharpness of the attention")
    spectral_norm: Positive | None = Field(
        None, description="largest spectral norm of W_Q, and of W_K, kept at every consolidation"
    )


Connector = Annotated[
    Dense | Lattice | Conv2d | OneToOne | Sparse | Pointwise | Attention, Field(discriminator="type")
]


class Calibration(Section):
    """Standardise what a read-out sees: (s - mean) / std, measured once before training, then fixed."""

    samples: Count = Field(512, description="training samples to measure on")


class Projection(Section):
    """Synapses from `pre` to `post`; the same weights carry the feedback, times feedback_gain.

    `feedback` changes that: 'random' sends back through fixed random weights (feedback alignment,
    Lillicrap et al. 2016), 'antisymmetric' through minus the weights. Neither has an energy that
    falls while the network settles.
    """

    pre: StrictStr = Field(description="population, or part of it such as 'cube[:, :, -1]'")
    post: StrictStr = Field(description="population, or part of it such as 'cube[:, :, 0]'")
    connector: Connector
    plastic: StrictBool = Field(True, description="whether learning changes the weights")
    feedback_gain: Fraction = Field(1.0, description="g: weight of the feedback, and of the energy's layers")
    feedback: Literal["tied", "random", "antisymmetric"] = Field(
        "tied", description="weights of the feedback: the same, fixed random ones, or minus the same"
    )
    weight: WeightInit = Field(default_factory=WeightInit)
    weight_bits: Annotated[WeightBits | None, BeforeValidator(_weight_bits)] = Field(
        None, description="rounds the weights to three levels (ternary), or to 2 to 8 bits, both ways"
    )
    calibrate: Calibration | None = Field(None, description="projections into a softmax read-out only")


class NetworkSpec(Section):
    """A whole topology file."""

    schema_: Literal["mep-neuro/1"] = Field("mep-neuro/1", alias="schema", description="format of this file")
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
    seeds: Seeds = Field(default_factory=Seeds)
    neurons: dict[str, Neuron] = Field(default_factory=dict, max_length=1000)
    populations: dict[str, Population] = Field(min_length=2, max_length=10_000)
    projections: dict[str, Projection] = Field(min_length=1, max_length=100_000)
    equilibrium: Equilibrium = Field(default_factory=Equilibrium)
    learning: Learning = Field(default_factory=Learning)
    consolidation: Consolidation = Field(default_factory=Consolidation)

    def neuron_of(self, population: str) -> Neuron:
        """The neuron of a population, its own `activation` applied."""
        section = self.populations[population]
        neuron = self.neurons[section.neuron] if section.neuron is not None else Neuron()
        if section.activation is not None:
            neuron = neuron.model_copy(update={"activation": section.activation})
        return neuron

    def population_with_role(self, role: Literal["input", "output"]) -> str:
        """Name of the one input or output population."""
        return next(name for name, p in self.populations.items() if p.role == role)

    @property
    def positions(self) -> int:
        """Positions of a softmax read-out of sequences, such as 8 of the shape (8, 10); 1 for all others."""
        name = self.population_with_role("output")
        softmax = self.neuron_of(name).activation == "softmax"
        return prod(self.populations[name].shape[:-1]) if softmax else 1

    def to_mapping(self) -> dict[str, Any]:
        """Plain mapping, keys as in the file, defaults written out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
