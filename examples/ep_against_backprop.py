"""Equilibrium Propagation against backpropagation: the same gradient, and the same accuracy.

The contrast of two settled states tends to minus the gradient of the cost as beta tends to 0; with
centered phases its error shrinks as beta squared. Autograd is used here for the comparison alone.

Run it: python examples/ep_against_backprop.py   (some seconds)
Source: Laborieux et al. 2021, Scaling Equilibrium Propagation to deep ConvNets.
"""

import torch

import mep_neuro as mep
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.trainer import one_hot


def smooth_network() -> dict[str, object]:
    """digits_mlp with tanh units, whose contrast has no kinks to cross."""
    content = mep.read_spec("digits_mlp").to_mapping()
    content["neurons"]["unit"]["activation"] = "tanh"
    content["equilibrium"] |= {"tolerance": 1e-7, "max_steps": 2000}
    return content


def relative_errors(betas: tuple[float, ...]) -> list[float]:
    """|contrast - gradient| / |gradient| over all weights and biases, for each beta."""
    net, data = mep.load(smooth_network()), mep.load_data("digits")
    features = torch.as_tensor(data.x_train[:64], dtype=net.dtype)
    target = one_hot(net, torch.as_tensor(data.y_train[:64]))
    exact = backpropagation(net, features, target).contrast
    free, errors = mep.free_phase(net, features), []
    for beta in betas:
        contrast = mep.contrast(net, free, mep.nudged_phase(net, free, target, beta=beta))
        difference = torch.cat([(contrast[name] - exact[name]).ravel() for name in exact])
        size = torch.cat([gradient.ravel() for gradient in exact.values()])
        errors.append(float(difference.norm() / size.norm()))
        print(f"beta {beta:4.2f}: relative error of the contrast {errors[-1]:.1e}")
    return errors


def main(epochs: int = 10) -> dict[str, float]:
    """Compare the gradients, then the accuracies; returns the figures it prints."""
    errors = relative_errors((0.4, 0.2, 0.1))
    accuracy = {}
    for name, gradient in (("ep", None), ("backprop", backpropagation)):
        accuracy[name] = mep.train(mep.load("digits_mlp"), epochs=epochs, gradient=gradient).held_out.value
        print(f"digits_mlp trained by {name}: held-out accuracy {accuracy[name]:.3f}")
    return {"order": errors[0] / errors[1], "smallest_error": errors[-1], **accuracy}


if __name__ == "__main__":
    main()
