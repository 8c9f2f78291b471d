"""A character model: the next letter from the 16 before it.

    python tests/benchmarks/language.py --json --data DIR

DIR holds one .txt file. Its first 90 % are learned, its last 10 % give the losses: mean negative log
likelihood of the next character in nats, on every third position. The input is the window, one-hot
(16 x vocabulary); hidden layers of 512, or of 256 and 256, relu; softmax read-out with cross-entropy. Each
net learns STEPS batches of 128 windows with Dion of rank 64 (biases by SGD with momentum), learning rate
falling linearly to 0, and its backpropagation twin, an nn.Sequential, starts from the same weights and
sees the same batches with the same optimizers.

    unigram     character frequencies alone
    untrained   the net before its first update
    frozen      EP, the hidden layers left as they started: the control
    [512], [256, 256]    {ep, backprop, ratio}

Nothing was tuned on this text: RATE is the library's default for Dion. With one hidden layer nothing but
it settles, so that net has no recurrence; of [256, 256] the two layers are coupled both ways (feedback gain
0.05, bound 0.5). One seed, of the start and the batches: --seed, 0 unless said. Without --data: a text of a
small grammar, for smoke tests. Samples of each net are printed (to stderr with --json).
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from layered import Layered
from torch import Tensor, nn

import mep_neuro as mep
from mep_neuro.equilibrium.consolidation.dion import Dion
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.trainer import equilibrium_propagation
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase

WINDOW, BATCH, RANK = 16, 128, 64
STEPS = {"[512]": 3000, "[256, 256]": 3000}
RATE, BIAS_RATE, MOMENTUM, DION_MOMENTUM = 0.02, 0.05, 0.9, 0.95
HIDDEN = {"[512]": (512,), "[256, 256]": (256, 256)}


class Text:
    """Characters as numbers, split in time."""

    def __init__(self, text: str, seed: int) -> None:
        self.seed = seed
        self.letters = sorted(set(text))
        number = {letter: n for n, letter in enumerate(self.letters)}
        codes = torch.tensor([number[letter] for letter in text])
        cut = int(len(codes) * 0.9)
        self.train, self.held_out = codes[:cut], codes[cut:]

    def windows(self, codes: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot windows before each end, shape (n, WINDOW * letters), and the characters there."""
        before = codes[ends.unsqueeze(1) + torch.arange(-WINDOW, 0)]
        return self.encoded(before), codes[ends]

    def encoded(self, before: Tensor) -> Tensor:
        """One-hot, float32."""
        return nn.functional.one_hot(before, len(self.letters)).flatten(1).float()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The windows of one step."""
        draw = np.random.default_rng([self.seed, step]).integers(WINDOW, len(self.train), BATCH)
        return self.windows(self.train, torch.from_numpy(draw))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="folder with a .txt file")
    parser.add_argument("--seed", type=int, default=0, help="of the start and the batches")
    parser.add_argument("--quick", action="store_true", help="a few steps, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = Text(read(options.data), options.seed)
    found: dict[str, Any] = {"unigram": unigram(text)}
    for name, hidden in HIDDEN.items():
        steps = 30 if options.quick else STEPS[name]
        chain = net(hidden, text)
        start = mep.load(topology(chain), seed=text.seed)
        found[name] = {"untrained": loss_of(start, text)}
        twin = by_backprop(chain, start, text, steps)
        found[name]["backprop"] = loss_of(twin, text)
        tell(name, found[name])
        model = by_ep(chain, text, steps)
        found[name]["ep"] = loss_of(model, text)
        found[name]["ratio"] = found[name]["ep"] / found[name]["backprop"]
        found[name]["frozen"] = loss_of(by_ep(chain, text, steps, frozen=True), text)
        tell(name, found[name])
        for who, speaker in (("ep", model), ("backprop", twin)):
            said = f"\n--- {name} {who} ---\n{sample(speaker, text)}\n"
            print(said, file=sys.stderr if options.json else sys.stdout, flush=True)
    print(json.dumps({"language": found}, indent=None if options.json else 2))


def read(folder: str | None) -> str:
    """The text."""
    if folder is not None:
        return next(iter(sorted(Path(folder).glob("*.txt")))).read_text()
    random = np.random.default_rng(0)
    words = ("the cat", "a dog", "the bird", "sees", "hears", "and", "it sings.", "it runs.")
    return " ".join(words[n] for n in random.integers(0, len(words), 4000))


def net(hidden: tuple[int, ...], text: Text) -> Layered:
    """The network of these hidden layers."""
    letters = len(text.letters)
    return Layered(
        (WINDOW * letters, *hidden, letters),
        free_steps=len(hidden),
        nudged_steps=1,
        feedback_gain=0.05,
        bound=0.5,
        hidden="relu",
        output="softmax",
        bias=0.0,
    )


def topology(chain: Layered, *, frozen: bool = False) -> dict[str, Any]:
    """With Dion on every matrix."""
    made = chain.topology(lr=BIAS_RATE, frozen=frozen)
    made["consolidation"] |= {"method": "dion", "rank": RANK, "lr": RATE, "period": "1 update"}
    return made


def by_ep(chain: Layered, text: Text, steps: int, *, frozen: bool = False) -> EquilibriumNetwork:
    """Equilibrium Propagation."""
    model = mep.load(topology(chain, frozen=frozen), seed=text.seed)
    learner = Learner(model)
    learner.bound_now()
    for step in range(steps):
        features, labels = text.batch(step)
        target = nn.functional.one_hot(labels, len(text.letters)).float()
        contrast = equilibrium_propagation(model, features, target).contrast
        learner.update(contrast, 1.0 - step / steps)
    return model


def by_backprop(chain: Layered, start: EquilibriumNetwork, text: Text, steps: int) -> nn.Sequential:
    """Autograd through the feed-forward net, from the same weights."""
    twin = chain.sequential()
    layers = [layer for layer in twin if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(layers, start.weights.values(), start.biases.values(), strict=True):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    rules = [
        Dion([layer.weight for layer in layers], RATE, rank=RANK, momentum=DION_MOMENTUM),
        torch.optim.SGD([layer.bias for layer in layers], lr=BIAS_RATE, momentum=MOMENTUM),
    ]
    for step in range(steps):
        features, labels = text.batch(step)
        for rule, rate in zip(rules, (RATE, BIAS_RATE), strict=True):
            rule.param_groups[0]["lr"] = rate * (1.0 - step / steps)
            rule.zero_grad()
        nn.functional.cross_entropy(twin(features), labels).backward()
        for rule in rules:
            rule.step()
    return twin


def probabilities(speaker: EquilibriumNetwork | nn.Sequential, features: Tensor) -> Tensor:
    """Of the next character; EP's by a settled free phase."""
    if isinstance(speaker, EquilibriumNetwork):
        return speaker.readout(free_phase(speaker, features, tolerance=1e-5).point.states)
    with torch.no_grad():
        return torch.softmax(speaker(features), -1)


