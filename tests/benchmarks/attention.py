"""Attention with an energy of its own: sequences of 8 tokens out of 10, to be reversed.

Training sequences are fresh in every step, evaluation is on sequences of other seeds. Networks:

    cross    positions attend to the clamped tokens (undamped sweeps: CCCP, the energy falls)
    self     the tokens settle and attend to each other (damped steps; W_Q and W_K below a spectral norm)

Each is learned by EP from three seeds (median and spread), and for comparison

    bptt     by autograd through the same unrolled settle, seed 0
    frozen   by EP with the attention's weights left as drawn, seed 0
    none     cross without attention, seed 0

`token` is the share of right tokens with the settle of training, `token_settled` the same after 200
steps from zero; `residual` is the root of the mean over samples of the squared largest
|s - rho(current)|, after both. `gradient_cosine` compares the contrast with autograd through the
settle, both relaxed in float64, on the trained networks; `gradient_cosine_training` compares the
contrast at the sweeps of training with the same relaxed gradient.

Usage: python tests/benchmarks/attention.py [--json] [--quick] [--runs cross,self,...] [--seeds N]
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.trainer import classes, one_hot
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.spec import NetworkSpec

LENGTH, TOKENS, WIDTH = 8, 10, 64
WARM_UP, DECAY = 50, 0.4  # updates, share of the updates at the end
LONG = 200  # steps of the long settle
EVALUATION_SEED = 1_000_000  # training sequences have seeds below

NETWORK = """\
schema: mep-neuro/1
name: reversal
neurons:
  unit: {{model: rate, activation: tanh, tau_mem: 5 ms}}
populations:
  input: {{shape: [8, 18], role: input}} # each row: one of ten tokens, one of eight positions
  tokens: {{shape: [8, {width}], neuron: unit}}
  output: {{shape: [8, 10], role: output, activation: softmax}}
projections:
{projections}
  read: {{pre: tokens, post: output, connector: {{type: pointwise}}, weight: {{gain: 0.5}}}}
equilibrium: {{{equilibrium}, tolerance: 1.0e-4, nudge: {{beta: 0.1, phases: centered, cost: cross_entropy}}}}
learning: {{optimizer: adam, lr: 0.003, batch_size: 64}}
"""
CROSS = """\
  position: {pre: "input[:, 10:]", post: tokens, connector: {type: pointwise}, weight: {gain: 1.4}}
  attention:
    pre: input
    post: tokens
    connector: {type: attention, heads: 4, key_width: 16, inverse_temperature: 0.25}
    weight: {gain: 2.0}
"""
SELF = """\
  embed: {pre: input, post: tokens, connector: {type: pointwise}, weight: {gain: 2.0}}
  attention:
    pre: tokens
    post: tokens
    connector: {type: attention, heads: 4, key_width: 16, inverse_temperature: 1.0, spectral_norm: 1.0}
    weight: {gain: 0.5}
"""
KINDS = {
    "cross": (CROSS, "solver: sweeps, free_steps: 15, nudged_steps: 8", 500),
    "self": (SELF, "solver: synchronous, dt: 2.5 ms, free_steps: 20, nudged_steps: 10", 700),
}


@dataclass(frozen=True)
class Size:
    """How much of it all: `--quick` is a smoke test."""

    width: int = WIDTH
    batch: int = 64
    updates: float = 1.0
    evaluated: int = 2048
    relaxed: int = 1500


def specification(
    kind: str, size: Size, change: Callable[[dict[str, object]], None] | None = None
) -> NetworkSpec:
    """The network of a kind."""
    projections, equilibrium, _ = KINDS[kind]
    text = NETWORK.format(projections=projections.rstrip(), equilibrium=equilibrium, width=size.width)
    spec = parse_spec(text, "reversal")
    if change is None:
        return spec
    mapping = spec.to_mapping()
    change(mapping["projections"])
    return NetworkSpec.model_validate(mapping)


def sequences(seed: int, samples: int) -> tuple[Tensor, Tensor]:
    """One-hot tokens and positions, shape (samples, 8 * 18), and the reversed tokens, shape (samples, 8)."""
    tokens = torch.from_numpy(np.random.default_rng(seed).integers(0, TOKENS, (samples, LENGTH)))
    hot = torch.nn.functional.one_hot(tokens, TOKENS)
    position = torch.eye(LENGTH, dtype=hot.dtype).expand(samples, -1, -1)
    return torch.cat([hot, position], dim=2).reshape(samples, -1).float(), tokens.flip(1)


def by_ep(model: EquilibriumNetwork, features: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The contrast."""
    free = free_phase(model, features)
    return dict(contrast(model, free, nudged_phase(model, free, target)))


