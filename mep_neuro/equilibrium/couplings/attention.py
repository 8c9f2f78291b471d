"""Attention with an energy of its own: projections that are not linear in the states.

    E(s_post, s_pre) = -(k_post / b) sum_heads sum_C log sum_B exp(b Q_C . K_B)
    Q_C = W_Q s_post,C      K_B = W_K s_pre,B      A = softmax over B of b Q_C . K_B

C runs over the tokens of post, B over those of pre; b is the inverse temperature. Minus dE/ds gives
the currents, minus dE/dtheta the contrast, both in closed form:

    into post   W_Q^T (A K)         weight   W_Q: (A K)^T s_post
    into pre    g W_K^T (A^T Q)              W_K: (A^T Q)^T s_pre

Where pre is post (self attention) both currents flow, g is 1, and no token attends to itself
(B = C is left out): then E is concave in each token separately. A sweep never raises the energy,
whatever the weights: between populations all tokens move at once, within one they take turns, at the
cost of a step for each. Cheaper are damped steps of all tokens at once (`synchronous`), which may
raise it: keep the norms of W_Q and W_K at `spectral_norm` 1; nets so trained come within 1e-3 of rest
in 200 steps (benchmark `attention`).
That bound is kept here, by `bound`: attention is no part of the coupled map and of its bound.

Source: Hoover et al. 2023, Energy Transformer, equations 2 to 4; Yuille and Rangarajan 2003 (CCCP)
for the descent of s = rho(current) on the concave part.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from mep_neuro.equilibrium.couplings.base import Coupling, shared_energy_weight
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.topology.spec import Attention


class AttentionCoupling(Coupling):
    """Tokens of post attend to tokens of pre. `weight` holds W_Q and W_K side by side, [W_Q | W_K].

    Attributes:
        within: Whether it is self attention.
        energy_weight: k of the post population.
    """

    linear = False

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weight and the shapes of the populations."""
        super().__init__(projection, dtype)
        pre, post = network.populations[projection.pre], network.populations[projection.post]
        section = network.spec.projections[projection.name].connector
        assert isinstance(section, Attention)
        self.within = projection.pre == projection.post
        self.gain = projection.feedback_gain
        self.energy_weight = shared_energy_weight(projection, post.k)
        self._post_shape, self._pre_shape = post.shape, pre.shape
        self._heads, self._b = section.heads, section.inverse_temperature
        self._norm = section.spectral_norm
        mask = torch.zeros(post.shape[0], pre.shape[0], dtype=dtype)
        self._mask = mask.fill_diagonal_(-torch.inf) if self.within else None

    @property
    def tokens(self) -> list[slice]:
        """Units of each token of post."""
        count, width = self._post_shape
        return [slice(width * token, width * (token + 1)) for token in range(count)]

    @property
    def query_weight(self) -> Tensor:
        """W_Q, shape (heads * key_width, post width)."""
        return self.weight[:, : self._post_shape[1]]

    @property
    def key_weight(self) -> Tensor:
        """W_K, shape (heads * key_width, pre width)."""
        return self.weight[:, self._post_shape[1] :]

    def keys(self, pre: Tensor) -> Tensor:
        """K of every head, shape (..., heads, tokens, key_width)."""
        return self._split(linear(_tokens(pre, self._pre_shape), self.key_weight))

    def queries(self, post: Tensor) -> Tensor:
        """Q of every head, shape (..., heads, tokens, key_width)."""
        return self._split(linear(_tokens(post, self._post_shape), self.query_weight))

    def current_within(self, state: Tensor) -> Tensor:
        """Self attention: the current back into its own tokens, shape (..., n)."""
        q, k = self.queries(state), self.keys(state)
        a = self.attended(q, k)
        sent = _join(a @ k) @ self.query_weight + _join(a.mT @ q) @ self.key_weight
        return sent.flatten(-2)

    def current_into_post(self, pre: Tensor, post: Tensor) -> Tensor:
        """W_Q^T A K, shape (..., n_post)."""
        return self.current_from_keys(self.keys(pre), post)

    def current_from_keys(self, keys: Tensor, post: Tensor) -> Tensor:
        """The same where the keys of pre are known, as those of a clamped input are."""
        return (_join(self.attended(self.queries(post), keys) @ keys) @ self.query_weight).flatten(-2)

    def current_into_pre(self, pre: Tensor, post: Tensor) -> Tensor:
        """g W_K^T A^T Q, shape (..., n_pre)."""
        q = self.queries(post)
        a = self.attended(q, self.keys(pre))
        return self.gain * (_join(a.mT @ q) @ self.key_weight).flatten(-2)

    def attended(self, queries: Tensor, keys: Tensor) -> Tensor:
        """A: how much each token of post attends to each of pre, shape (..., heads, post, pre)."""
        return torch.softmax(self._scores(queries, keys), dim=-1)

    def energy(self, pre: Tensor, post: Tensor) -> Tensor:
        """E of each sample, shape (batch,)."""
        scores = self._scores(self.queries(post), self.keys(pre))
        return -self.energy_weight / self._b * torch.logsumexp(scores, dim=-1).sum((-1, -2))

    def phase_contrast(
        self, pre: Response, post: Response, span: Tensor | float, factor: float = 1.0
    ) -> Tensor:
        """-factor (dE/dW(plus) - dE/dW(minus)) / (beta_plus - beta_minus), summed over the batch.

        Args:
            pre: Of the pre population; clamped where it has no slope.
            post: Of the post population.
            span: beta_plus - beta_minus of each sample, shape (batch, 1), or one for all.
            factor: Multiplies the result.

        Returns:
            Like the weight.
        """
        span = torch.as_tensor(span, dtype=post.mean.dtype).reshape(-1, 1)
        before, after = _both_phases(pre, span), _both_phases(post, span)
        q, k = self.queries(after), self.keys(before)
        a = self.attended(q, k)
        share = factor * self.energy_weight * torch.stack([1.0 / span, -1.0 / span]).unsqueeze(-1)
        of_query = _rows(_join(a @ k) * share).T @ _rows(_tokens(after, self._post_shape))
        of_key = _rows(_join(a.mT @ q) * share).T @ _rows(_tokens(before, self._pre_shape))
        return torch.cat([of_query, of_key], dim=1)

    def bound(self) -> None:
        """Bring the spectral norms of W_Q and of W_K down to the connector's `spectral_norm`."""
        if self._norm is not None:
            for matrix in (self.query_weight, self.key_weight):
                size = float(torch.linalg.matrix_norm(matrix, ord=2))
                if size > self._norm:
                    matrix.mul_(self._norm / size)

    def _split(self, joined: Tensor) -> Tensor:
        return joined.reshape(*joined.shape[:-1], self._heads, -1).transpose(-3, -2)

    def _scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        scores = self._b * (queries @ keys.mT)
        return scores if self._mask is None else scores + self._mask


def _join(heads: Tensor) -> Tensor:
    """(..., heads, tokens, key_width) to (..., tokens, heads * key_width)."""
    return heads.transpose(-3, -2).flatten(-2)


def _tokens(states: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(..., n) to (..., tokens, width)."""
    return states.reshape(*states.shape[:-1], *shape)


def _rows(states: Tensor) -> Tensor:
    return states.flatten(0, -2)


def _both_phases(response: Response, span: Tensor) -> Tensor:
    """States at beta_plus and beta_minus, shape (2, batch, n)."""
    if response.slope is None:
        return torch.stack([response.mean, response.mean])
    half = 0.5 * span * response.slope
    return torch.stack([response.mean + half, response.mean - half])
