import random

import pytest

from evaluation.bootstrap import RESAMPLES, Series, draw_again, interval


def test_a_mean_is_totals_over_weights():
    assert Series([6.0, 1.0], [3.0, 1.0]).mean == 7 / 4
    assert Series.of([1.0, 0.0, 0.0, 1.0]).mean == 0.5
    assert Series([6.0, 1.0], [3.0, 1.0]).resampled([[0, 0], [1, 1], [0, 1]]) == [2.0, 1.0, 7 / 4]


def test_draws_are_the_same_for_the_same_seed():
    draws = draw_again(5, seed=3)
    assert draws == draw_again(5, seed=3) != draw_again(5, seed=4)
    assert len(draws) == RESAMPLES and all(len(draw) == 5 and set(draw) <= set(range(5)) for draw in draws)


def test_the_interval_is_the_middle_95_percent():
    assert interval(random.Random(0).sample(range(2000), 2000)) == (50, 1949)


def test_the_interval_of_a_share_is_near_the_textbooks():
    share, count = 0.7, 400
    series = Series.of([1.0] * 280 + [0.0] * 120)
    low, high = interval(series.resampled(draw_again(count, seed=1)))
    half = 1.96 * (share * (1 - share) / count) ** 0.5
    assert low == pytest.approx(share - half, abs=0.008) and high == pytest.approx(share + half, abs=0.008)
