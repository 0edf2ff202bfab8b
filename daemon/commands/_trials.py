"""How many models were tried before the one that traded: what deflates its Sharpe ratio."""

from daemon.errors import UserError
from daemon.vitals.ratios import Trials


def trials(given: int | None, model: str | None, registry: str) -> Trials:
    """Return the trials that a person states, else the runs of the model's experiment in the registry.

    Args:
        given: By `--trials`.
        model: The model's name, which is its experiment's; None where the tape's bundle cannot be read.
        registry: MLflow's address.
    """
    if given is not None:
        return Trials(given, "as stated with --trials")
    if model is None:
        return Trials(None, "the model's name cannot be read: give --trials")
    from adapters.registry import MlflowStore, shown

    try:
        count = MlflowStore(registry).count_runs(model)
    except UserError as error:
        return Trials(None, str(error))
    where = shown(registry)
    if not count:
        return Trials(
            None, f"the registry {where} has no experiment {model}: give --trials, or its model.registry"
        )
    return Trials(count, f"runs of the experiment {model} in {where}")
