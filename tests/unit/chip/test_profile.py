import re
from pathlib import Path

import pytest

import mep_neuro.hardware
from mep_neuro.chip.profile import ChipProfile, Limit, profile_names, read_profile
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


@pytest.mark.parametrize("name", profile_names())
def test_every_value_of_the_library_has_a_source(name):
    for limit in limits(read_profile(name)).values():
        assert len(limit.source) > 10


def test_what_is_unknown_is_null_and_never_a_number():
    profile = read_profile("loihi2")
    unknown = {name for name, limit in limits(profile).items() if limit.value is None}
    energies = {
        "energy_per_synaptic_event",
        "energy_per_neuron_update",
        "energy_per_message",
        "time_per_step",
    }
    assert energies | {"axons_in_per_core", "axons_out_per_core", "synapse_memory_per_core"} == unknown
    with pytest.raises(
        ChipProfileError, match=r"chip 'loihi2': axons_in_per_core is unknown \(null\); give it"
    ):
        profile.number("axons_in_per_core")


def test_a_profile_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        read_profile("loihi2").weight_bits.value = 4  # type: ignore[misc]


def test_a_profile_is_read_by_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(LOIHI2.replace("value: 8192", "value: 100"))
    assert read_profile(path).number("neurons_per_core") == 100
    assert read_profile(str(path)).number("neurons_per_core") == 100


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
