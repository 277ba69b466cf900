from __future__ import annotations

import numpy as np

from dwindle.data.kept import kept


def counting():
    calls = []

    @kept
    def total(values, power=1):
        calls.append(power)
        return float((values**power).sum())

    return total, calls


def test_an_array_of_the_same_content_is_not_asked_about_again():
    total, calls = counting()
    assert [total(np.arange(4.0)), total(np.arange(4.0))] == [6.0, 6.0]
    assert total(np.arange(8.0)[::2]) == 12.0
    assert len(calls) == 2


def test_other_settings_shapes_and_types_are_other_questions():
    total, calls = counting()
    values = np.arange(4.0)
    found = [total(values), total(values, power=2), total(values.reshape(2, 2)), total(values.view(np.int64))]
    assert found[:3] == [6.0, 14.0, 6.0]
    assert len(calls) == 4


def test_only_the_last_few_answers_are_kept_until_all_are_forgotten():
    total, calls = counting()
    for size in (1, 2, 3, 4, 1, 5, 1):
        total(np.ones(size))
    assert len(calls) == 5
    total(np.ones(2))  # went when the fifth came
    assert len(calls) == 6
    total.forget()
    total(np.ones(1))
    assert len(calls) == 7
