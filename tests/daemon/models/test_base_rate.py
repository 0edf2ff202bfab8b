"""The base rate: Laplace's rule over every label so far."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.models.base_rate import BaseRate
from tests.daemon.labels.markets import cuts
from tests.daemon.models.samples import batch_of, part_of, random_batch


@given(st.data(), st.integers(0, 1000))
def test_any_chunking_and_any_restart_gives_the_same_bits(data: st.DataObject, seed: int) -> None:
    batch = random_batch(seed, 30)
    expected = BaseRate().run(batch)
    one, parts = BaseRate(), []
    for first, last in pairwise(data.draw(cuts(30))):
        parts.append(one.run(part_of(batch, first, last)))
        one = one.restored(one.to_fields())
    np.testing.assert_array_equal(np.concatenate(parts), expected)


@given(st.integers(0, 1000))
def test_it_states_the_frequencies_of_the_labels_matured_by_then(seed: int) -> None:
    batch = random_batch(seed, 20)
    said = np.exp(BaseRate().run(batch))
    for minute, p in zip(batch.row_minute, said, strict=True):
        seen = batch.matured_label[batch.matured_at <= minute]
        expected = [(np.sum(seen == move) + 1) / (len(seen) + 3) for move in (0, 1, 2)]
        np.testing.assert_allclose(p, expected, rtol=1e-12)


def test_before_any_label_it_knows_nothing() -> None:
    none = np.zeros((0, 0))
    said = BaseRate().run(batch_of(1, ([0], np.zeros((1, 0))), ([], none, [])))
    np.testing.assert_allclose(np.exp(said), 1 / 3)
    assert BaseRate().run(batch_of(0, ([], none), ([], none, []))).shape == (0, 3)
