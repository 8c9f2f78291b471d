"""Every mistake of a file at once, each with its place and what to do."""

from pathlib import Path

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.library import library_names, library_path
from mep_neuro.topology.reader import parse_spec, read_spec

RIGHT = """\
schema: mep-neuro/1
name: net
neurons:
  unit: {activation: tanh, tau_mem: 5 ms}
populations:
  input: {shape: [4], role: input}
  cube: {shape: [3, 3, 3], neuron: unit}
  output: {shape: [2], role: output, neuron: unit}
projections:
  up: {pre: input, post: "cube[:, :, 0]", connector: {type: dense}}
  lattice: {pre: cube, post: cube, connector: {type: lattice}}
  out: {pre: "cube[:, :, -1]", post: output, connector: {type: dense}}
equilibrium: {tolerance: 1e-3, nudge: {cost: squared_error}, dt: 1 ms}
"""
SOFTMAX = RIGHT.replace("role: output, neuron: unit", "role: output, activation: softmax").replace(
    "squared_error", "cross_entropy"
)


def mistakes(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse_spec(text, "my.yaml")
    return list(caught.value.mistakes)


def edited(*edits: tuple[str, str], base: str = RIGHT) -> str:
    for old, new in edits:
        assert base.count(old) == 1, f"{old!r} stands {base.count(old)} times in the text"
        base = base.replace(old, new)
    return base


def test_reads_values_with_their_units() -> None:
    spec = parse_spec(RIGHT)
    assert spec.neurons["unit"].tau_mem == 0.005
    assert spec.equilibrium.tolerance == 1e-3  # PyYAML reads 1e-3 as text
    assert spec.populations["cube"].shape == (3, 3, 3)
    assert parse_spec(SOFTMAX).equilibrium.nudge.cost == "cross_entropy"


@pytest.mark.parametrize("name", library_names())
def test_reads_the_library_by_name_and_by_path(name: str) -> None:
    assert read_spec(name).name == name
    assert read_spec(library_path(name)) == read_spec(name)


def test_the_library_is_what_issue_2_ships() -> None:
    assert {"xor", "digits_mlp", "digits_cube", "mnist_mlp"} <= set(library_names())


def test_reads_a_mapping() -> None:
    content = {
        "name": "net",
        "populations": {
            "input": {"shape": (4,), "role": "input"},
            "output": {"shape": [2], "role": "output"},
        },
        "projections": {"p": {"pre": "input", "post": "output", "connector": {"type": "dense"}}},
    }
    assert read_spec(content).populations["input"].shape == (4,)


def test_tells_every_mistake_at_once_in_the_order_of_the_file() -> None:
    text = edited(
        ("tau_mem: 5 ms", "tau_mem: 20 mS"),
        ("shape: [4]", "shpae: [4]"),
        ("cube: {shape: [3, 3, 3], neuron: unit}", "cube: {shape: [3, 3, 3], neuron: unti}"),
        ("post: output", "post: ouptut"),
        ("dt: 1 ms", "dt: 5"),
    )
    assert mistakes(text) == [
        "my.yaml:4:37: neurons.unit.tau_mem: unknown unit 'mS' in '20 mS'; write a time, such as '20 ms'",
        "my.yaml:6:3: populations.input.shape: is missing; add 'shape' (units along each axis)",
        "my.yaml:6:11: populations.input.shpae: unknown key 'shpae'; did you mean 'shape'? "
        "(known: activation, bias, bias_per, dropout, encoding, neuron, plastic_bias, role, shape, sparsity)",
        "my.yaml:7:36: populations.cube.neuron: unknown neuron 'unti'; did you mean 'unit'? (known: unit)",
        "my.yaml:12:38: projections.out.post: unknown population 'ouptut'; did you mean 'output'? "
        "(known: cube, input, output)",
        "my.yaml:13:66: equilibrium.dt: 5 needs a unit of time; write for example '5 ms'",
    ]


STRUCTURE = [
    (("name: net", "name: 2net"), "2:7: name: '2net' is no name; start with a letter"),
    (("schema: mep-neuro/1", "schema: mep-neuro/2"), "1:9: schema: unknown choice 'mep-neuro/2'; did you"),
    (("schema:", "schema_:"), "1:1: schema_: unknown key 'schema_'; did you mean 'schema'?"),
    (
        ("activation: tanh", "activation: tahn"),
        "4:22: neurons.unit.activation: unknown choice 'tahn'; did you",
    ),
    (("shape: [4]", "shape: 4"), "6:18: populations.input.shape: 4 does not fit; write a list, such as [64]"),
    (
        ("shape: [4]", "shape: [0]"),
        "6:19: populations.input.shape[0]: 0 is out of range; write a number >= 1",
    ),
    (
        ("shape: [4]", "shape: [-4]"),
        "6:19: populations.input.shape[0]: -4 is out of range; write a number >= 1",
    ),
    (
        ("shape: [4]", "shape: [4.0]"),
        "6:19: populations.input.shape[0]: 4.0 does not fit; write a whole number",
    ),
    (("shape: [4]", "shape: [true]"), "6:19: populations.input.shape[0]: true is no number; write a whole"),
    (("shape: [4]", "shape: []"), "6:18: populations.input.shape: has 0 of at least 1 entries; add the rest"),
    (("shape: [4]", "shape: [2, 2, 2, 2]"), "6:18: populations.input.shape: has 4 entries; write at most 3"),
    (
        ("shape: [4]", "shape: [99999999]"),
        "6:19: populations.input.shape[0]: 99999999 is out of range; write",
    ),
    (
        ("shape: [4]", f"shape: [{'9' * 99}]"),
        "6:19: populations.input.shape[0]: a number of more than 38 digits",
    ),
    (("1e-3", "'1e-3'"), "13:26: equilibrium.tolerance: '1e-3' is text; write a number, without quotes"),
    (("1e-3", ".nan"), "13:26: equilibrium.tolerance: nan is not finite; write a finite number"),
    (("1e-3", ".inf"), "13:26: equilibrium.tolerance: inf is not finite; write a finite number"),
    (("1e-3", "1e999"), "13:26: equilibrium.tolerance: inf is not finite; write a finite number"),
    (("1e-3", ""), "13:15: equilibrium.tolerance: is empty; write a number"),
    (("1e-3", "yes"), "13:26: equilibrium.tolerance: 'yes' is text; write a number"),
    (("dt: 1 ms", "dt: 0 ms"), "13:66: equilibrium.dt: 0.0 is out of range; write a number > 0"),
    (
        ("dt: 1 ms", "dt: fast"),
        "equilibrium.dt: 'fast' is no time; write a number and a unit, such as '20 ms'",
    ),
    (
        ("{type: lattice}", "{type: latice}"),
        "11:54: projections.lattice.connector.type: unknown choice 'latice'; did",
    ),
    (("{type: lattice}", "{}"), "11:36: projections.lattice.connector: 'type' is missing; write for example"),
    (("{type: lattice}", "lattice"), "11:47: projections.lattice.connector: 'lattice' does not fit; write a"),
    (
        ("{type: lattice}", "{type: lattice, neighbors: 26}"),
        "11:63: projections.lattice.connector.neighbors: unknown key 'neighbors'; did you mean 'neighbours'?",
    ),
    (
        ("{type: lattice}", "{type: lattice, neighbours: 8}"),
        "11:75: projections.lattice.connector.neighbours: 8 does not fit; write 6, 18 or 26",
    ),
    (
        ("{type: lattice}", "{type: lattice, periodic: 1}"),
        "11:73: projections.lattice.connector.periodic: 1 does not fit; write true or false",
    ),
    (
        ("squared_error", "mse"),
        "13:46: equilibrium.nudge.cost: unknown choice 'mse'; did you mean 'squared_er",
    ),
    (
        ("dt: 1 ms}", "dt: 1 ms}\nconsolidation: {period: 10}"),
        "14:25: consolidation.period: 10 does not fit; write text",
    ),
    (
        ("dt: 1 ms}", "dt: 1 ms}\nconsolidation: {method: muon, rank: 4}"),
        "14:37: consolidation.rank: method muon has no use for it; write dion or auto, or remove this",
    ),
    (
        ("dt: 1 ms}", "dt: 1 ms}\nconsolidation: {bound_mode: soft}"),
        "14:29: consolidation.bound_mode: there is no bound; write spectral_bound, or remove this",
    ),
    (
        ("dt: 1 ms}", "dt: 1 ms}\nconsolidation: {method: dion, rank: 4, rank_frac: 0.5}"),
        "14:51: consolidation.rank_frac: rank says the same; remove one of them",
    ),
    (
        ("dt: 1 ms}", "dt: 1 ms}\nconsolidation: {period: often}"),
        "14:25: consolidation.period: 'often' is no period; write a number of updates, such as '10 updates'",
    ),
    (("dt: 1 ms}", "dt: 1 ms}\nlearning:"), "14:1: learning: is empty; write a mapping of keys"),
    (
        ("dt: 1 ms}", "dt: 1 ms}\nlerning: {}"),
        "14:1: lerning: unknown key 'lerning'; did you mean 'learning'?",
    ),
    (("name: net\n", ""), "1:1: name: is missing; add 'name'"),
]


@pytest.mark.parametrize(("edit", "expected"), STRUCTURE, ids=[edit[1] for edit, _ in STRUCTURE])
def test_refuses_wrong_keys_types_and_ranges(edit: tuple[str, str], expected: str) -> None:
    found = mistakes(edited(edit))
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("my.yaml:")


RELATIONS = [
    ([("role: input", "role: hidden")], "5:1: populations: no population has role: input; write it in one"),
    ([("role: output, ", "")], "5:1: populations: no population has role: output; write it in one of them"),
    (
        [("cube: {shape: [3, 3, 3]", "cube: {shape: [3, 3, 3], role: output")],
        "8:30: populations.output.role: 'cube' has the role output already; keep one output population",
    ),
    (
        [("role: input", "role: input, neuron: unit")],
        "populations.input.neuron: the input is clamped to the data",
    ),
    (
        [("role: input", "role: input, bias: 0.1")],
        "populations.input.bias: the input is clamped to the data and",
    ),
    (
        [("role: input", "role: input, activation: relu")],
        "populations.input.activation: the input is clamped",
    ),
    (
        [("[3, 3, 3], neuron", "[3, 3, 3], encoding: {}, neuron")],
        "populations.cube.encoding: only the input population encodes data; move it there, or remove it",
    ),
    (
        [("[3, 3, 3], neuron: unit", "[3, 3, 3], activation: softmax")],
        "populations.cube.activation: softmax is a read-out, for the output population only; write",
    ),
    (
        [("activation: tanh", "activation: tanh, model: sigma_delta")],
        "populations.cube.neuron: sigma_delta neurons are hard_sigmoid, not tanh; write that, or model: rate",
    ),
    (
        [("tau_mem: 5 ms}", "tau_mem: 5 ms}\n  spare: {}")],
        "5:3: neurons.spare: no population uses this neuron; remove it, or write neuron: spare in a",
    ),
    (
        [("output, neuron: unit", "output, activation: softmax")],
        "13:46: equilibrium.nudge.cost: 'output' is a softmax read-out; write cost: cross_entropy",
    ),
    (
        [("dt: 1 ms", "dt: 10 ms")],
        "13:66: equilibrium.dt: dt of 0.01 s exceeds the tau_mem of 0.005 s of 'cube', so that a",
    ),
    (
        [("shape: [4]", "shape: [9999999]"), ("shape: [2]", "shape: [9]")],
        "populations.cube.shape: 10000026 units in all exceed the limit of 10000000; use smaller shapes",
    ),
    (
        [("shape: [4]", "shape: [8000000]"), ('post: "cube[:, :, 0]"', "post: cube")],
        "10:3: projections.up: 216000000 synapses in all exceed the limit of 200000000; use",
    ),
    (
        [("pre: input", "pre: inptu")],
        "10:13: projections.up.pre: unknown population 'inptu'; did you mean 'input'?",
    ),
    (
        [("cube[:, :, 0]", "cube[:, :, 3]")],
        "projections.up.post: index 3 is outside axis 2 of 3 units; write 0 to 2",
    ),
    (
        [("cube[:, :, 0]", "cube[:, :, 0")],
        "projections.up.post: 'cube[:, :, 0' is no population; write a name",
    ),
    ([("cube[:, :, 0]", "cube[2:1]")], "projections.up.post: the index selects no unit of axis 0"),
    ([("cube[:, :, 0]", "cube[a]")], "projections.up.post: 'a' in 'cube[a]' is no index; write a number"),
    ([("cube[:, :, 0]", "cube[0, 0, 0, 0]")], "projections.up.post: 4 indices into 3 axes; write at most 3"),
    (
        [("post: output", "post: input")],
        "projections.out.post: 'input' is clamped to the data and takes no input; project from it instead",
    ),
    (
        [
            (
                "pre: cube, post: cube, connector: {type: lattice}",
                "pre: cube, post: cube, connector: {type: dense}",
            )
        ],
        "projections.lattice.post: a dense projection joins two populations, and both ends are 'cube';",
    ),
    (
        [("pre: cube,", 'pre: "cube[:, :, 0]",')],
        "projections.lattice.pre: a lattice couples one whole population with itself; write the same name",
    ),
    (
        [("pre: cube, post: cube", "pre: cube, post: output")],
        "projections.lattice.post: a lattice couples one whole population with itself; write the same name",
    ),
    (
        [("pre: cube, post: cube", "pre: output, post: output")],
        "projections.lattice.connector: a lattice needs a population of three axes, not 1; write",
    ),
    (
        [("[3, 3, 3]", "[3, 2, 3]"), ("{type: lattice}", "{type: lattice, periodic: true}")],
        "projections.lattice.connector.periodic: a periodic lattice needs 3 units along each axis, not [3,",
    ),
    (
        [("[3, 3, 3]", "[1, 1, 1]")],
        "projections.lattice.connector: a single unit has no neighbours; write a larger shape",
    ),
    (
        [("{type: lattice}", "{type: lattice}, weight: {init: zeros, spectral_radius: 0.5}")],
        "projections.lattice.weight.spectral_radius: weights of zero have no spectral radius to scale;",
    ),
    (
        [("connector: {type: lattice}", "connector: {type: lattice}, calibrate: {}")],
        "projections.lattice.calibrate: only a softmax read-out is calibrated, and 'cube' is tanh; remove it",
    ),
    (
        [("  out:", "  back: {pre: output, post: 'cube[:, :, 2]', connector: {type: dense}}\n  out:")],
        "13:3: projections.out: 'back' joins the same units already, and carries both directions; remove one",
    ),
    (
        [('pre: "cube[:, :, -1]", post: output', 'pre: output, post: "cube[:, :, -1]"')],
        "9:1: projections: no projections lead from 'input' to 'output'; check each pre and post",
    ),
    (
        [("  output:", "  lone: {shape: [3], neuron: unit}\n  output:")],
        "8:3: populations.lone: no projection joins it to the rest of the network; add one, or remove 'lone'",
    ),
    (
        [("  cube:", "  a b: {shape: [3], neuron: unit}\n  cube:")],
        "7:3: populations.'a b': 'a b' is no name; start",
    ),
]


@pytest.mark.parametrize(("edits", "expected"), RELATIONS, ids=[expected[:60] for _, expected in RELATIONS])
def test_refuses_parts_that_do_not_fit_together(edits: list[tuple[str, str]], expected: str) -> None:
    found = mistakes(edited(*edits))
    assert any(expected in line for line in found), found


def test_reads_135_million_synapses_without_an_array_of_them() -> None:
    text = edited(("shape: [4]", "shape: [5000000]"), ('post: "cube[:, :, 0]"', "post: cube"))
    assert parse_spec(text).name == "net"


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            [
                (
                    "pre: cube, post: cube, connector: {type: lattice}",
                    "pre: output, post: cube, connector: {type: dense}",
                )
            ],
            "11:18: projections.lattice.pre: 'output' is a softmax read-out and sends nothing;",
        ),
        (
            [('pre: "cube[:, :, -1]"', "pre: input")],
            "12:14: projections.out.pre: a softmax read-out sees settled units and 'input' is clamped; put",
        ),
    ],
)
def test_refuses_what_a_softmax_read_out_cannot_do(edits: list[tuple[str, str]], expected: str) -> None:
    assert any(expected in line for line in mistakes(edited(*edits, base=SOFTMAX)))


