"""Linear algebra is NumPy's, compiled, and its derivatives agree with differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import graphc as gc

Build = Callable[..., Any]

linalg: Any = gc.linalg
"""Without its types, which do not let bad arguments pass."""


def drawn(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def regular(*batch: int, size: int = 5, dtype: str = "float64") -> Any:
    """Matrices far from singular."""
    return (drawn(*batch, size, size) + 4 * np.eye(size)).astype(dtype)


def definite(*batch: int, size: int = 5, dtype: str = "float64") -> Any:
    x = drawn(*batch, size, size)
    return (x @ np.swapaxes(x, -1, -2) + np.eye(size)).astype(dtype)


def compiled(build: Build, *arrays: Any) -> Any:
    """What a function of tensors is worth, compiled."""
    tensors = [gc.input(f"x{i}", array.shape, array.dtype.name) for i, array in enumerate(arrays)]
    return gc.compile(tensors, build(*tensors))(*arrays)


def check(name: str, *arrays: Any, rtol: float = 1e-10, **options: Any) -> None:
    """NumPy's function and graphc's of the same name agree on arrays, in shapes and dtypes too,
    and NumPy's function takes tensors."""
    wanted = getattr(np.linalg, name)(*arrays, **options)
    found = compiled(lambda *x: getattr(np.linalg, name)(*x, **options), *arrays)
    agree(found, wanted, rtol)


def identities(like: Any) -> Any:
    """For each matrix of a stack the identity with as many columns."""
    size = like.shape[-1]
    return np.broadcast_to(np.eye(size), (*like.shape[:-2], size, size))


def agree(found: Any, wanted: Any, rtol: float = 1e-10) -> None:
    if isinstance(wanted, tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            agree(one, other, rtol)
        return
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    size = np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted))
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize(
    ("batch", "dtype", "rtol"),
    [((), "float64", 1e-12), ((3, 1), "float32", 1e-4), ((0,), "float64", 0.0)],
    ids=str,
)
def test_square_matrices(batch: tuple[int, ...], dtype: str, rtol: float) -> None:
    a = regular(*batch, dtype=dtype)
    for name in ("inv", "det", "slogdet", "svdvals", "cond", "matrix_rank"):
        if batch != (0,) or name != "cond":
            check(name, a, rtol=rtol)
    check("qr", a, rtol=rtol)
    check("cholesky", definite(*batch, dtype=dtype), rtol=rtol)
    check("eigvalsh", definite(*batch, dtype=dtype), rtol=rtol)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_small_matrices(size: int) -> None:
    a = regular(size=size)
    for name in ("inv", "det", "slogdet", "qr", "svdvals", "matrix_rank"):
        check(name, a)
    check("cholesky", definite(size=size))
    check("eigvalsh", definite(size=size))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 3), (3,)),
        ((3, 3), (3, 1)),
        ((3, 3), (3, 40)),
        ((2, 3, 3), (3,)),
        ((2, 3, 3), (3, 4)),
        ((3, 3), (2, 3, 4)),
        ((2, 1, 3, 3), (4, 3, 2)),
        ((2, 2, 2), (2, 2)),
        ((0, 3, 3), (3,)),
        ((0, 0), (0, 2)),
        ((1, 1), (1,)),
    ],
    ids=str,
)
def test_systems(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    *batch, size, _ = a
    matrix, right = regular(*batch, size=size), drawn(*b)
    check("solve", matrix, right)
    for options in ({}, {"lower": True}, {"trans": 1}, {"unit_diagonal": True, "trans": "T"}):
        lower = bool(options.get("lower"))
        triangle = np.tril(matrix) if lower else np.triu(matrix)
        if options.get("unit_diagonal"):
            triangle = triangle - triangle * np.eye(size) + np.eye(size)
        known = np.swapaxes(triangle, -1, -2) if "trans" in options else triangle
        found = compiled(
            lambda x, y, options=options: linalg.solve_triangular(x, y, **options), matrix, right
        )
        agree(found, np.linalg.solve(known, right))


@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (2, 3, 5), (3, 0), (0, 3)])
def test_factors_of_any_shape(shape: tuple[int, ...]) -> None:
    a = drawn(*shape)
    check("qr", a)
    check("qr", a, mode="r")
    check("pinv", a)
    check("svdvals", a)
    check("svd", a, compute_uv=False)
    check("matrix_rank", a)
    for full in (False, True):
        u, s, vh = compiled(lambda x, full=full: tuple(linalg.svd(x, full)), a)
        wanted: Any = np.linalg.svd(a, full)
        assert [part.shape for part in (u, s, vh)] == [part.shape for part in wanted]
        count = s.shape[-1]
        agree((u[..., :count] * s[..., None, :]) @ vh[..., :count, :], a)
        agree(np.swapaxes(u, -1, -2) @ u, identities(u))
    q, r = compiled(lambda x: tuple(linalg.qr(x, "complete")), a)
    wanted = np.linalg.qr(a, "complete")
    assert q.shape == wanted[0].shape
    agree(q @ r, a)
    agree(r, wanted[1])
    agree(np.swapaxes(q, -1, -2) @ q, identities(q))


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigenvectors(uplo: Any) -> None:
    a = drawn(2, 6, 6)
    values, vectors = compiled(lambda x: tuple(linalg.eigh(x, uplo)), a)
    wanted, columns = np.linalg.eigh(a, uplo)
    agree(values, wanted)
    agree(np.abs(vectors), np.abs(columns))
    most = np.argmax(np.abs(vectors), -2)
    assert (np.take_along_axis(vectors, most[..., None, :], -2) > 0).all()


