"""YAML to specification to YAML is the identity."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mep_neuro.errors import TopologyError
from mep_neuro.topology.reader import parse_spec, read_spec
from mep_neuro.topology.spec import NetworkSpec
from mep_neuro.topology.units import format_time, parse_time
from mep_neuro.topology.writer import write_spec

NAME = st.one_of(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True),
    st.sampled_from(["true", "null", "no", "on", "e1", "y", "inf", "NaN", "shape"]),
)
REAL = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=5e-324, max_value=1.7e308)
FRACTION = st.floats(min_value=1e-9, max_value=1)
TIME = st.one_of(st.floats(min_value=1e-12, max_value=1e6), st.integers(1, 999).map(lambda n: n * 1e-3))
COUNT = st.integers(1, 10_000_000)
ACTIVATION = st.sampled_from(["hard_sigmoid", "relu", "tanh", "sigmoid", "linear"])


def optional(**keys: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=keys)


WEIGHT = optional(init=st.sampled_from(["normal", "uniform"]), gain=POSITIVE, spectral_radius=POSITIVE)
LATTICE = optional(
    neighbours=st.sampled_from([6, 18, 26]), periodic=st.booleans(), axis=st.integers(0, 2)
).map(lambda keys: {"type": "lattice", **keys})


@st.composite
def specs(draw: st.DrawFn) -> NetworkSpec:
    """Networks of a chain of layers and cubes, every key of the format drawn."""
    names = draw(st.lists(NAME, min_size=2, max_size=5, unique=True))
    softmax = draw(st.booleans()) and len(names) > 2
    tau = draw(TIME)
    neuron = {"activation": draw(ACTIVATION), "tau_mem": format_time(tau)}
    populations: dict[str, dict[str, object]] = {}
    projections: dict[str, dict[str, object]] = {}
    for place, name in enumerate(names):
        cube = draw(st.booleans())
        size = st.integers(3, 5)
        shape = draw(st.tuples(size, size, size)) if cube else draw(st.tuples(st.integers(1, 50)))
        populations[name] = {"shape": list(shape)}
        if place == 0:
            encoding = optional(centre=st.sampled_from(["none", "mean"]), scale=POSITIVE)
            populations[name] |= {"role": "input", "encoding": draw(encoding)}
            continue
        populations[name] |= draw(optional(bias=REAL, plastic_bias=st.booleans())) | {"neuron": "unit"}
        last = place == len(names) - 1
        if last:
            populations[name] |= {"role": "output"} | ({"activation": "softmax"} if softmax else {})
        post = f"{name}[{draw(st.sampled_from([':', '0', '-1', ':1']))}]" if draw(st.booleans()) else name
        shared = optional(plastic=st.booleans(), feedback_gain=FRACTION, weight=WEIGHT)
        projections[f"into_{place}"] = {"pre": names[place - 1], "post": post, "connector": {"type": "dense"}}
        projections[f"into_{place}"] |= draw(shared)
        if last and softmax:
            projections[f"into_{place}"] |= draw(optional(calibrate=optional(samples=COUNT)))
        elif cube and draw(st.booleans()):
            projections[f"lattice_{place}"] = {"pre": name, "post": name, "connector": draw(LATTICE)}
            projections[f"lattice_{place}"] |= draw(shared)
    nudge = draw(
        optional(beta=POSITIVE, phases=st.sampled_from(["centered", "one_sided"]), max_current=POSITIVE)
    )
    equilibrium = draw(
        optional(
            solver=st.sampled_from(["sweeps", "synchronous", "momentum", "anderson", "lean", "event_driven"]),
            tolerance=POSITIVE,
        )
    )
    return read_spec(
        {
            "name": draw(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,63}", fullmatch=True)),
            "seeds": draw(optional(init=st.integers(0, 2**63 - 1), noise=st.integers(0, 9))),
            "neurons": {"unit": neuron},
            "populations": populations,
            "projections": projections,
            "equilibrium": equilibrium
            | {
                "dt": format_time(min(tau, draw(TIME))),
                "max_steps": draw(COUNT),
                "nudge": nudge | {"cost": "cross_entropy" if softmax else "squared_error"},
            },
            "learning": draw(
                optional(optimizer=st.sampled_from(["sgd", "adam"]), lr=POSITIVE, batch_size=COUNT)
            ),
            "consolidation": draw(
                optional(
                    period=st.integers(1, 9_999_999).map(lambda n: f"{n} updates"),
                    method=st.sampled_from(["none", "muon", "dion", "auto"]),
                    spectral_bound=POSITIVE,
                )
            ),
        }
    )


@given(specs())
@settings(max_examples=60)
def test_what_is_written_reads_back(spec: NetworkSpec) -> None:
    text = write_spec(spec)
    try:
        again = parse_spec(text)
    except TopologyError as error:
        raise AssertionError(f"{error}\n{text}") from error
    assert again == spec
    assert write_spec(again) == text


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_times_are_written_exactly(seconds: float) -> None:
    assert parse_time(format_time(seconds)) == seconds
