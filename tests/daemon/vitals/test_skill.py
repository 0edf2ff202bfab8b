"""Skill agrees with independent oracles, is the same for any chunking, and keeps catch-up apart."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import log_loss

from daemon.labels import Matured
from daemon.vitals.baselines import Baselines
from daemon.vitals.skill import Skill, SkillFigures

NAMES = ("trees", "online", "blend")
Make = Callable[..., Any]


def skill_of(run: Any, window: int = 1440) -> Skill:
    return Skill(NAMES, run.n_instruments, run.horizon, run.span, window)


def played(run: Any, cuts: list[int] | None = None, *, restart: bool = False) -> Skill:
    skill = skill_of(run)
    bounds = [0, *sorted(cuts or []), run.n_minutes]
    for first, end in pairwise(bounds):
        skill.update(*run.cut(first, end))
        if restart:
            skill = skill_of(run).restored(skill.to_fields())
    return skill


def same(a: object, b: object) -> bool:
    """Whether two pieces of plain data are equal to the last bit."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


@given(
    seed=st.integers(0, 20),
    n_instruments=st.sampled_from([1, 6]),
    cuts=st.lists(st.integers(0, 200), max_size=9),
    restart=st.booleans(),
)
def test_any_chunking_and_restart_gives_the_same_bits(
    judged: Make, seed: int, n_instruments: int, cuts: list[int], restart: bool
) -> None:
    run = judged(seed, n_instruments=n_instruments, horizon=3, catch_up=40)
    assert same(played(run).to_fields(), played(run, cuts, restart=restart).to_fields())


@pytest.mark.parametrize("n_instruments", [1, 6])
def test_minute_by_minute_is_the_same_as_at_once(judged: Make, n_instruments: int) -> None:
    run = judged(1, n_instruments=n_instruments, horizon=3)
    assert same(played(run).to_fields(), played(run, list(range(1, 200))).to_fields())


def test_the_baselines_know_only_what_had_matured_at_the_decision(judged: Make) -> None:
    run = judged(2)
    m = run.matured
    rows = Baselines(run.span, run.n_instruments).judge(0, run.n_minutes, m, run.known)
    for j in range(len(m)):
        known = [k for k in range(len(m)) if m.at[k] <= m.decided[j] and run.known[k]]
        counts = Counter({0: 1, 1: 1, 2: 1}) + Counter(m.label[known].tolist())
        shares = [counts[c] / sum(counts.values()) for c in range(3)]
        assert np.exp(rows.logp[j]) == pytest.approx(shares)
        assert rows.majority[j] == (max(range(3), key=lambda c: (counts[c], -c)) == m.label[j])
        own = [k for k in known if m.instrument[k] == m.instrument[j]]
        assert rows.last[j] == (bool(own) and m.label[own[-1]] == m.label[j])


def test_skill_is_the_difference_of_two_log_losses_and_the_sum_of_its_parts(judged: Make) -> None:
    run = judged(3)
    m, known = run.matured, run.known
    base = Baselines(run.span, run.n_instruments).judge(0, run.n_minutes, m, run.known)
    (trees, online, _) = played(run).figures()
    minutes = np.unique(m.at[known])
    by_minute = []
    for minute in minutes:
        rows = known & (m.at == minute)
        label = m.label[rows]
        ours, theirs = np.exp(run.said[rows, 0]), np.exp(base.logp[rows])
        by_minute.append(log_loss(label, theirs, labels=[0, 1, 2]) - log_loss(label, ours, labels=[0, 1, 2]))
    assert trees.skill == pytest.approx(np.mean(by_minute), rel=1e-9)
    assert trees.minutes == len(minutes)
    assert trees.rows == int(known.sum())
    assert trees.skill_interval is not None
    assert trees.move is not None
    assert trees.direction is not None
    assert trees.skill_interval.mean == pytest.approx(trees.skill)
    assert trees.move.mean + trees.direction.mean == pytest.approx(trees.skill)
    assert online.rows == int((known & ~np.isnan(run.said[:, 1, 0])).sum())


def test_the_parts_are_the_losses_of_flat_or_not_and_of_up_or_down(judged: Make) -> None:
    run = judged(4)
    m, known = run.matured, run.known
    base = Baselines(run.span, run.n_instruments).judge(0, run.n_minutes, m, run.known)

    def parts(logp: np.ndarray, label: int) -> tuple[float, float]:
        down, flat, up = np.exp(logp)
        if label == 1:
            return -math.log(flat), 0.0
        return -math.log(1 - flat), -math.log((up if label == 2 else down) / (up + down))

    ours = np.array([parts(*pair) for pair in zip(run.said[known, 0], m.label[known], strict=True)])
    theirs = np.array([parts(*pair) for pair in zip(base.logp[known], m.label[known], strict=True)])
    at = m.at[known]
    expected = np.mean([(theirs - ours)[at == minute].mean(axis=0) for minute in np.unique(at)], axis=0)
    trees = played(run).figures()[0]
    assert trees.move is not None
    assert trees.direction is not None
    assert [trees.move.mean, trees.direction.mean] == pytest.approx(expected.tolist(), rel=1e-9)


