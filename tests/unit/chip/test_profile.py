import re
from pathlib import Path

import pytest

import mep_neuro.hardware
from mep_neuro.chip.profile import Analog, ChipProfile, Limit, Range, Statement, profile_names, read_profile
from mep_neuro.errors import ChipProfileError

LOIHI2 = (Path(mep_neuro.hardware.__file__).parent / "loihi2.yaml").read_text()


def mistakes_of(tmp_path, text: str) -> tuple[str, ...]:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ChipProfileError, match="; ") as caught:
        read_profile(path)
    return tuple(m.removeprefix(str(path)) for m in caught.value.mistakes)


def limits(profile: ChipProfile) -> dict[str, Limit]:
    return {name: value for name, value in profile if isinstance(value, Limit)}


def test_loihi2_holds_the_numbers_of_its_arithmetic():
    profile = read_profile("loihi2")
    numbers = {n: profile.number(n) for n in ("weight_bits", "weight_low", "weight_high", "weight_step")}
    assert numbers == {"weight_bits": 8, "weight_low": -256, "weight_high": 254, "weight_step": 2}
    assert profile.number("register_bits") == 24
    assert profile.number("neurons_per_core") == 8192


def statements(profile: ChipProfile) -> dict[str, Statement]:
    analog = dict(profile.analog) if isinstance(profile.analog, Analog) else {}
    return {name: item for name, item in [*profile, *analog.items()] if isinstance(item, Statement)}


@pytest.mark.parametrize("name", profile_names())
def test_every_value_of_the_library_has_a_source(name):
    for item in statements(read_profile(name)).values():
        assert len(item.source) > 3


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_of_the_library_has_its_file_s_name(name):
    assert read_profile(name).name == name


def test_the_library_holds_the_chips_and_designs_it_promises():
    assert profile_names() == (
        "analog",
        "brainscales2",
        "fpga_int8",
        "loihi1",
        "loihi2",
        "speck",
        "spinnaker2",
        "xylo_audio2",
    )


def test_what_is_unknown_is_null_and_never_a_number():
    profile = read_profile("loihi2")
    unknown = {name for name, limit in limits(profile).items() if limit.value is None}
    assert unknown == {
        "axons_in_per_core",
        "axons_out_per_core",
        "synapse_memory_per_core",
        "bits_per_synapse",
        "fan_in_per_neuron",
        "fan_out_per_neuron",
        "inputs_per_chip",
        "outputs_per_chip",
    }
    costs = {name: item for name, item in statements(profile).items() if isinstance(item, Range)}
    assert {name for name, item in costs.items() if item.known} == {"power"}
    with pytest.raises(
        ChipProfileError, match=r"chip 'loihi2': axons_in_per_core is unknown \(null\); give it"
    ):
        profile.number("axons_in_per_core")


def test_loihi_s_costs_are_those_of_its_paper_with_their_open_ends():
    profile = read_profile("loihi1")
    event, update = profile.energy_per_synaptic_event, profile.energy_per_neuron_update
    assert (event.low, event.high) == (23.6e-12, None)
    assert (update.low, update.high) == (52e-12, 81e-12)
    assert (profile.time_per_step.low, profile.time_per_step.high) == (113e-9, 465e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "low: 52.0e-12",
            "low: 90.0e-12",
            ":64:{0}: energy_per_neuron_update.high: 8.1e-11 is below low 9e-11",
        ),
        (
            "weight_low: {value: -256",
            "weight_low: {value: 0",
            "weight_low.value: 0 leaves no negative weights",
        ),
        (
            "weight_step: {value: 2,",
            "weight_step: {value: 300,",
            "weight_step.value: 300 exceeds weight_high 254",
        ),
        (
            "{value: 131072, source",
            "{value: 900, source",
            "900 is not between one core's 1024 and those of 128",
        ),
        ("low: 113.0e-9", "low: -1.0", "time_per_step.low: -1.0 is out of range; write a number >= 0"),
        ("value: true", "value: 1", "feedback.value: 1 does not fit; write true or false"),
        ("value: [lif]", "value: [liff]", "neurons.value[0]: unknown choice 'liff'; did you mean 'lif'?"),
        ("value: [lif]", "value: lif", "neurons.value: 'lif' does not fit; write a list"),
    ],
)
def test_values_that_cannot_be_true_are_told_with_their_place(tmp_path, old, new, message):
    text = (Path(mep_neuro.hardware.__file__).parent / "loihi1.yaml").read_text()
    assert text.count(old) >= 1
    (found,) = mistakes_of(tmp_path, text.replace(old, new, 1))
    line = text[: text.index(old)].count("\n") + 1
    expected = message.removeprefix(":64:{0}: ")
    assert expected in found
    assert re.match(rf":{line}:\d+: ", found)


def test_a_profile_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        read_profile("loihi2").weight_bits.value = 4  # type: ignore[misc]


def test_a_profile_is_read_by_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(LOIHI2.replace("value: 8192", "value: 8000"))
    assert read_profile(path).number("neurons_per_core") == 8000
    assert read_profile(str(path)).number("neurons_per_core") == 8000


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(ChipProfileError, match=r"unknown profile 'lohi2'; did you mean 'loihi2'\?"):
        read_profile("lohi2")


def test_a_missing_file_is_told():
    with pytest.raises(ChipProfileError, match=r"no/where.yaml: does not exist; check the path, or name one"):
        read_profile("no/where.yaml")


def test_every_mistake_is_told_with_its_place(tmp_path):
    text = LOIHI2.replace("value: 8192", "value: -3").replace("\ncores:", "\ncoers:")
    text = text.replace("delay_bits: {value: 6", "delay_bits: {value: 6.5")
    line = {key: text[: text.index(key)].count("\n") + 1 for key in ("value: -3", "coers", "delay_bits")}
    found = "\n".join(mistakes_of(tmp_path, text))
    assert (
        f":{line['value: -3']}:10: neurons_per_core.value: -3 is out of range; write a number >= 1" in found
    )
    assert f":{line['coers']}:1: coers: unknown key 'coers'; did you mean 'cores'?" in found
    assert re.search(rf":{line['delay_bits']}:\d+: delay_bits.value: 6.5 does not fit; write a whole", found)
    assert "cores: is missing; add 'cores'" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a profile"),
        ("- 1", "a list does not fit; write a mapping"),
        ("a: [1", "is no YAML"),
        (LOIHI2 + "cores: {value: 1, source: x}\n", "duplicate key 'cores', first on line"),
        (LOIHI2.replace("mep-neuro-chip/1", "mep-neuro/1"), "schema: unknown choice 'mep-neuro/1'"),
        (LOIHI2.replace("value: 8192", "value: yes"), "neurons_per_core.value: 'yes' is text; write a whole"),
        (LOIHI2.replace("value: 8192", "value: .nan"), "neurons_per_core.value: nan does not fit"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_words(tmp_path, text, message):
    assert message in "\n".join(mistakes_of(tmp_path, text))
