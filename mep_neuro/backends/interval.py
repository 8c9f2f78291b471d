"""How far an accuracy measured on few samples can be off."""

import math

_Z_95 = 1.959963984540054  # the standard normal's 97.5 % quantile


def interval(correct: int, samples: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion.

    Args:
        correct: Samples classified correctly.
        samples: All samples, at least one.

    Returns:
        Lower and upper end, fractions of 1.

    Raises:
        ValueError: There are no samples, or `correct` is not from 0 to `samples`.

    Source: Wilson 1927, Journal of the American Statistical Association 22, 209-212; recommended for
        small samples by Brown, Cai and DasGupta 2001, Statistical Science 16, 101-133.
    """
    if samples < 1 or not 0 <= correct <= samples:
        raise ValueError(f"interval: {correct} correct of {samples} samples; give 0 <= correct <= samples")
    share, z2 = correct / samples, _Z_95**2
    centre = (share + z2 / (2 * samples)) / (1 + z2 / samples)
    half = _Z_95 * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples**2)) / (1 + z2 / samples)
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == samples else centre + half
    return low, high