def test_accuracy_stands_beside_three_baselines_and_the_hit_rate_counts_moves_only(judged: Make) -> None:
    run = judged(5)
    m, known = run.matured, run.known
    base = Baselines(run.span, run.n_instruments).judge(0, run.n_minutes, m, run.known)
    trees: SkillFigures = played(run).figures()[0]
    at, label = m.at[known], m.label[known]
    p = np.exp(run.said[known, 0])

    def mean(values: np.ndarray, chosen: np.ndarray | None = None) -> float:
        rows = np.ones(len(at), dtype=bool) if chosen is None else chosen
        minutes = np.unique(at[rows])
        return float(np.mean([values[rows & (at == minute)].mean() for minute in minutes]))

    own_class = np.take_along_axis(np.exp(base.logp[known]), label[:, None].astype(int), 1)[:, 0]
    assert trees.accuracy == pytest.approx(mean(p.argmax(axis=1) == label))
    assert trees.majority == pytest.approx(mean(base.majority[known]))
    assert trees.last == pytest.approx(mean(base.last[known]))
    assert trees.base_rate == pytest.approx(mean(own_class))
    assert trees.over_majority is not None
    assert trees.over_majority.mean == pytest.approx(trees.accuracy - trees.majority)
    assert trees.hit_rate is not None
    assert trees.hit_rate.mean == pytest.approx(mean((p[:, 2] > p[:, 0]) == (label == 2), label != 1))


def test_across_five_instruments_or_more_the_ic_is_taken_minute_by_minute(judged: Make) -> None:
    run = judged(6, n_instruments=9)
    m, known = run.matured, run.known
    score = np.exp(run.said[:, 0, 2]) - np.exp(run.said[:, 0, 0])
    found = []
    for minute in range(run.n_minutes):
        rows = known & (m.at == minute)
        if rows.sum() >= 5:
            found.append(spearmanr(score[rows], m.ret[rows])[0])
    ic = played(run).figures()[0].ic
    assert ic is not None
    assert ic.mean == pytest.approx(np.mean(found), rel=1e-9)
    assert ic.above_zero


def test_with_fewer_the_ic_is_taken_over_time_block_by_block(judged: Make) -> None:
    run = judged(7, n_minutes=600, n_instruments=2, horizon=2)
    m, known = run.matured, run.known
    score = np.exp(run.said[:, 0, 2]) - np.exp(run.said[:, 0, 0])
    block = 24 * run.horizon
    found = []
    for start in range(0, run.n_minutes - block + 1, block):
        rows = known & (m.at >= start) & (m.at < start + block)
        found.append(spearmanr(score[rows], m.ret[rows])[0])
    ic = played(run).figures()[0].ic
    assert ic is not None
    assert ic.mean == pytest.approx(np.mean(found), rel=1e-9)


@pytest.mark.parametrize("n_instruments", [1, 6])
def test_the_base_rate_has_no_ic_for_it_would_be_ranked_against_its_own_lesson(
    judged: Make, n_instruments: int
) -> None:
    run = judged(7, n_minutes=2_400, n_instruments=n_instruments, horizon=2)
    base = Baselines(run.span, n_instruments).judge(0, run.n_minutes, run.matured, run.known).logp
    said = np.stack([run.said[:, 0], base, base, base], axis=1)
    skill = Skill(
        ("trees", "base_rate", "copy"), n_instruments, run.horizon, run.span, 10_000, raw=("base_rate",)
    )
    skill.update(*replace(run, said=said).cut(0, run.n_minutes))
    ic = {(f.name, f.form): f.ic for f in skill.figures()}
    assert ic["base_rate", "calibrated"] is ic["base_rate", "raw"] is None
    assert ic["trees", "calibrated"] is not None
    # Under another name it would seem to foretell, turned round, labels that were dealt at random.
    copy = ic["copy", "calibrated"]
    assert copy is not None
    assert copy.high < 0.0


def test_minutes_filled_from_history_are_scored_apart(judged: Make) -> None:
    run = judged(8, catch_up=90)
    skill = played(run)
    live, caught_up = skill.figures()[0], skill.catch_up_figures()[0]
    late = run.matured.catch_up & run.known
    assert caught_up.rows == int(late.sum())
    assert live.rows == int((run.known & ~run.matured.catch_up).sum())
    assert min(live.rows, caught_up.rows) > 0


def test_an_expert_that_says_the_base_rate_has_no_skill_at_all(judged: Make) -> None:
    run = judged(9)
    base = Baselines(run.span, run.n_instruments).judge(0, run.n_minutes, run.matured, run.known)
    run.said[:, 2] = base.logp
    blend = played(run).figures()[2]
    assert blend.skill == 0.0
    assert blend.skill_interval is not None
    assert blend.skill_interval.low == blend.skill_interval.high == 0.0
    assert blend.direction is not None
    assert max(abs(blend.direction.low), abs(blend.direction.high)) < 1e-14


