"""Beside the stages: data sets by the stages' own code, walk-forward folds, and the bundle that ships."""
