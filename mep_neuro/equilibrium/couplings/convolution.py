"""Convolutions with average pooling."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d
from torch.nn.grad import conv2d_weight

from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.topology.convolution import convolution_shape
from mep_neuro.topology.spec import Conv2d


class ConvolutionCoupling(PairCoupling):
    """The mean over squares of a convolution, and its exact adjoint.

    Convolution and mean are linear, so together they are one convolution: its kernel is the weight
    spread over the square, of side kernel + (pool - 1) stride, and its step is stride times pool. With
    a 3 x 3 kernel and squares of 2 it takes 16 / 36 of the products, and no image of full size.
    """

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weight and the sizes of the images."""
        super().__init__(projection, network, dtype)
        pre, post = network.populations[projection.pre].shape, network.populations[projection.post].shape
        connector = network.spec.projections[projection.name].connector
        assert isinstance(connector, Conv2d)
        self.shape = shape = convolution_shape(connector, pre, post)
        self._step = shape.stride * shape.pool
        self._image = (shape.in_channels, *shape.image)
        self._pooled = (shape.out_channels, *shape.pooled)
        side = (shape.pool - 1) * shape.stride + 1
        self._square = torch.zeros(1, 1, side, side, dtype=dtype)
        self._square[:, :, :: shape.stride, :: shape.stride] = 1.0 / shape.pool**2
        covered = [(n - 1) * self._step + shape.kernel + side - 1 - 2 * shape.padding for n in shape.pooled]
        self._beyond = [n - c for n, c in zip(shape.image, covered, strict=True)]
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh the kernels of both ways."""
        self._kernel = self._spread(self.weight)
        fixed = self.feedback_weight
        self._kernel_back = self._kernel if fixed is None else self._spread(fixed)

    def push(self, weight: Tensor, pre: Tensor) -> Tensor:
        """The mean over squares of the convolution, shape (..., n_post)."""
        images = pre.reshape(-1, *self._image)
        out = conv2d(images, self._of(weight), stride=self._step, padding=self.shape.padding)
        return out.reshape(*pre.shape[:-1], self.post_size)

    def pull(self, weight: Tensor, post: Tensor) -> Tensor:
        """Each unit to all that it is a mean of, by the transposed convolution; shape (..., n_pre)."""
        images = post.reshape(-1, *self._pooled)
        out = conv_transpose2d(
            images,
            self._of(weight),
            stride=self._step,
            padding=self.shape.padding,
            output_padding=self._beyond,
        )
        return out.reshape(*post.shape[:-1], self.pre_size)

    def product(self, pre: Tensor, post: Tensor) -> Tensor:
        """Products of the two ends of every weight, summed over places and batch."""
        total: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]  # torch leaves it untyped
            pre.reshape(-1, *self._image),
            list(self._kernel.shape),
            post.reshape(-1, *self._pooled),
            stride=self._step,
            padding=self.shape.padding,
        )
        return self._gathered(total)

    def _of(self, weight: Tensor) -> Tensor:
        return self._kernel if weight is self.weight else self._kernel_back

    def _spread(self, weight: Tensor) -> Tensor:
        """The kernel of convolution and mean together, from the weight."""
        if self.shape.pool == 1:
            return weight
        kernels = weight.reshape(-1, 1, self.shape.kernel, self.shape.kernel)
        return conv_transpose2d(kernels, self._square).reshape(*weight.shape[:2], *self._side)

    def _gathered(self, total: Tensor) -> Tensor:
        """The adjoint of `_spread`."""
        if self.shape.pool == 1:
            return total
        kernels = total.reshape(-1, 1, *self._side)
        return conv2d(kernels, self._square).reshape(self.weight.shape)

    @property
    def _side(self) -> tuple[int, int]:
        side = self.shape.kernel + self._square.shape[-1] - 1
        return side, side