def test_a_silent_expert_has_no_figures_and_no_labels_give_none(judged: Make) -> None:
    run = judged(10)
    run.said[:, 1] = np.nan
    online = played(run).figures()[1]
    assert online.rows == 0
    assert math.isnan(online.accuracy)
    assert online.ic is None
    assert online.skill_interval is None
    empty = skill_of(run)
    empty.update(*run.cut(0, 3))
    assert empty.figures()[0].rows == 0


def test_a_label_older_than_anything_kept_is_judged_by_the_oldest_that_is(judged: Make) -> None:
    run = judged(11)
    m = run.matured
    early = Baselines(run.span, run.n_instruments)
    _, _, first, _, known = run.cut(0, 100)
    early.judge(0, 100, first, known)
    m.decided[m.at == 150] = 0
    _, _, then, _, known = run.cut(100, 200)
    rows = early.judge(100, 100, then, known)
    assert np.isfinite(rows.logp).all()


def test_another_universe_keeps_what_is_known_of_the_instruments_that_stay(judged: Make) -> None:
    run = judged(12)
    skill = skill_of(run)
    skill.update(*run.cut(0, 100))
    index = np.array([2, -1, 0, 1, 3, 4, 5])
    wider = skill.regrouped(index)
    _, n_minutes, part, said, known = run.cut(100, 200)
    back = {old: new for new, old in enumerate(index.tolist())}
    part.instrument[:] = [back[i] for i in part.instrument.tolist()]
    wider.update(100, n_minutes, part, said, known)
    expected = played(run).figures()[0]
    assert wider.figures()[0] == expected


def test_memory_is_bounded_by_the_window(judged: Make) -> None:
    run = judged(13)
    skill = skill_of(run)
    sizes = []
    for turn in range(30):
        _, n_minutes, part, said, known = run.cut(0, 200)
        part.decided[:] += 200 * turn
        skill.update(200 * turn, n_minutes, part, said, known)
        live: Any = skill.to_fields()["live"]
        sizes.append(live["buckets"]["sums"].shape[0])
    assert max(sizes[15:]) <= 1440 // (7 // 4) + 1
    assert sizes[-1] == sizes[15]


def test_an_expert_is_judged_before_its_calibrator_too_and_the_gain_is_paired(judged: Make) -> None:
    run = judged(14)
    skill = Skill(("trees", "blend"), run.n_instruments, run.horizon, run.span, 1440, raw=("trees",))
    ordinal, n_minutes, matured, said, known = run.cut(0, run.n_minutes)
    skill.update(ordinal, n_minutes, matured, said[:, [0, 2, 1]], known)
    plain = Skill(("trees", "blend", "other"), run.n_instruments, run.horizon, run.span, 1440)
    plain.update(ordinal, n_minutes, matured, said[:, [0, 2, 1]], known)
    trees, blend, raw = skill.figures()
    assert [(f.name, f.form) for f in skill.figures()] == [
        ("trees", "calibrated"),
        ("blend", "calibrated"),
        ("trees", "raw"),
    ]
    assert replace(raw, name="other", form="calibrated") == plain.figures()[2]
    assert trees.over_raw is not None
    assert blend.over_raw is raw.over_raw is None


def test_what_calibration_brings_is_narrower_than_two_intervals_apart() -> None:
    generator = np.random.default_rng(15)
    n, horizon = 4_000, 5
    market = np.convolve(generator.standard_normal(n + horizon), np.ones(horizon), "valid")[:n]
    label = np.where(market > 1.0, 2, np.where(market < -1.0, 0, 1)).astype(np.int8)
    logits = generator.standard_normal((n, 3)) * 0.5
    raw = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    softer = 0.5 * raw - np.log(np.exp(0.5 * raw).sum(axis=1, keepdims=True))
    matured = Matured(
        at=np.arange(n),
        decided=np.arange(n) - 6,
        instrument=np.zeros(n, dtype=np.int64),
        label=label,
        ret=market,
        weight=np.ones(n),
        sigma=np.ones(n),
        catch_up=np.zeros(n, dtype=np.bool_),
        void=np.zeros((n, 2), dtype=np.int64),
    )
    skill = Skill(("trees",), 1, horizon, 12, 14_400, raw=("trees",))
    said = np.stack([softer, raw], axis=1)
    skill.update(0, n, matured, said, matured.decided >= 0)
    after, before = skill.figures()
    assert after.over_raw is not None
    assert after.skill_interval is not None
    assert before.skill_interval is not None
    assert after.over_raw.mean == pytest.approx(after.skill - before.skill)
    assert after.over_raw.above_zero
    reach = after.over_raw.high - after.over_raw.mean
    assert reach < after.skill_interval.high - after.skill + before.skill_interval.high - before.skill


def test_an_accuracy_that_hardly_ever_differs_from_the_majoritys_has_no_interval(judged: Make) -> None:
    run = judged(16)
    base = Baselines(run.span, run.n_instruments).judge(0, run.n_minutes, run.matured, run.known)
    run.said[:, 2] = base.logp
    different = np.nonzero(run.known)[0][::200]
    run.said[different, 2] = run.said[different, 0]
    trees, _, blend = played(run).figures()
    assert trees.over_majority is not None
    assert blend.over_majority is None
    assert blend.skill_interval is not None
