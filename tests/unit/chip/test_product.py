import numpy as np
import pytest
from scipy.sparse import csr_matrix

from mep_neuro.chip.product import exact_product


def weights(size: int, fill: float, seed: int = 0) -> csr_matrix:
    rng = np.random.default_rng(seed)
    dense = rng.integers(-128, 128, (size, size)) * 2 * (rng.random((size, size)) < fill)
    return csr_matrix(dense.astype(np.int32))


@pytest.mark.parametrize("fill", [0.01, 0.5, 1.0])  # the sparse and the dense way
@pytest.mark.parametrize("largest", [1, 255, 2**15, 2**22])  # float32, float64, sums beyond 2^31
@pytest.mark.parametrize("sending", [0.0, 0.05, 1.0])
def test_products_are_exact(fill, largest, sending):
    weight, rng = weights(64, fill), np.random.default_rng(1)
    m = rng.integers(-largest, largest + 1, (9, 64)) * (rng.random((9, 64)) < sending)
    expected = (weight.astype(np.int64) @ m.T).T.astype(np.int32)  # modulo 2^32
    found = exact_product(weight)(m.astype(np.int32))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)


def test_float32_alone_would_not_do():
    weight, m = weights(400, 1.0), np.full((1, 400), 2**18 + 1, dtype=np.int32)
    exact = (weight.astype(np.int64) @ m.T.astype(np.int64)).T
    single = (m.astype(np.float32) @ weight.toarray().T.astype(np.float32)).astype(np.int64)
    assert (single != exact).any()
    np.testing.assert_array_equal(exact_product(weight)(m), exact.astype(np.int32))


def test_float32_ends_where_its_integers_do():
    one = csr_matrix(np.array([[1]], dtype=np.int32))
    for value in (2**24 - 1, 2**24, 2**24 + 1):  # the last is no float32
        assert exact_product(one)(np.array([[value]], dtype=np.int32)).item() == value
