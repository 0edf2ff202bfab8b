"""From settings to a plan: choose, parse, compile."""

from collections.abc import Mapping

from daemon.features.catalogue import catalogue, choose
from daemon.features.catalogue_prices import DEFINITIONS
from daemon.features.expression import history_rows, warmup_rows
from daemon.features.language import parse
from daemon.features.own import own_formulas
from daemon.features.plan import SIGMA_FLOOR, FeaturePlan
from daemon.features.program import compile_program
from daemon.features.quanta import Quanta
from daemon.features.schema import Schema
from daemon.settings import FeatureSettings


def compile_plan(
    settings: FeatureSettings,
    reference: tuple[str, ...],
    quanta: Mapping[str, Quanta] | None = None,
    formulas: Mapping[str, object] | None = None,
) -> FeaturePlan:
    """Compile the features that settings choose.

    Args:
        settings: Groups, names, exclusions, benchmark, sigma's window.
        reference: Instruments that cross-sections run over.
        quanta: Steps by instrument; an instrument without gets them from its first row.
        formulas: A user's own: name -> text, or name -> {formula, unit, group, source}. They may name the
            catalogue's features and definitions, and each other.

    Raises:
        FormulaError: A choice is unknown or a formula cannot be computed exactly, causally and finitely.
    """
    own = own_formulas(formulas or {})
    chosen = choose(settings, own)
    known = {**DEFINITIONS, **{f.name: f.formula for f in (*catalogue().values(), *own.values())}}
    nodes = []
    for formula in chosen:
        others = {name: text for name, text in known.items() if name != formula.name}
        nodes.append(parse(formula.name, formula.formula, others))
    n = settings.sigma_bars
    text = f"max(sqrt(dot(change(1), change(1), {n}) * {1.0 / n!r}), {SIGMA_FLOOR!r})"
    outputs = [*nodes, parse("sigma", text)]
    names = tuple(formula.name for formula in chosen)
    return FeaturePlan(
        names=names,
        formulas=chosen,
        schema=Schema(names, tuple(node.text for node in nodes)),
        warmup_bars=max(warmup_rows(node) for node in outputs),
        history_rows=max(history_rows(node) for node in outputs) + 1,
        reference=tuple(reference),
        benchmark=settings.benchmark or (reference[0] if reference else None),
        min_members=settings.min_members,
        quanta=dict(quanta or {}),
        program=compile_program(outputs),
    )