@pytest.mark.parametrize("size", [1, 2, 10, 64])
def test_hard_symmetric_matrices(size: int) -> None:
    """Equal, clustered, far apart eigenvalues; zeros; large and small scale."""
    turn = np.linalg.qr(drawn(size, size))[0]
    x = gc.input("x", (size, size), "float64")
    step = gc.compile([x], (tuple(linalg.eigh(x)), tuple(linalg.svd(x))))
    spectra = [np.zeros(size), np.ones(size), np.arange(size) // 2, 10.0 ** -np.arange(size)]
    for spectrum in spectra:
        for scale in (1.0, 1e150, 1e-150):
            a = scale * (turn * spectrum) @ turn.T
            a = (a + a.T) / 2
            (values, vectors), (u, s, vh) = step(a)
            error = 1e-14 * size * max(np.max(np.abs(a)), 1e-300)
            np.testing.assert_allclose(values, np.linalg.eigvalsh(a), rtol=0, atol=10 * error)
            np.testing.assert_allclose(a @ vectors, vectors * values, rtol=0, atol=10 * error)
            np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), rtol=0, atol=1e-13 * size)
            np.testing.assert_allclose((u * s) @ vh, a, rtol=0, atol=10 * error)
            np.testing.assert_allclose(u.T @ u, np.eye(size), rtol=0, atol=1e-13 * size)


def test_only_one_triangle_is_read() -> None:
    a = definite()
    torn = np.where(np.tri(5, dtype=bool), a, np.nan)
    agree(compiled(linalg.cholesky, torn), np.linalg.cholesky(a))
    agree(compiled(linalg.eigvalsh, torn), np.linalg.eigvalsh(a))
    found = compiled(lambda x: linalg.cholesky(x, upper=True), torn.T.copy())
    agree(found, np.linalg.cholesky(a).T)
    found = compiled(lambda x: linalg.eigvalsh(x, "U"), torn.T.copy())
    agree(found, np.linalg.eigvalsh(a))


def test_least_squares() -> None:
    deficient = drawn(6, 2) @ drawn(2, 4, seed=1)
    for a in (drawn(6, 4), drawn(4, 6), drawn(4, 4), deficient):
        for b in (drawn(len(a), seed=2), drawn(len(a), 3, seed=2)):
            x, residuals, rank, s = compiled(lambda x, y: tuple(linalg.lstsq(x, y)), a, b)
            wanted = np.linalg.lstsq(a, b)
            agree(x, wanted[0])
            assert rank == wanted[2]
            np.testing.assert_allclose(s, wanted[3], atol=1e-13)
            if wanted[1].size:
                agree(residuals, wanted[1])
    agree(compiled(linalg.pinv, deficient), np.linalg.pinv(deficient))
    agree(compiled(lambda x: linalg.pinv(x, 0.5), drawn(4, 3)), np.linalg.pinv(drawn(4, 3), 0.5))
    agree(compiled(lambda x: linalg.matrix_rank(x, tol=2.0), drawn(4, 3)),
          np.linalg.matrix_rank(drawn(4, 3), tol=2.0))  # fmt: skip


