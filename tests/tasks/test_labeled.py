"""Rows with labels: the digits and their folds as scikit-learn has them, and the two toy problems by their formulas."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold

from sostruct.errors import ConfigError
from sostruct.tasks import XOR, Digits, TwoSpirals
from sostruct.tasks.labeled import stratified_folds


def test_digits_and_folds_are_those_of_scikit_learn():
    images, labels = load_digits(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(images, labels)
    for fold, (learned, heldout) in enumerate(folds):
        task = Digits(fold).load()
        for frame, rows in ((task.frame, learned), (task.heldout, heldout)):
            np.testing.assert_array_equal(frame.to_numpy()[:, :-1] * 16.0, images[rows])
            np.testing.assert_array_equal(frame["label"], labels[rows])


@pytest.mark.parametrize(("folds", "seed"), [(2, 0), (3, 1), (7, 5)])
def test_folds_of_other_labels_too(folds, seed):
    labels = np.random.default_rng(seed).integers(4, size=83)
    found = stratified_folds(labels, folds, seed)
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels[:, None], labels)
    for fold, (_, heldout) in enumerate(splits):
        np.testing.assert_array_equal(np.flatnonzero(found == fold), heldout)


def test_a_fold_that_is_not_there_is_refused():
    for fold in (-1, 5, 1.5):
        with pytest.raises(ConfigError, match="fold"):
            Digits(fold)


def test_two_spirals_are_each_the_other_turned_by_half_a_turn():
    frame = TwoSpirals().load().frame
    one, other = (frame[frame["label"] == label][["x0", "x1"]].to_numpy() for label in (1, 0))
    np.testing.assert_allclose(one, -other)
    assert len(one) == 97
    np.testing.assert_allclose(np.hypot(*one.T), np.linspace(6.5, 6.5 * 8 / 104, 97))
    turns = np.unwrap(np.arctan2(one[:, 0], one[:, 1]))
    np.testing.assert_allclose(turns[-1] - turns[0], 6 * np.pi)


def test_exclusive_or():
    frame = XOR().load().frame
    assert (frame["label"] == (frame["x0"] != frame["x1"])).all()
    assert len(frame.drop_duplicates()) == 4
