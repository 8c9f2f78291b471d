"""The sizes of a convolution with average pooling."""

from dataclasses import dataclass

from mep_neuro.topology.spec import Conv2d


@dataclass(frozen=True)
class ConvolutionShape:
    """A convolution from [in_channels, *image] to [out_channels, *pooled].

    Attributes:
        in_channels: Channels before.
        image: Height and width before.
        out_channels: Channels after.
        kernel: Side of the kernel.
        stride: Step of the kernel.
        padding: Zeros around the image, on each side.
        pool: Side of the squares whose mean is taken after the convolution; 1 for none.
    """

    in_channels: int
    image: tuple[int, int]
    out_channels: int
    kernel: int
    stride: int
    padding: int
    pool: int

    @property
    def convolved(self) -> tuple[int, int]:
        """Height and width after the convolution, before the pooling; below 1 where it does not fit."""
        height, width = ((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in self.image)
        return height, width

    @property
    def pooled(self) -> tuple[int, int]:
        """Height and width after the pooling."""
        return self.convolved[0] // self.pool, self.convolved[1] // self.pool

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out_channels, in_channels, kernel, kernel)."""
        return self.out_channels, self.in_channels, self.kernel, self.kernel


def channels_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """[channels, height, width] of a population; [height, width] is one channel."""
    channels, height, width = shape if len(shape) == 3 else (1, *shape)
    return channels, height, width


def convolution_shape(connector: Conv2d, pre: tuple[int, ...], post: tuple[int, ...]) -> ConvolutionShape:
    """The sizes of a convolution between populations of two or three axes."""
    in_channels, *image = channels_of(pre)
    return ConvolutionShape(
        in_channels=in_channels,
        image=(image[0], image[1]),
        out_channels=channels_of(post)[0],
        kernel=connector.kernel,
        stride=connector.stride,
        padding=padding_of(connector),
        pool=connector.pool,
    )


def padding_of(connector: Conv2d) -> int:
    """Zeros on each side: 'same' keeps the size at stride 1, 'valid' adds none."""
    if isinstance(connector.padding, int):
        return connector.padding
    return (connector.kernel - 1) // 2 if connector.padding == "same" else 0