def test_refuses_a_network_in_which_nothing_settles() -> None:
    text = (
        "name: n\npopulations:\n"
        "  a: {shape: [2], role: input}\n  b: {shape: [2], role: output, activation: softmax}\n"
        "projections: {p: {pre: a, post: b, connector: {type: dense}}}\n"
        "equilibrium: {nudge: {cost: cross_entropy}}\n"
    )
    assert [line for line in mistakes(text) if "clamped; put a hidden population between" in line]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: net", "name: net\nname: net", "my.yaml:3:1: name: duplicate key 'name', first on line 2"),
        ("name: net", "name: !x net", "my.yaml:2:7: name: unknown tag '!x'"),
        ("{activation: tanh,", "{<<: {}, activation: tanh,", "neurons.unit.'<<': merge key '<<' is not part"),
        ("name: net", "name: net\n5: 3", "my.yaml:3:1: file: the key 5 is no text"),
    ],
)
def test_refuses_a_file_whose_values_are_right_but_whose_yaml_is_not(
    old: str, new: str, expected: str
) -> None:
    found = mistakes(edited((old, new)))
    assert len(found) == 1
    assert expected in found[0]


def test_a_wrong_section_does_not_bring_up_mistakes_that_follow_from_it() -> None:
    assert len(mistakes(edited(("role: input", "role: inptu")))) == 1
    assert len(mistakes(edited(("activation: tanh", "activation: tan")))) == 1
    assert len(mistakes("name: n\npopulations: 3\nprojections: {}\n")) == 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (5, "source: 5 is no topology; give a library name, a path or a mapping"),
        ({"a": {1: 2}}, "a: the key 1 is no text; write it in quotes"),
        (
            {"name": object()},
            "name: a object is no value of a topology; write text, a number, a list or a mapping",
        ),
        ({"name": "n", "populations": {"a": {"shape": [True]}}}, "populations.a.shape[0]: true is no number"),
    ],
)
def test_refuses_wrong_python_values(source: object, expected: str) -> None:
    with pytest.raises(TopologyError) as caught:
        read_spec(source)  # type: ignore[arg-type]  # the mistake under test
    assert any(expected in line for line in caught.value.mistakes)


def test_refuses_a_mapping_that_contains_itself() -> None:
    content: dict[str, object] = {}
    content["name"] = content
    with pytest.raises(TopologyError, match="nested more than 32 deep; a network needs 6"):
        read_spec(content)


def test_refuses_a_mapping_without_end() -> None:
    with pytest.raises(TopologyError, match="has more than 500000 values; write a smaller one"):
        read_spec({"name": [0] * 600_000})


def test_a_label_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb.yaml"
    path.write_text("name: 3\n")
    with pytest.raises(TopologyError) as caught:
        read_spec(path)
    assert all("\n" not in line for line in caught.value.mistakes)
