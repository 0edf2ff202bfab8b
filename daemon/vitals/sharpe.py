"""How sure one can be of a Sharpe ratio: probabilistic and deflated.

Sources: Bailey and Lopez de Prado, The Sharpe ratio efficient frontier, Journal of Risk 15, 2012 (equation
for PSR), and The deflated Sharpe ratio, Journal of Portfolio Management 40, 2014 (expected maximum).
"""

import math
from statistics import NormalDist

import numpy as np

from daemon.kernels import FloatArray

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


def probabilistic_sharpe(returns: FloatArray, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio lies above `benchmark`.

    Args:
        returns: (n_days,) daily returns, 3 days or more.
        benchmark: A Sharpe ratio per day, not annualised.

    Returns:
        A share; NaN where the returns do not vary.
    """
    n_days = len(returns)
    deviation = returns - returns.mean()
    spread = float(np.sqrt((deviation**2).mean()))
    if n_days < 3 or not spread > 0.0:
        return math.nan
    sharpe = float(returns.mean()) / float(returns.std(ddof=1))
    skew = float((deviation**3).mean()) / spread**3
    kurtosis = float((deviation**4).mean()) / spread**4
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if not variance > 0.0:
        return math.nan
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(n_days - 1) / math.sqrt(variance))


def deflated_sharpe(returns: FloatArray, n_trials: int) -> float:
    """Return the probability that the Sharpe ratio is above what the best of `n_trials` gets by luck.

    The spread of Sharpe ratios among the trials is taken to be that of an estimate without any skill,
    1 / (n_days - 1): only the number of trials is known here, not what each of them came to.

    Args:
        returns: (n_days,) daily returns, 3 days or more.
        n_trials: How many models were tried before this one was chosen, itself included; 1 or more.
    """
    if n_trials == 1:
        return probabilistic_sharpe(returns)
    luck = (1.0 - EULER_GAMMA) * _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    luck += EULER_GAMMA * _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return probabilistic_sharpe(returns, luck / math.sqrt(max(len(returns) - 1, 1)))
