"""How the threads of numeric libraries behave."""

import os


def calm_threads() -> None:
    """Let OpenMP's idle threads sleep; call it before LightGBM is imported.

    By default they spin, and on a machine whose cores are busy a training takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
