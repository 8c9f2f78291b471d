"""Every integer of Lava's fixed-point processes against the emulator's.

EPSigmaDelta networks (layers, 4- and 6-cubes, convolutions; 7, 8 and 10 bits of state; thresholds 1 and 2;
registers that wrap and clip; separate populations; every one with a batch of samples) run through the
bundle. LIF networks are Lava's LIF and Dense processes with random decays, thresholds, weight exponents,
weight bits, biases and starting registers.

What is batched: networks of one shape and one set of register settings share a Lava process group as one
block-diagonal matrix of weights; samples are copies in the same matrix. Each block is a network of its own.

Usage: python tests/benchmarks/loihi_exact.py [--json] [--full | --quick]
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from loihi_networks import FAMILIES, layered
from numpy.typing import NDArray
from scipy.linalg import block_diag as dense_block_diag
from scipy.sparse import block_diag, csr_matrix

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.lif.circuit import LifCircuit
from mep_neuro.chip.lif.emulate import emulate_lif
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.chip.quantized import Quantized
from mep_neuro.converters.to_lava.environment import RUNNER, require
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.converters.to_lava.session import run_session
from mep_neuro.neurons.lif_integer import IntegerLif, LifState
from mep_neuro.simulation.network import Network

Ints = NDArray[np.int32]
EP_STEPS, LIF_STEPS, SAMPLES = 300, 200, 2
LOIHI2 = read_profile("loihi2")
LIF_BLOCK, LIF_SIZE = 20, 12  # networks of one process group, neurons of each


class Tally:
    """What was compared, and how often two integers differed."""

    def __init__(self) -> None:
        self.networks: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.mismatches: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def add(self, kind: str, networks: int, pairs: list[tuple[Ints, Ints]]) -> None:
        self.networks[kind] += networks
        for lava, own in pairs:
            self.states[kind] += own.size
            self.mismatches[kind] += int(np.count_nonzero(lava != own))


def blocks(family: str, count: int, seed: int, settings: dict[str, Any]) -> Quantized:
    """Networks of one family as one, at the exponent and the message limit that all of them allow."""
    make = {"layers": _same_layers, "uneven": _uneven}.get(family) or FAMILIES[family]
    networks = [make(seed + i) for i in range(count)]
    alone = [quantize(network, LOIHI2, **settings) for network in networks]
    exponent = min(q.weight_exponent for q in alone)
    same = [quantize(network, LOIHI2, weight_exponent=exponent, **settings) for network in networks]
    weight = csr_matrix(block_diag([q.weight for q in same]), dtype=np.int32)
    exponents = np.concatenate([q.synapse_exponents for q in same])
    most = min(q.message_max for q in same)
    return replace(same[0], weight=weight, synapse_exponents=exponents, message_max=most)


def _same_layers(seed: int) -> Network:
    """Layers of one shape: networks of one shape share a process group."""
    return layered(seed, (5, 12, 9, 4))


def _uneven(seed: int) -> Network:
    """The same; the last projection's weights are a tenth: its synapses get an exponent of their own."""
    source = _same_layers(seed)
    arrays = source.arrays()
    last = f"projections.{list(source.projections)[-1]}.weight"
    return source.with_arrays({**arrays, last: arrays[last] / 10})


def random_bias(q: Quantized, seed: int) -> Ints:
    currents = np.random.default_rng(seed).normal(0.2, 0.6, (SAMPLES, q.size))
    return np.rint(currents * 2.0 ** (q.P - q.leak_shift)).astype(np.int32)


def ep_cases(full: bool, quick: bool) -> Iterator[tuple[str, Quantized, Ints, str, int]]:
    """Kind, network, bias, layout, and the number of networks in it."""
    count = 5 if full else 2
    for number, family in enumerate(FAMILIES):
        for bits in (7, 8, 10):
            for threshold in (1, 2):
                if not full and (bits, threshold) != ((8, 1), (7, 2), (10, 1), (8, 2))[number]:
                    continue
                if quick and number != 3:
                    continue
                seed = 1000 * number + 100 * bits + 10 * threshold
                q = blocks(family, count, seed, {"state_bits": bits, "threshold": threshold})
                yield (
                    f"{family}, {bits} bits, threshold {threshold}",
                    q,
                    random_bias(q, seed),
                    "merged",
                    count,
                )
    for bits in (8, 6, 4, 3) if full else () if quick else (4,):
        settings = {"state_bits": 8, "weight_bits": bits}
        q = blocks("uneven", count, 6000 + bits, settings)
        yield f"layers, {bits}-bit weights of two sizes", q, random_bias(q, bits), "merged", count
    for number, family in enumerate(FAMILIES if full else ["layers"]):
        q = blocks(family, count, 7000 + number, {"state_bits": 10})
        weight = q.weight.copy()
        weight.data[:] = 254 * np.sign(weight.data) >> -q.synapse_exponents
        q = replace(q, weight=weight, state_bits=14, message_max=1 << 14)
        bias = np.random.default_rng(number).integers(
            1 - (1 << 23), 1 << 23, (SAMPLES, q.size), dtype=np.int32
        )
        yield f"{family}, overflowing", q, bias, "merged", count
    for seed in range(6 if full else 0 if quick else 1):
        q = quantize(layered(8000 + seed), LOIHI2, state_bits=(7, 8, 10)[seed % 3], threshold=1 + seed % 2)
        yield "separate populations", q, random_bias(q, seed), "separate", 1


