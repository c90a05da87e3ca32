"""The Fourier basis is orthonormal, real and complete on any size; bands take images apart and put them together."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from notbugs.errors import NotbugsError
from notbugs.seeds import generator
from notbugs.shifts.fourier import (
    Band,
    all_frequencies,
    at_unit_variance,
    fourier_basis,
    half_plane,
    mirrored,
    parse_band,
)

SIZES = st.tuples(st.integers(2, 9), st.integers(2, 9))
SHAPES = st.sampled_from(["radial", "square"])


@settings(max_examples=40, deadline=None)
@given(size=SIZES)
def test_the_basis_is_orthonormal_and_complete(size):
    vectors = fourier_basis(all_frequencies(*size), *size).flatten(1)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(math.prod(size)), atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(size=SIZES, seed=st.integers(0, 99))
def test_parseval(size, seed):
    image = torch.rand(*size, generator=generator(seed))
    coefficients = fourier_basis(all_frequencies(*size), *size).flatten(1) @ image.flatten()
    torch.testing.assert_close(coefficients.square().sum(), image.square().sum(), rtol=1e-4, atol=0)


@settings(max_examples=40, deadline=None)
@given(size=SIZES)
def test_each_vector_has_one_frequency_and_its_mirror_image(size):
    frequencies = all_frequencies(*size)
    spectra = torch.fft.fft2(fourier_basis(frequencies, *size)).abs() > 1e-4
    for spectrum, own, other in zip(spectra, frequencies, mirrored(*size, frequencies), strict=True):
        there = {tuple(int(f) % n for f, n in zip(one, size, strict=True)) for one in (own, other)}
        assert {tuple(place) for place in spectrum.nonzero().tolist()} == there


@settings(max_examples=40, deadline=None)
@given(size=SIZES)
def test_half_the_plane_and_its_mirror_image_are_the_whole(size):
    half = half_plane(*size)
    both = torch.cat([half, mirrored(*size, half)]).unique(dim=0)
    assert torch.equal(both, all_frequencies(*size))
    selfmirrored = (mirrored(*size, half) == half).all(1).sum()
    assert 2 * len(half) - int(selfmirrored) == math.prod(size)


@settings(max_examples=60, deadline=None)
@given(size=SIZES, cut=st.floats(0.1, 6), shape=SHAPES, seed=st.integers(0, 99))
def test_low_and_high_are_the_identity_and_share_nothing(size, cut, shape, seed):
    images = torch.rand(2, 3, *size, generator=generator(seed))
    low, high = Band(0, cut, shape), Band(cut, math.inf, shape)
    torch.testing.assert_close(low.keep(images) + high.keep(images), images, atol=1e-6, rtol=0)
    torch.testing.assert_close(low.keep(high.keep(images)), torch.zeros_like(images), atol=1e-6, rtol=0)
    torch.testing.assert_close(low.keep(low.keep(images)), low.keep(images), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("shape", "diagonal_kept"), [("radial", False), ("square", True)])
def test_square_bands_reach_further_along_the_diagonal(shape, diagonal_kept):
    frequencies = torch.tensor([[0, 7], [7, 0], [7, 7]])
    waves = fourier_basis(frequencies, 32, 32)[:, None]
    kept = Band(0, 8, shape).keep(waves).flatten(1).norm(dim=1) > 0.5
    assert kept.tolist() == [True, True, diagonal_kept]


def test_a_band_of_an_oblong_image_holds_patterns_of_one_size():
    """Four pixels a cycle, along either side."""
    waves = fourier_basis(torch.tensor([[8, 0], [0, 16]]), 32, 64)[:, None]
    assert (Band(7.5, 8.5).keep(waves).flatten(1).norm(dim=1) > 0.99).all()


def test_what_a_model_is_shown_lies_in_the_box():
    images = torch.rand(4, 3, 16, 16, generator=generator(0))
    for text in ("low:3", "high:3", "band:2-6", "high-square:4"):
        shown = parse_band(text)(images)
        assert 0 <= float(shown.min()) <= float(shown.max()) <= 1
    assert abs(float(parse_band("high:3")(images).mean()) - 0.5) < 0.01


def test_shown_at_unit_variance():
    images = 0.5 + 0.001 * torch.randn(3, 3, 16, 16, generator=generator(0))
    shown = at_unit_variance(images, spread=0.1)
    torch.testing.assert_close(
        shown.flatten(1).std(1, correction=0), torch.full((3,), 0.1), rtol=0.02, atol=0
    )
    assert torch.equal(at_unit_variance(torch.full((1, 1, 4, 4), 0.3)), torch.full((1, 1, 4, 4), 0.5))


@pytest.mark.parametrize("text", ["low:8", "high:12", "band:4-10", "low-square:8", "band-square:2.5-16"])
def test_a_band_reads_what_it_writes(text):
    assert str(parse_band(text)) == text


@pytest.mark.parametrize(
    "text", ["low", "low:", "low:-3", "band:4", "high:4-8", "wide:3", "low:1.2.3", "radial:3"]
)
def test_no_band(text):
    with pytest.raises(NotbugsError, match="low:8"):
        parse_band(text)


@pytest.mark.parametrize("text", ["band:8-4", "band:4-4", "low:0"])
def test_a_band_has_a_width(text):
    with pytest.raises(NotbugsError, match="0 <= low < high"):
        parse_band(text)


def test_a_band_that_holds_nothing_of_the_images_is_refused():
    with pytest.raises(NotbugsError, match="high:500 holds nothing of images of 32 x 32 pixels"):
        parse_band("high:500")(torch.rand(1, 3, 32, 32))
