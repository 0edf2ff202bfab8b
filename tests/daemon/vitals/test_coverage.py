"""A stated 95 % holds the truth 90 to 99 % of the time: where it is known by formula, and on real days."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.signal import lfilter
from scipy.stats import norm

from daemon.kernels import FloatArray, IntArray
from daemon.labels import Matured
from daemon.vitals.intervals import Interval
from daemon.vitals.skill import Skill, SkillFigures

FIGURES = ("skill_interval", "move", "direction", "hit_rate", "ic", "over_majority")


def labels_of(
    decided: IntArray, instrument: IntArray, label: IntArray, ret: FloatArray, horizon: int
) -> Matured:
    """Labels that mature as the engine's do: `horizon` after the fill, a minute after the decision."""
    n, last = len(decided), int(decided[-1]) + horizon + 2
    return Matured(
        at=decided + horizon + 1,
        decided=decided,
        instrument=instrument,
        label=label.astype(np.int8),
        ret=ret,
        weight=np.ones(n),
        sigma=np.ones(n),
        catch_up=np.zeros(n, dtype=np.bool_),
        void=np.zeros((last, 2), dtype=np.int64),
    )


def judged(matured: Matured, said: FloatArray, n_instruments: int, horizon: int, share: FloatArray) -> Skill:
    """Every label of a long history judged against the base rate `share`, which hardly learns any more."""
    prior = np.rint(share * 1e14).astype(np.int64)
    names = [f"voice {number}" for number in range(said.shape[1])]
    skill = Skill(names, n_instruments, horizon, horizon + 2, 10**9, prior)
    skill.update(0, len(matured.void), matured, said, np.ones(len(matured), dtype=np.bool_))
    return skill


def windows(skill: Skill, buckets: Iterator[IntArray]) -> Iterator[tuple[SkillFigures, ...]]:
    """Yield what skill says of windows that consist of these buckets, one after the other."""
    fields = skill.to_fields()
    live: dict[str, dict[str, np.ndarray]] = fields["live"]  # type: ignore[assignment]  # plain data
    number, sums = live["buckets"]["number"], live["buckets"]["sums"]
    for chosen in buckets:
        place = np.searchsorted(number, chosen)
        assert np.array_equal(number[place], chosen)
        live["buckets"] = {"number": np.arange(len(chosen)), "sums": sums[place]}
        yield skill.restored(fields).figures()
    live["buckets"] = {"number": number, "sums": sums}
    skill.restored(fields)


def interval_of(figures: SkillFigures, name: str) -> Interval | None:
    found: Interval | None = getattr(figures, name)
    return found


# --- simulated ---

HORIZON, N_INSTRUMENTS, STRETCH, N_STRETCHES = 5, 6, 400, 400
PERSISTENCE, BETA, CONFIDENCE = 0.97, 0.15, 1.6


def classes(mean: FloatArray, deviation: float) -> FloatArray:
    """Probabilities of down, flat, up of a normal return whose flat band is one standard deviation wide."""
    down = norm.cdf((-0.5 * deviation - mean) / deviation)
    up = norm.sf((0.5 * deviation - mean) / deviation)
    return np.stack([down, 1.0 - down - up, up], axis=-1)


def simulated() -> tuple[Skill, dict[str, float]]:
    """A persistent signal moves six instruments, half of it is common to all; so is half of the noise.

    An overconfident expert sees the signal. Signal and noise are normal, so the chance of every class given
    the signal is a formula, and the expected skill is its integral over the signal.
    """
    generator = np.random.default_rng(20)
    n = N_STRETCHES * STRETCH + HORIZON + 1
    spread = np.sqrt(1.0 - PERSISTENCE**2)
    common, own = generator.standard_normal((n, 1)), generator.standard_normal((n, N_INSTRUMENTS))
    signal = lfilter([spread], [1.0, -PERSISTENCE], (common + own) / np.sqrt(2.0), axis=0)
    noise = (generator.standard_normal((n, 1)) + generator.standard_normal(own.shape)) / np.sqrt(2.0)
    growth = np.vstack([np.zeros((1, N_INSTRUMENTS)), np.cumsum(BETA * signal[:-1] + noise[1:], axis=0)])
    ahead = growth[HORIZON:] - growth[:-HORIZON]

    # What the next steps of the signal add: its present decays, its innovations are noise too.
    weights = np.array([PERSISTENCE**k for k in range(HORIZON)])
    pull = BETA * float(weights.sum())
    innovations = BETA * spread * np.array([weights[: HORIZON - k].sum() for k in range(1, HORIZON)])
    deviation = float(np.sqrt(HORIZON + (innovations**2).sum()))

    decided, instrument = np.nonzero(np.ones((len(ahead) - 1, N_INSTRUMENTS), dtype=np.bool_))
    ret = ahead[decided, instrument]
    label = np.where(ret > 0.5 * deviation, 2, np.where(ret < -0.5 * deviation, 0, 1))
    said = np.log(classes(CONFIDENCE * pull * signal[decided, instrument], deviation))

    points, mass = hermegauss(41)
    mass = mass / mass.sum()
    true, told = classes(pull * points, deviation), classes(CONFIDENCE * pull * points, deviation)
    base = mass @ true
    gain = true * (np.log(told) - np.log(base))
    moving = (1.0 - true[:, 1]) * (np.log(1.0 - told[:, 1]) - np.log(1.0 - base[1]))
    truth = {"skill_interval": float(mass @ gain.sum(axis=1)), "move": float(mass @ (gain[:, 1] + moving))}
    truth["direction"] = truth["skill_interval"] - truth["move"]
    matured = labels_of(decided, instrument, label, ret, HORIZON)
    return judged(matured, said[:, None], N_INSTRUMENTS, HORIZON, base), truth


