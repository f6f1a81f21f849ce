"""Numbers in the sentences that say why a point is asked for."""

import math

import numpy as np
import pytest

from skysteer.recommenders._wording import expected, written


@pytest.mark.parametrize(
    ("mean", "sd", "words"),
    [
        (38.04, 6.18, "38.0 ± 6.2"),
        (-3.217, 0.0899, "-3.217 ± 0.090"),
        (1234.5, 67.0, "1234 ± 67"),
        (51234.0, 1234.0, "51200 ± 1200"),
        (12398.41972, 0.0012, "12398.4197 ± 0.0012"),
        (38.0, 0.0996, "38.00 ± 0.10"),
        (-0.01, 4.2, "0.0 ± 4.2"),
        (0.0, 120.0, "0 ± 120"),
        (np.float64(38.0), np.float64(6.0), "38.0 ± 6.0"),
    ],
)
def test_the_mean_has_the_digits_of_its_standard_deviation(mean, sd, words):
    assert expected("det", mean, sd) == f"det = {words}"


@pytest.mark.parametrize(
    ("mean", "sd", "words"),
    [
        (1e12, 3e9, "(1.0000 ± 0.0030)e12"),
        (2.5e-9, 4e-10, "(2.50 ± 0.40)e-9"),
        (1e-300, 2e-301, "(1.00 ± 0.20)e-300"),
        (-1.7e308, 1e307, "(-1.70 ± 0.10)e308"),
        (5e-324, 5e-324, "(4.9 ± 4.9)e-324"),
        (38.0, 1e12, "(0.0 ± 1.0)e12"),
        (41.23456789, 1e-12, "41.234568 ± 1e-12"),
    ],
)
def test_numbers_of_any_size_stay_short(mean, sd, words):
    assert expected("det", mean, sd) == f"det = {words}"


@pytest.mark.parametrize("sd", [0.0, math.nan, -1.0])
def test_without_a_standard_deviation_the_mean_stands_alone(sd):
    assert expected("det", 41.5, sd) == "det = 41.5"


def test_what_is_no_number_is_said_as_it_is():
    assert expected("det", math.nan, 1.0) == "det = nan"
    assert expected("det", -math.inf, 1.0) == "det = -inf"
    assert expected("det", 41.5, math.inf) == "det = 41.5 ± inf"


@pytest.mark.parametrize(
    ("value", "sd", "words"),
    [
        (958.34, 24.0, "958.3"),
        (495.0, 120.0, "495"),
        (12345.0012, 0.046, "12345.001"),
        (218.18951, 0.0042, "218.1895"),
        (51234.0, 1200.0, "51234"),
        (-5.551e-17, 0.33, "0"),
        (1e-12, 0.15, "0"),
        (1e9 + 0.5, 9e-7, "1.0000000005e9"),
        (1.991e17, 5e16, "1.991e17"),
        (-1.028e17, 3.9e16, "-1.028e17"),
        (2345678.0, math.nan, "2.346e6"),
        (12345.6, math.nan, "12346"),
        (0.00123456, 0.0, "0.001235"),
        (7.0, math.inf, "7"),
        (-0.0, math.nan, "0"),
        (math.nan, 1.0, "nan"),
        (-math.inf, math.nan, "-inf"),
        (np.float64(2.5), np.float64(0.1), "2.5"),
    ],
)
def test_a_number_beside_what_is_expected_can_be_compared_with_it(value, sd, words):
    assert written(value, sd) == words


def test_numbers_beyond_all_digits_are_short_too():
    assert expected("det", 1e15, 0.15) == "det = 1e15 ± 0.15"
    assert expected("det", 1e9, 9.2e-7) == "det = 1e9 ± 9.2e-7"
    assert expected("det", 1234567.0, 0.0) == "det = 1.23457e6"