@pytest.mark.parametrize("n", [-3, 1, 2, 7])
def test_powers(n: int) -> None:
    check("matrix_power", regular(2, size=3), n=n)
    if n > 0:
        check("matrix_power", np.arange(9).reshape(3, 3), n=n)


def test_power_0_is_the_identity(value: Any) -> None:
    a = gc.input("a", (2, 3, 3), "float64")
    agree(value(linalg.matrix_power(a, 0)), np.linalg.matrix_power(drawn(2, 3, 3), 0))


@pytest.mark.parametrize("p", [None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc"])
def test_conditions(p: Any) -> None:
    check("cond", regular(2), p=p)


def test_integers_become_f64() -> None:
    a = np.array([[4, 1], [2, 3]])
    for name in ("inv", "det", "qr", "cholesky", "eigvalsh", "pinv"):
        check(name, a)
    check("solve", a, np.array([1, 2]))
    check("solve", a.astype("float32"), np.array([1.0, 2.0]))


def test_16_bits_are_computed_in_32() -> None:
    a = regular(dtype="float16")
    found = compiled(lambda x: tuple(linalg.qr(x)), a)
    for one, other in zip(found, np.linalg.qr(a.astype("float32")), strict=True):
        assert one.dtype == np.float16
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)


def test_singular_and_indefinite_matrices_give_nan() -> None:
    singular = np.array([[1.0, 2], [2, 4]])
    assert not np.isfinite(compiled(linalg.inv, singular)).any()
    assert compiled(linalg.det, singular) == 0
    sign, logarithm = compiled(lambda x: tuple(linalg.slogdet(x)), singular)
    assert (sign, logarithm) == (0, -np.inf)
    pair = np.stack([np.eye(2), -np.eye(2)])
    factors = compiled(linalg.cholesky, pair)
    np.testing.assert_array_equal(factors, [np.eye(2), np.full((2, 2), np.nan)])


def test_debug_nans_names_the_singular_matrix() -> None:
    a = gc.input("a", (2, 2), "float64")
    for build, op in ((linalg.inv, "lu_solve"), (linalg.cholesky, "cholesky")):
        step = gc.compile([a], build(a), debug_nans=True)
        with pytest.raises(gc.errors.NonFiniteError, match=f"{op}.* made"):
            step(np.array([[-1.0, 2], [2, -4]]))


SMOOTH: dict[str, tuple[Build, tuple[Any, ...]]] = {
    "solve": (linalg.solve, (regular(2), drawn(5, 2))),
    "solve with a vector": (linalg.solve, (regular(2), drawn(5))),
    "triangular": (linalg.solve_triangular, (regular(), drawn(2, 5, 3))),
    "inv": (linalg.inv, (regular(2),)),
    "det": (linalg.det, (regular(2, size=3),)),
    "slogdet": (lambda a: linalg.slogdet(a).logabsdet, (regular(2),)),
    "cholesky": (linalg.cholesky, (definite(2),)),
    "upper": (lambda a: linalg.cholesky(a, upper=True), (definite(),)),
    "qr": (lambda a: sum(map(gc.sin, linalg.qr(a))), (regular(2),)),
    "tall qr": (lambda a: linalg.qr(a).Q @ linalg.qr(a).R.T, (drawn(5, 3),)),
    "wide qr": (lambda a: gc.sin(linalg.qr(a).R), (drawn(3, 5),)),
    "eigh": (lambda a: linalg.eigh(a)[1] @ linalg.eigh(a)[0], (definite(),)),
    "eigvalsh": (lambda a: linalg.eigvalsh(a, "U"), (definite(),)),
    "svd": (
        lambda a: gc.sin(linalg.svd(a, False).U) @ linalg.svd(a, False).Vh,
        (drawn(5, 3),),
    ),
    "wide svd": (lambda a: linalg.svd(a).U * linalg.svd(a).S, (drawn(3, 5),)),
    "pinv": (linalg.pinv, (drawn(5, 3),)),
    "pinv with equal singular values": (linalg.pinv, (np.eye(4, 3),)),
    "lstsq": (lambda a, b: linalg.lstsq(a, b).x, (drawn(5, 3), drawn(5))),
    "nuclear norm": (lambda a: linalg.norm(a, "nuc"), (drawn(5, 3),)),
    "cond": (linalg.cond, (regular(),)),
    "matrix_power": (lambda a: linalg.matrix_power(a, -3), (regular(size=3),)),
}


@pytest.mark.parametrize(("build", "arrays"), SMOOTH.values(), ids=list(SMOOTH))
def test_derivatives(build: Build, arrays: tuple[Any, ...]) -> None:
    gc.check_grad(build, arrays)


def test_second_derivatives_compiled() -> None:
    """Of log det: the gradient is the transposed inverse, the derivative along D of that
    -(a^-1 D a^-1)^T."""
    array, direction = regular(), drawn(5, 5, seed=1)
    a = gc.input("a", (5, 5), "float64")
    slope = gc.grad(linalg.slogdet(a).logabsdet, a)
    turned = gc.grad((slope * direction).sum(), a)
    along = gc.jvp(slope, a, gc.const(direction))
    found = gc.compile([a], (slope, turned, along))(array)
    inverse = np.linalg.inv(array)
    agree(found[0], inverse.T)
    agree(found[1], -(inverse @ direction @ inverse).T)
    agree(found[2], -(inverse @ direction @ inverse).T)


def test_factors_are_made_once() -> None:
    """Derivatives of a solution use the factors again, and those of a distribution Cholesky's."""
    a, b = gc.input("a", (5, 5)), gc.input("b", 5)
    x = linalg.solve(a, b)
    slope = gc.grad((x * x).sum(), a)
    twice = gc.grad((slope * slope).sum(), b)
    counts = {cost.op: cost.count for cost in gc.cost([x, slope, twice]).ops}
    assert counts["lu"] == 1


def test_vmap() -> None:
    a, b = regular(3), drawn(3, 5)
    agree(compiled(gc.vmap(linalg.solve), a, b), np.linalg.solve(a, b[..., None])[..., 0])
    agree(compiled(gc.vmap(linalg.det), a), np.linalg.det(a))


def test_what_is_refused() -> None:
    a, b = gc.input("a", (3, 4)), gc.input("b", 3)
    shape_error, attribute_error = gc.errors.ShapeError, gc.errors.AttributeValueError
    square = gc.input("s", (3, 3))
    for name in ("inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh"):
        with pytest.raises(shape_error, match=f"{name} takes square matrices") as caught:
            getattr(gc.linalg, name)(a)
        assert "a is f32[3,4]" in str(caught.value)
        with pytest.raises(shape_error, match=f"{name} takes matrices"):
            getattr(gc.linalg, name)(b)
    with pytest.raises(shape_error, match="solve takes square matrices"):
        linalg.solve(a, b)
    with pytest.raises(shape_error, match="3 rows"):
        linalg.solve(gc.input("m", (4, 4)), b)
    with pytest.raises(shape_error, match="cannot broadcast batch axes"):
        linalg.solve(gc.input("m", (2, 3, 3)), gc.input("n", (4, 3, 1)))
    with pytest.raises(shape_error, match="no scalar"):
        linalg.solve(square, 1.0)
    refused: Any = (
        lambda: linalg.qr(a, "full"),
        lambda: linalg.eigh(square, "both"),
        lambda: linalg.matrix_power(square, 0.5),
        lambda: linalg.matrix_rank(a, 1.0, rtol=1.0),
        lambda: linalg.solve_triangular(square, b, trans=3),
    )
    for build in refused:
        with pytest.raises(attribute_error):
            build()
    with pytest.raises(shape_error, match="cond of no elements"):
        linalg.cond(a[:0])


def test_scipy_reads_the_same_triangle() -> None:
    a, b = regular(), drawn(5, 2)
    choices: Any = ((0, False), (1, True), ("T", False))
    for trans, lower in choices:
        wanted = scipy.linalg.solve_triangular(a, b, trans=trans, lower=lower)
        found = compiled(
            lambda x, y, trans=trans, lower=lower: linalg.solve_triangular(x, y, trans, lower),
            a,
            b,
        )
        agree(found, wanted)