def by_bptt(
    model: EquilibriumNetwork, features: Tensor, target: Tensor, steps: int | None = None
) -> dict[str, Tensor]:
    """Minus the gradient of the cost, by autograd through the free phase from zero."""
    name = model.settling[0]
    with torch.enable_grad(), leaves(model) as parameters:
        rates, drive = model.drive(features)
        system = model.system.seeing(rates)
        damped = model.spec.equilibrium.solver == "synchronous"
        share = system.step_fraction[0] if damped else 1.0
        membrane = drive[name]  # the first step of sweeps, and where synchronous steps start
        steps = steps or model.spec.equilibrium.free_steps or LONG
        for _ in range(steps if damped else steps - 1):
            state, current = torch.tanh(membrane), drive[name]
            for link in system.links[0]:
                current = current + link.current(state)
            membrane = torch.lerp(membrane, current, share)
        output = model.readout({name: torch.tanh(membrane)})
        total = cost("cross_entropy", output, target, model.positions).mean()
        gradients = torch.autograd.grad(total, list(parameters.values()))
    return {key: -gradient for key, gradient in zip(parameters, gradients, strict=True)}


@contextmanager
def leaves(model: EquilibriumNetwork) -> Iterator[dict[str, Tensor]]:
    """The plastic parameters, requiring grad within."""
    found: dict[str, Tensor] = {
        f"projections.{name}.weight": c.weight for name, c in model.projections.items() if c.plastic
    }
    found |= {f"populations.{name}.bias": bias for name, bias in model.biases.items()}
    try:
        for leaf in found.values():
            leaf.requires_grad_(True)
        yield found
    finally:
        for leaf in found.values():
            leaf.requires_grad_(False)


def trained(
    spec: NetworkSpec, seed: int, updates: int, size: Size, gradient: Callable[..., dict[str, Tensor]]
) -> EquilibriumNetwork:
    """A model after training; gradients longer than 1 are cut to 1."""
    model = EquilibriumNetwork(build(spec, seed))
    learner = Learner(model)
    learner.bound_now()
    began = time.process_time()
    for update in range(updates):
        features, labels = sequences(1000 * seed + update, size.batch)
        step = gradient(model, features, one_hot(model, labels))
        norm = float(torch.sqrt(sum((g.square().sum() for g in step.values()), torch.zeros(()))))
        if norm > 1.0:
            step = {key: g / norm for key, g in step.items()}
        rise, fall = (update + 1) / WARM_UP, (updates - update) / (DECAY * updates)
        learner.update(step, min(1.0, rise, fall))
        if update % 100 == 99 or update == updates - 1:
            share, _ = accuracy(model, 256)
            each = 1000 * (time.process_time() - began) / (update + 1)
            say(f"  update {update + 1}: token {share:.4f} ({each:.0f} ms an update)")
    return model


def accuracy(model: EquilibriumNetwork, samples: int, steps: int | None = None) -> tuple[float, float]:
    """Share of right tokens on held-out sequences, and the residual, after these steps or training's."""
    right, square = 0.0, 0.0
    for start in range(0, samples, 256):
        features, labels = sequences(EVALUATION_SEED + start, min(256, samples - start))
        steps = steps or model.spec.equilibrium.free_steps
        point = free_phase(model, features, tolerance=1e-9, max_steps=steps).point
        right += float((classes(model, model.readout(point.states)) == labels).double().mean(1).sum())
        square += float(point.residual.double().square().sum())
    return right / samples, (square / samples) ** 0.5


