"""The judges of spectra: enough when nothing new comes."""

import math

import numpy as np
import pytest

from skysteer.errors import FieldError
from skysteer.model import Observation, Verdict
from skysteer.protocols import Judge
from skysteer.testing import check_judge
from skysteer.watchdog.judges.spectra import Cluster, Decomposition

CHANNELS = np.linspace(0, 1, 50)
PURE = [np.exp(-0.5 * ((CHANNELS - centre) / 0.05) ** 2) for centre in (0.2, 0.5, 0.8)]


def observed(spectrum, number=1):
    return Observation(
        run="run", stream="primary", seq_num=number, time=float(number), axes={}, data={"xrd": np.asarray(spectrum)}
    )


def mixtures(count, phases, seed=0, noise=0.005):
    """Spectra of varying brightness, each of one of the first phases."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield rng.uniform(1, 5) * (PURE[number % phases] + noise * rng.normal(size=50))


def answers(judge, spectra):
    return [judge(observed(spectrum, number)) for number, spectrum in enumerate(spectra, 1)]


def first(judge, spectra):
    """The number of the first spectrum after which it is enough."""
    said = [answer is not None for answer in answers(judge, spectra)]
    return said.index(True) + 1 if any(said) else None


MAKE = {
    "decomposition": lambda **options: Decomposition("xrd", **{"points": 5, **options}),
    "cluster": lambda **options: Cluster("xrd", **{"points": 5, **options}),
}


@pytest.fixture(params=MAKE)
def name(request):
    return request.param


class TestBoth:
    def test_enough_when_nothing_new_has_come_for_so_many_spectra(self, name):
        assert first(MAKE[name](), mixtures(40, 3)) in range(8, 13)
        assert first(MAKE[name](points=20), mixtures(60, 3)) in range(23, 30)

    def test_the_verdict_says_why(self, name):
        answer = answers(MAKE[name](), mixtures(20, 3))[-1]
        assert answer.verdict is Verdict.ENOUGH
        assert "the last 5 spectra of xrd" in answer.reason

    def test_a_new_phase_starts_the_count_again(self, name):
        spectra = [*mixtures(12, 2), PURE[2], *mixtures(30, 3, seed=1)]
        judge = MAKE[name](points=12)
        found = first(judge, spectra)
        assert found is None or found >= 12 + 12

    def test_brightness_does_not_count(self, name):
        spectra = [spectrum * 10.0**n for n, spectrum in enumerate(mixtures(20, 3))]
        assert first(MAKE[name](), spectra) in range(8, 13)

    def test_what_is_not_finite_is_passed_over(self, name):
        spectra = []
        for spectrum in mixtures(40, 3):
            spectra += [spectrum, np.full(50, math.nan), np.zeros(50)]
        plain = first(MAKE[name](), mixtures(40, 3))
        assert first(MAKE[name](), spectra) == 3 * plain - 2

    def test_an_image_is_a_spectrum_too(self, name):
        judge = MAKE[name]()
        assert any(judge(observed(spectrum.reshape(5, 10), 1)) for spectrum in mixtures(20, 3))

    def test_a_spectrum_of_another_length_is_refused(self, name):
        judge = MAKE[name]()
        judge(observed(PURE[0]))
        with pytest.raises(ValueError, match=r"49 values in observation 2 .* and 50 in those before"):
            judge(observed(PURE[0][1:], 2))

    def test_a_number_is_no_spectrum(self, name):
        with pytest.raises(TypeError, match="expected a spectrum"):
            MAKE[name]()(observed(3.0))

    def test_it_is_missing(self, name):
        with pytest.raises(FieldError, match="no 'xrd'"):
            MAKE[name]()(Observation(run="run", stream="primary", seq_num=1, time=0.0, axes={}))

    def test_reset_makes_it_as_new(self, name):
        judge = MAKE[name]()
        once = first(judge, mixtures(20, 3))
        judge.reset()
        assert first(judge, mixtures(20, 3)) == once

    def test_it_keeps_every_promise(self, name):
        series = [observed(spectrum, n) for n, spectrum in enumerate(mixtures(9, 3), 1)]
        check_judge(lambda: MAKE[name](points=3), series)
        assert isinstance(MAKE[name](), Judge)


class TestDecomposition:
    def test_it_waits_for_spectra_that_are_explained_well_enough(self):
        noisy = list(mixtures(60, 3, noise=0.1))
        assert first(MAKE["decomposition"](explained=0.7), noisy) is not None
        assert first(MAKE["decomposition"](explained=0.999), noisy) is None

    def test_mixtures_of_what_is_known_are_nothing_new(self):
        rng = np.random.default_rng(0)
        spectra = [*PURE, *(rng.dirichlet([1, 1, 1]) @ np.array(PURE) for _ in range(5))]
        assert first(MAKE["decomposition"](), spectra) == 8

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"components": 0}, "components must be a whole number from 1 on"),
            ({"points": 0}, "points must be a whole number"),
            ({"explained": 1.0}, "explained must be above 0 and below 1"),
        ],
    )
    def test_what_cannot_be(self, options, words):
        with pytest.raises(ValueError, match=words):
            Decomposition("xrd", **options)


class TestCluster:
    def test_more_clusters_than_there_are_do_not_come_to_rest_soon(self):
        few, many = (first(MAKE["cluster"](clusters=clusters), mixtures(40, 3)) for clusters in (3, 6))
        assert few is not None
        assert many is None or many > few

    def test_no_opinion_while_there_are_fewer_spectra_than_clusters(self):
        assert first(MAKE["cluster"](), [PURE[n % 2] for n in range(40)]) is None

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"clusters": 1}, "clusters must be a whole number from 2 on"),
            ({"changed": 1.0}, "changed must be from 0 on and below 1"),
            ({"seed": -1}, "seed must be a whole number from 0 on"),
        ],
    )
    def test_what_cannot_be(self, options, words):
        with pytest.raises(ValueError, match=words):
            Cluster("xrd", **options)
