"""Heat maps and spectral sensitivity against linear models, whose answers have closed forms."""

import pytest
import torch

from notbugs.audits import heat_map, spectral_sensitivity
from notbugs.audits.spectral import heat_frequencies, usual_norm
from notbugs.data.labeled import LabeledImages
from notbugs.errors import NotbugsError
from notbugs.models import build
from notbugs.seeds import generator
from notbugs.shifts import fourier_basis, half_plane, mirrored

SIZE, COUNT = (8, 9), 300


def linear(weights):
    """Two classes: the sign of <image - 1/2, weights>."""

    def classify(images):
        lead = ((images - 0.5) * weights).sum((1, 2, 3))
        return torch.stack([-lead, lead], dim=1)

    return classify


def images_along(direction, lead):
    """Grey images that `linear(direction)` gives class 1 by a lead of `lead`."""
    images = 0.5 + lead * direction / direction.square().sum()
    return LabeledImages(
        images=images.expand(COUNT, -1, -1, -1).contiguous(),
        labels=torch.ones(COUNT, dtype=torch.int64),
        class_names=("0", "1"),
    )


@pytest.mark.parametrize("row, column", [(1, 2), (3, 0), (0, 4), (0, 0), (-4, 1)])
def test_the_heat_map_of_a_linear_model_is_its_closed_form(row, column):
    """The model sees one vector of the basis, in every channel: adding it with random signs moves the lead by
    norm * (s1 + s2 + s3), so that one time in eight it falls by 3 norms, three in eight by one; adding any other
    vector moves nothing."""
    wave = fourier_basis(torch.tensor([[row, column]]), *SIZE)
    data, norm = images_along(wave.expand(3, -1, -1), lead=0.1), 0.06
    found = heat_map(linear(wave), data, norm=norm)
    own = torch.tensor([[row, column]])
    is_own = (found.frequencies == own).all(1) | (found.frequencies == mirrored(*SIZE, own)).all(1)
    assert int(is_own.sum()) == 1
    assert found.error_at(row, column).value == pytest.approx(1 / 8, abs=0.07)
    assert int(found.wrong[~is_own].sum()) == 0
    larger = heat_map(linear(wave), data, norm=0.2, frequencies=own)
    assert larger.error_at(row, column).value == pytest.approx(1 / 2, abs=0.1)


def test_a_random_linear_model_is_counted_as_by_hand():
    weights = torch.randn(3, *SIZE, generator=generator(0))
    images = torch.rand(40, 3, *SIZE, generator=generator(1)) * 0.2 + 0.4
    data = LabeledImages(images=images, labels=linear(weights)(images).argmax(1), class_names=("0", "1"))
    found = heat_map(linear(weights), data, norm=0.3, seed=5)
    for frequency, wrong in zip(found.frequencies[::7], found.wrong[::7], strict=True):
        wave = fourier_basis(frequency[None], *SIZE)[0]
        heads = torch.rand(40, 3, 1, 1, generator=generator(5, "heat map", *frequency.tolist())) < 0.5
        shown = (images + 0.3 * torch.where(heads, 1.0, -1.0) * wave).clamp(0, 1)
        assert int((linear(weights)(shown).argmax(1) != data.labels).sum()) == int(wrong)


def test_the_map_is_whole_and_symmetric():
    data = images_along(torch.ones(3, *SIZE), lead=0.1)
    found = heat_map(build("convnet-8-8-8-8", classes=2, seed=0), data.first(5), norm=2.0)
    assert found.map().shape == SIZE
    assert not bool(found.map().isnan().any())
    assert float(found.map()[4, 4]) == found.error_at(0, 0).value
    inner = found.map()[1:]  # rows -3 to 3
    assert torch.equal(inner, inner.flip(0, 1))
    assert set(found.by_radius()) == {0, 1, 2, 3, 4, 5}  # cycles across count 8 / 9: they are wider


def test_coarse_maps_have_every_so_manieth_frequency():
    data = images_along(torch.ones(3, *SIZE), lead=0.1)
    whole = heat_map(build("convnet-8-8-8-8", classes=2, seed=0), data, norm=2.0)
    coarse = heat_map(build("convnet-8-8-8-8", classes=2, seed=0), data, norm=2.0, step=2, reach=3)
    assert coarse.map().shape == (3, 3)
    for row, column in ((0, 0), (2, 0), (2, -2), (0, 2)):
        assert coarse.error_at(row, column) == whole.error_at(row, column)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (10, 6)])
def test_one_vector_of_each_pair(size):
    chosen = heat_frequencies(*size)
    both = {tuple(one) for one in torch.cat([chosen, mirrored(*size, chosen)]).tolist()}
    assert len(both) == size[0] * size[1]
    assert torch.equal(chosen, half_plane(*size))


def test_the_usual_norms_are_the_published_ones():
    assert usual_norm(32, 32) == pytest.approx(4)
    assert usual_norm(224, 224) == pytest.approx(15.7)


def test_the_sensitivity_of_a_linear_model_is_the_spectrum_of_its_weights():
    weights = torch.randn(3, *SIZE, generator=generator(0))
    data = images_along(weights, lead=0.1)
    expected = 2 * torch.fft.fft2(weights, norm="ortho").abs().square().sum(0).sqrt()
    found = spectral_sensitivity(linear(weights), data)
    torch.testing.assert_close(found, torch.fft.fftshift(expected), rtol=1e-4, atol=1e-5)
    # Parseval: all frequencies together are the length of the gradient.
    torch.testing.assert_close(found.square().sum(), 4 * weights.square().sum(), rtol=1e-4, atol=0)


def test_a_norm_of_nothing_is_refused():
    with pytest.raises(NotbugsError, match="norm must be positive"):
        heat_map(linear(torch.ones(3, *SIZE)), images_along(torch.ones(3, *SIZE), 0.1), norm=0.0)