def test_on_simulated_instruments_the_interval_of_skill_holds_what_a_formula_says() -> None:
    """400 stretches of 80 horizons; between two of them so much is left out that they are independent."""
    skill, truth = simulated()
    left_out = 120
    stretches = (
        np.arange(number * STRETCH + left_out, (number + 1) * STRETCH) for number in range(N_STRETCHES)
    )
    held = dict.fromkeys(truth, 0)
    for (figures,) in windows(skill, stretches):
        for name, value in truth.items():
            interval = interval_of(figures, name)
            assert interval is not None
            held[name] += interval.low <= value <= interval.high
    shares = {name: count / N_STRETCHES for name, count in held.items()}
    assert all(0.90 <= share <= 0.99 for share in shares.values()), shares


# --- real ---

FILE = "binance_um_2025-05_2025-06.parquet"
REAL_HORIZON, SIGMA_BARS, BUCKETS_PER_DAY, N_DEALS = 60, 240, 96, 300
LATE = ("ADAUSDT", "ETHUSDT")
"""They begin later or end later than the other fourteen."""


def rolling_mean(values: FloatArray, window: int) -> FloatArray:
    sums = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    means = np.full(values.shape, np.nan)
    means[window - 1 :] = (sums[window:] - sums[:-window]) / window
    return means


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Skill:
    """Three experts of plain formulas judged on a month of fourteen real instruments.

    One knows that volatility persists and bets a little on reversal, one only bets on the market's momentum,
    one is overconfident in both; what they are worth is not the question.
    """
    bars = pl.read_parquet(shared_data / FILE).filter(~pl.col("symbol").is_in(LATE))
    table = bars.with_columns(minute=pl.col("time").dt.epoch("s") // 60)
    table = table.pivot(on="symbol", index="minute", values="close").drop_nulls().sort("minute")
    minute, price = table["minute"].to_numpy(), np.log(table.drop("minute").to_numpy())
    assert (np.diff(minute) == 1).all()
    step = np.diff(price, axis=0, prepend=price[:1])
    sigma = np.sqrt(rolling_mean(step**2, SIGMA_BARS))
    momentum = rolling_mean(step, 30) * 30 / (sigma * np.sqrt(30))
    calm = np.log(sigma / np.sqrt(rolling_mean(step**2, 15)))
    market = np.broadcast_to(momentum.mean(axis=1, keepdims=True), momentum.shape)

    # Minutes are counted from the first midnight after the windows are full.
    first = SIGMA_BARS + int(np.argmax(minute[SIGMA_BARS:] % 1440 == 0))
    decided, instrument = np.nonzero(np.ones(price[first:-REAL_HORIZON].shape, dtype=np.bool_))
    at = (decided + first, instrument)
    ret = (price[REAL_HORIZON:] - price[:-REAL_HORIZON])[at]
    band = 0.5 * sigma[at] * np.sqrt(REAL_HORIZON)
    label = np.where(ret > band, 2, np.where(ret < -band, 0, 1))
    share = np.bincount(label) / len(label)
    said = []
    for tilt, by, moves in ((-0.05, momentum, 0.1), (0.1, market, 0.0), (-0.5, momentum, 0.3)):
        lean, wide = tilt * by[at], -moves * calm[at]
        logits = np.log(share) + np.stack([wide - lean, -wide, wide + lean], axis=1)
        said.append(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    matured = labels_of(decided, instrument, label, ret, REAL_HORIZON)
    return judged(matured, np.stack(said, axis=1), price.shape[1], REAL_HORIZON, share)


@pytest.mark.parametrize("n_days", [7, 14, 30])
def test_on_real_days_dealt_at_random_the_intervals_hold_the_mean_of_all_days(
    real: Skill, n_days: int
) -> None:
    """What the truth of a real history is nobody knows, so a history is made whose truth is known.

    The days of a month, whole and with all instruments, are the only days there are; each window is dealt
    from them at random, with replacement. The mean of all days is then the truth, exactly. Within a day all
    is as it was: labels that overlap, instruments that move together, calm and wild hours; and the days
    differ as they did. What dealing takes away is that a wild day tends to follow a wild one: where such
    spells are as long as the window, a window on the market covers less than is measured here.
    """
    live: dict[str, dict[str, np.ndarray]] = real.to_fields()["live"]  # type: ignore[assignment]  # plain data
    number = live["buckets"]["number"]
    # Of the first day labels are missing, of the last one decisions.
    days = np.arange(1, int(number[-1]) // BUCKETS_PER_DAY)
    buckets = days[:, None] * BUCKETS_PER_DAY + np.arange(BUCKETS_PER_DAY)
    (all_days,) = windows(real, iter([buckets.ravel()]))
    generator = np.random.default_rng(21)
    deals = (buckets[generator.integers(0, len(days), n_days)].ravel() for _ in range(N_DEALS))
    held: dict[tuple[str, str], list[bool]] = {}
    for voices in windows(real, deals):
        for figures, known in zip(voices, all_days, strict=True):
            for name in FIGURES:
                interval, truth = interval_of(figures, name), interval_of(known, name)
                if interval is not None and truth is not None:
                    inside = interval.low <= truth.mean <= interval.high
                    held.setdefault((figures.name, name), []).append(inside)
    shares = {key: sum(found) / len(found) for key, found in held.items() if len(found) > N_DEALS // 2}
    assert len(shares) >= 3 * 5
    assert all(0.90 <= share <= 0.99 for share in shares.values()), shares