def gradient_cosines(model: EquilibriumNetwork, size: Size) -> tuple[float, float]:
    """Of the contrast, relaxed and at training's sweeps, with autograd through the settle; float64."""
    exact = EquilibriumNetwork(model.to_network(), torch.float64)
    features, labels = sequences(EVALUATION_SEED - 1, 8)
    features, target = features.double(), one_hot(exact, labels)
    free = free_phase(exact, features, tolerance=1e-12, max_steps=size.relaxed)
    got = contrast(exact, free, nudged_phase(exact, free, target, tolerance=1e-10, max_steps=size.relaxed))
    wanted = by_bptt(exact, features, target, size.relaxed)
    return cosine(got, wanted), cosine(by_ep(exact, features, target), wanted)


def cosine(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    """Over all parameters side by side."""
    a, b = (torch.cat([values[key].flatten() for key in sorted(wanted)]) for values in (got, wanted))
    return float(a @ b / (a.norm() * b.norm()))


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


def learned(
    kind: str,
    seed: int,
    size: Size,
    gradient: Callable[..., dict[str, Tensor]] = by_ep,
    change: Callable[[dict[str, object]], None] | None = None,
    share: float = 1.0,
) -> tuple[dict[str, float], EquilibriumNetwork]:
    """Train one network; its figures."""
    say(f"{kind}, seed {seed}")
    spec = specification(kind, size, change)
    model = trained(spec, seed, max(2, round(KINDS[kind][2] * size.updates * share)), size, gradient)
    token, residual = accuracy(model, size.evaluated)
    settled, still = accuracy(model, size.evaluated // 2, LONG)
    figures = {"token": token, "token_settled": settled, "residual": residual, "residual_settled": still}
    say(f"  {figures}")
    return figures, model


def over_seeds(kind: str, seeds: int, size: Size) -> dict[str, object]:
    """Median and spread of a kind, and the gradient's cosine on the last seed's network."""
    runs = []
    for seed in range(seeds):
        figures, model = learned(kind, seed, size)
        runs.append(figures)
    summary: dict[str, object] = {}
    for key in runs[0]:
        values = [run[key] for run in runs]
        summary[key] = float(np.median(values))
        summary[f"{key}_range"] = [min(values), max(values)]
    summary["seeds"] = runs
    summary["gradient_cosine"], summary["gradient_cosine_training"] = gradient_cosines(model, size)
    say(f"  gradient cosine {summary['gradient_cosine']:.6f}, {summary['gradient_cosine_training']:.3f}")
    return summary


def freeze(projections: dict[str, object]) -> None:
    """Leave the attention as it was drawn."""
    projections["attention"]["plastic"] = False  # type: ignore[index]  # a mapping of the file


def remove(projections: dict[str, object]) -> None:
    """Take the attention away."""
    del projections["attention"]


def measure(runs: list[str], seeds: int, size: Size) -> dict[str, object]:
    """All runs that are asked for."""
    found: dict[str, object] = {}
    for kind in ("cross", "self"):
        if kind in runs:
            found[kind] = over_seeds(kind, seeds, size)
    if "none" in runs:
        found["none"] = learned("cross", 0, size, change=remove, share=0.3)[0]["token"]
    if "frozen" in runs:
        found["frozen"] = learned("cross", 0, size, change=freeze)[0]["token"]
        found["frozen_self"] = learned("self", 0, size, change=freeze, share=0.6)[0]["token"]
    if "bptt" in runs:
        found["bptt"] = {kind: learned(kind, 0, size, by_bptt)[0] for kind in ("cross", "self")}
    cosines = [found[kind]["gradient_cosine"] for kind in ("cross", "self") if kind in found]  # type: ignore[index]
    if cosines:
        found["gradient_cosine"] = min(cosines)
    return found


def main() -> None:
    """Print one JSON object, or the same with indentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="not used: it learns from sequences that it draws")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--runs", default="cross,self,none,frozen,bptt", help="which, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N - 1 (default 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = Size(16, 8, 0.01, 32, 50) if options.quick else Size()
    found = measure(options.runs.split(","), 1 if options.quick else options.seeds, size)
    print(json.dumps({"attention": found}, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
