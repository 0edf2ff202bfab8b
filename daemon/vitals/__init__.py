"""How good the model is, in numbers that carry their uncertainty: skill, trades, drawdown, the verdict."""
