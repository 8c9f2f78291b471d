"""A dense projection as a matrix product, in place of Synapses: one copy of the weights for all samples.

The weights are a NeuronGroup of n_post * n_pre 'units' with `w` and the gain `g`. On the runtime
targets a NetworkOperation multiplies by numpy; in a standalone program a Function with a C++ body
does, computing a sample's row when its first unit asks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.equations import feedback, forward
from mep_neuro.converters.to_brian2.objects import Maker
from mep_neuro.simulation.network import Network, Projection

Array = NDArray[np.float64]

_FORWARD = """
static double {name}(const int i)
{{
    static double row[{n_post}];
    const int unit = i % {n_post};
    if (unit == 0)
    {{
        const double* s = brian::{sent} + (size_t)(i / {n_post}) * {n_pre};
        const double* w = brian::{weight};
        for (int post = 0; post < {n_post}; post++, w += {n_pre})
        {{
            double sum[8] = {{0, 0, 0, 0, 0, 0, 0, 0}};  // eight sums at once: a vector register
            int pre = 0;
            for (; pre + 8 <= {n_pre}; pre += 8)
                for (int lane = 0; lane < 8; lane++) sum[lane] += w[pre + lane] * s[pre + lane];
            for (; pre < {n_pre}; pre++) sum[0] += w[pre] * s[pre];
            row[post] = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
        }}
    }}
    return row[unit];
}}
"""

_FEEDBACK = """
static double {name}(const int i)
{{
    static double row[{n_pre}];
    const int unit = i % {n_pre};
    if (unit == 0)
    {{
        const double* s = brian::{sent} + (size_t)(i / {n_pre}) * {n_post};
        const double* w = brian::{weight};
        const double g = brian::{gain}[0];
        for (int pre = 0; pre < {n_pre}; pre++) row[pre] = 0;
        for (int post = 0; post < {n_post}; post++, w += {n_pre})
        {{
            const double rate = g * s[post];
            for (int pre = 0; pre < {n_pre}; pre++) row[pre] += rate * w[pre];
        }}
    }}
    return row[unit];
}}
"""


def possible(network: Network, projection: Projection) -> bool:
    """Whether a projection joins two whole populations densely."""
    pre, post = network.populations[projection.pre], network.populations[projection.post]
    return (
        projection.kind == "dense"
        and projection.weight.shape == (post.size, pre.size)
        and projection.pre != projection.post
    )


def values(projection: Projection) -> dict[str, Array]:
    """The variables of a projection's weight group."""
    found = {"w": projection.weight.ravel(), "g": projection.synapses.gain[:1]}
    if projection.feedback_weight is not None:
        found["b"] = projection.feedback_weight.ravel()
    return found


def product(maker: Maker, projection: Projection, identifier: str, pre: Any, post: Any) -> tuple[Any, ...]:
    """The weight group, and what multiplies by it in every step."""
    equations = "w : 1\ng : 1 (shared)" + ("\nb : 1" if projection.feedback_weight is not None else "")
    weights = maker.group(projection.weight.size, equations, identifier)
    if maker.code_class is None:
        _compiled(maker, projection, weights, pre, post)
        return (weights,)
    return weights, _operation(maker, projection, weights, pre, post)


def _operation(maker: Maker, projection: Projection, weights: Any, pre: Any, post: Any) -> Any:
    shape, name = projection.weight.shape, weights.name
    back = "b" if projection.feedback_weight is not None else "w"

    def array(group: Any, variable: str) -> Array:
        held: Array = group.variables[variable].get_value()
        return held

    def multiply() -> None:
        w, b = (array(weights, variable).reshape(shape) for variable in ("w", back))
        before, after = (array(group, "sent").reshape(maker.samples, -1) for group in (pre, post))
        array(post, forward(name))[:] = (before @ w.T).ravel()
        array(pre, feedback(name))[:] = (array(weights, "g") * (after @ b)).ravel()

    return maker.brian2.NetworkOperation(
        multiply, clock=maker.clock, when="before_groups", name=f"{name}_product"
    )


def _compiled(maker: Maker, projection: Projection, weights: Any, pre: Any, post: Any) -> None:
    array = maker.brian2.get_device().get_array_name
    n_post, n_pre = projection.weight.shape
    back = "b" if projection.feedback_weight is not None else "w"
    for body, group, other, variable, weight in (
        (_FORWARD, post, pre, forward(weights.name), "w"),
        (_FEEDBACK, pre, post, feedback(weights.name), back),
    ):
        name = f"{variable}_product"
        function = maker.brian2.Function(
            _runs_in_cpp, arg_units=[1], return_unit=1, arg_types=["integer"], return_type="float"
        )
        code = body.format(
            name=name,
            n_pre=n_pre,
            n_post=n_post,
            sent=array(other.variables["sent"]),
            weight=array(weights.variables[weight]),
            gain=array(weights.variables["g"]),
        )
        function.implementations.add_implementation("cpp", code)
        group.namespace[name] = function
        group.run_regularly(
            f"{variable} = {name}(i)", when="before_groups", clock=maker.clock, name=f"{name}_call"
        )


def _runs_in_cpp(i: Any) -> Any:
    raise NotImplementedError("a dense product in a standalone program runs in C++ alone")