def loss_of(speaker: EquilibriumNetwork | nn.Sequential, text: Text) -> float:
    """Mean negative log likelihood on the held-out part, nats."""
    total, count = 0.0, 0
    for ends in torch.arange(WINDOW, len(text.held_out), 3).split(2048):
        features, labels = text.windows(text.held_out, ends)
        found = probabilities(speaker, features).gather(1, labels.unsqueeze(1))
        total, count = total - float(found.double().log().sum()), count + len(ends)
    return total / count


def unigram(text: Text) -> float:
    """Of character frequencies."""
    counts = torch.bincount(text.train, minlength=len(text.letters)).double()
    logs = torch.log((counts + 1.0) / (counts + 1.0).sum())
    return float(-logs[text.held_out].mean())


def sample(speaker: EquilibriumNetwork | nn.Sequential, text: Text, length: int = 240) -> str:
    """What it goes on to write after the first window of the held-out part; drawn with the seed."""
    generator = torch.Generator().manual_seed(text.seed)
    codes = text.held_out[:WINDOW].tolist()
    for _ in range(length):
        found = probabilities(speaker, text.encoded(torch.tensor([codes[-WINDOW:]])))
        codes.append(int(torch.multinomial(found[0].double(), 1, generator=generator)))
    return "".join(text.letters[code] for code in codes)


def tell(*words: object) -> None:
    """To stderr, with the CPU time so far."""
    print(f"{time.process_time():6.1f} s ", *words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