def compare_ep(tally: Tally, full: bool, quick: bool) -> None:
    for kind, q, bias, layout, networks in ep_cases(full, quick):
        lava = run_session(q, bias, EP_STEPS, time_limit=300.0, populations=layout)
        own = emulate(q, bias, steps=EP_STEPS, trace=True).trace
        assert own is not None
        pairs = [(lava.s, own.s), (lava.v, own.v), (lava.sigma, own.sigma), (lava.messages, own.m)]
        tally.add(f"EPSigmaDelta: {kind}", networks, pairs)
        raw = q.weight.astype(np.int64) @ own.s[:-1].reshape(-1, q.size).astype(np.int64).T
        tally.seen["wrapped sums"] += int(np.count_nonzero(np.abs(raw) >= 1 << 23))
        tally.seen["clipped membranes"] += int(np.count_nonzero(np.abs(own.v) == (1 << 23) - 1))
        tally.seen["weights with an exponent of their own"] += int(np.count_nonzero(q.synapse_exponents))
        tally.seen["messages"] += int(np.count_nonzero(own.m))
        print(f"{kind}: {tally.mismatches[f'EPSigmaDelta: {kind}']} mismatches", file=sys.stderr, flush=True)


def lif_group(seed: int) -> dict[str, Any]:
    """Several LIF-Dense networks of one set of parameters, as one block-diagonal matrix."""
    rng = np.random.default_rng(seed)
    bits, weight_exp = int(rng.choice([8, 8, 6, 4])), int(rng.choice([0, 0, 1, 3, 6, -2]))
    step = 2 << (8 - bits)
    weights = []
    for _ in range(LIF_BLOCK):
        drawn = rng.integers(-256 // step, 254 // step + 1, (LIF_SIZE, LIF_SIZE)) * step
        weights.append(drawn * (rng.random(drawn.shape) < rng.choice([0.2, 0.6, 1.0])))
    size = LIF_BLOCK * LIF_SIZE
    return {
        "weight": dense_block_diag(*weights).astype(np.int32),
        "mantissa": rng.integers(-4096, 4096, size).astype(np.int32),
        "exponent": rng.integers(0, 8, size).astype(np.int32),
        "u": rng.integers(1 - (1 << 23), 1 << 23, size).astype(np.int32),
        "v": rng.integers(1 - (1 << 23), 1 << 23, size).astype(np.int32),
        "parameters": np.array(
            [
                rng.choice([0, 63, 255, 1023, 4095, rng.integers(4096)]),
                rng.choice([0, 0, 16, 128, 4095, rng.integers(4096)]),
                rng.choice([10, 500, 5000, 131071, rng.integers(1, 20000)]),
                weight_exp,
                bits,
            ]
        ),
    }


def compare_lif(tally: Tally, groups: int) -> None:
    every = [lif_group(seed) for seed in range(groups)]
    with tempfile.TemporaryDirectory(prefix="mep-lif-", dir="/tmp") as name:
        folder = Path(name)
        arrays = {f"{i}_{key}": value for i, group in enumerate(every) for key, value in group.items()}
        np.savez(folder / "groups.npz", allow_pickle=False, **arrays)
        script = Path(__file__).parent / "lava_scripts" / "lif_dense.py"
        launch(
            [
                str(require().python),
                str(script),
                str(RUNNER),
                str(folder / "groups.npz"),
                name,
                str(LIF_STEPS),
            ],
            name="lava",
            advice="see the cause below",
            log=folder / "log.txt",
            time_limit=60.0 + 30.0 * groups,
            environment=clean_environment(
                TMPDIR=name, OMP_NUM_THREADS="1", MEP_NEURO_PARENT=str(os.getpid())
            ),
        )
        for number, group in enumerate(every):
            du, dv, vth, weight_exp, _ = (int(value) for value in group["parameters"])
            circuit = LifCircuit(IntegerLif(du, dv, vth), csr_matrix(group["weight"]), weight_exp)
            bias = (group["mantissa"] << group["exponent"])[None]
            start = LifState(group["u"][None], group["v"][None], np.zeros_like(bias))
            run = emulate_lif(circuit, bias, steps=LIF_STEPS, start=start, trace=True)
            own = run.trace
            assert own is not None
            lava = np.load(folder / f"{number}.npy")
            registers = (own.u, own.v, own.spikes)
            pairs = [(lava[i], register[:, 0]) for i, register in enumerate(registers)]
            tally.add("LIF and Dense", LIF_BLOCK, pairs)
            tally.seen["spikes"] += int(own.spikes.sum())
            tally.seen["wrapped currents"] += int(run.wraps.sum())


def main() -> None:
    """Compare, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="1,000 LIF and over 100 EPSigmaDelta networks")
    size.add_argument("--quick", action="store_true", help="the smallest run, for a smoke test")
    options = parser.parse_args()
    tally = Tally()
    compare_lif(tally, 50 if options.full else 1 if options.quick else 3)
    compare_ep(tally, options.full, options.quick)
    found = {
        "networks": sum(tally.networks.values()),
        "steps": {"EPSigmaDelta": EP_STEPS, "LIF and Dense": LIF_STEPS},
        "states_compared": sum(tally.states.values()),
        "mismatches": sum(tally.mismatches.values()),
        "networks_by_kind": dict(tally.networks),
        "mismatches_by_kind": dict(tally.mismatches),
        "seen": dict(tally.seen),
    }
    if options.json:
        print(json.dumps(found))
        return
    for kind, networks in tally.networks.items():
        print(
            f"{kind}: {networks} networks, {tally.states[kind]} states, {tally.mismatches[kind]} mismatches"
        )
    print({key: found[key] for key in ("networks", "states_compared", "mismatches", "seen")})


if __name__ == "__main__":
    main()
