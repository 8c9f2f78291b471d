"""Products of float32 matrices with their factors rounded to bfloat16, where the CPU has units for that.

oneDNN rounds the two factors inside the product (8 bits, relative error 2^-9) and sums in float32, so that
weights, states and traces stay float32 and nothing is converted beside it. A CPU without such units computes
in float32 as ever.
"""

import torch

LEAST_SYNAPSES = 2**16
"""A smaller matrix is as fast in float32: 64 rows times 128 x 256 took 34 us in both, times 256 x 256 41 and
60, on a Xeon with AMX. Below it oneDNN's own 20 us a call decide."""

_matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # torch puts it there while it is imported


class InBfloat16:
    """Products within are rounded; the setting is the whole process's, and set back."""

    def __enter__(self) -> bool:
        """Set torch's precision of float32 products on CPUs; gives True, products are rounded."""
        self._before = _matmul.fp32_precision
        _matmul.fp32_precision = "bf16"
        return True

    def __exit__(self, *failure: object) -> None:
        """Set it back."""
        _matmul.fp32_precision = self._before
