import pytest

from evaluation.significance import sign_test


@pytest.mark.parametrize(
    ("rises", "falls", "p"), [(10, 0, 2 / 1024), (8, 2, 0.109375), (2, 8, 0.109375), (5, 5, 1.0), (1, 0, 1.0)]
)
def test_p_is_that_of_the_tables(rises, falls, p):
    first = [0.0] * rises + [1.0] * falls + [0.5] * 7
    second = [1.0] * rises + [0.0] * falls + [0.5] * 7
    assert sign_test(first, second) == pytest.approx(p)


def test_twins_and_nothing_tie():
    assert sign_test([0.1, 0.2], [0.1, 0.2]) == 1 == sign_test([], [])


def test_many_questions_stay_exact():
    count = 2000
    p = sign_test([0.0] * count, [1.0] * 1100 + [-1.0] * 900)
    assert p == pytest.approx(8.45709e-6, rel=1e-5)  # scipy.stats.binomtest(1100, 2000).pvalue
