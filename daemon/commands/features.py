"""`papertape features`: the catalogue, and the proof of a user's own formulas."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._settings import config_option, open_settings
from daemon.commands._when import When

if TYPE_CHECKING:
    from daemon.events import Minutes
    from daemon.features import FeaturePlan
    from daemon.features.proof import Proof
    from daemon.ports import BarSource


@click.group(invoke_without_command=True)
@click.option("--group", "groups", multiple=True, help="Only this group (may be given several times).")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.pass_context
def command(context: click.Context, groups: tuple[str, ...], *, as_json: bool) -> None:
    """List the features: name, group, formula, unit, warm-up in bars, source."""
    if context.invoked_subcommand is not None:
        return
    from daemon.errors import FormulaError
    from daemon.features import catalogue, groups_of
    from daemon.features.catalogue_prices import DEFINITIONS
    from daemon.features.listing import described

    formulas = tuple(catalogue().values())
    unknown = sorted(set(groups) - set(groups_of(formulas)))
    if unknown:
        there = ", ".join(groups_of(formulas))
        raise FormulaError(f"there is no group {', '.join(unknown)} of features; there are {there}")
    rows = described(f for f in formulas if not groups or set(f.groups) & set(groups))
    if as_json:
        click.echo(json.dumps({"features": rows, "definitions": DEFINITIONS}, indent=2))
        return
    click.echo(_listing(rows, DEFINITIONS))


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--bars",
    "bar_files",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Bar file to prove it on.",
)
@click.option("--from", "first", type=When(), help="First minute; default: the first bar.")
@click.option("--to", "until", type=When(), help="End, excluded; default: after --minutes minutes.")
@click.option("--minutes", "most", default=20_000, show_default=True, help="Most minutes to take.")
@config_option
def check(
    file: Path,
    bar_files: tuple[Path, ...],
    first: int | None,
    until: int | None,
    most: int,
    config_file: Path | None,
) -> None:
    """Prove the formulas in FILE on recorded bars: finite, streaming = batch, restartable, no look-ahead.

    FILE is YAML (name: formula, or name: {formula, unit, group, source}) or module:attribute of an installed
    package.
    """
    from daemon.commands._bars import open_bars
    from daemon.commands._formulas import read_formulas
    from daemon.errors import FormulaError
    from daemon.features import compile_plan
    from daemon.features.proof import prove

    settings = open_settings(config_file)
    own = read_formulas([str(file)])
    if not own:
        raise FormulaError(f"{file}: there is no formula in it")
    source = open_bars(bar_files, settings)
    names = tuple(instrument.name for instrument in source.instruments)
    chosen = settings.features.model_copy(update={"groups": (), "names": (), "exclude": (), "formulas": ()})
    plan = compile_plan(chosen, names, formulas=own)
    proof = prove(plan, names, _taken(source, first, until, most))
    click.echo(_report(plan, proof))
    if proof.findings:
        raise FormulaError(f"{file}: {len(proof.findings)} of the promises above do not hold")


def _taken(source: "BarSource", first: int | None, until: int | None, most: int) -> "Minutes":
    from daemon.errors import BarsError
    from daemon.events import Minutes

    begin = source.first_minute if first is None else max(first, source.first_minute)
    end = source.last_minute if until is None else min(until - 1, source.last_minute)
    parts: list[Minutes] = []
    missing = most
    for part in source.blocks(begin, end, 4096) if begin <= end else ():
        parts.append(part[:missing])
        missing -= len(parts[-1])
        if missing <= 0:
            break
    if sum(map(len, parts)) < 2:
        raise BarsError("there are fewer than two minutes to prove the formulas on; widen --from and --to")
    return Minutes.concat(parts)


def _listing(rows: list[dict[str, object]], definitions: dict[str, str]) -> str:
    from daemon.features import LONG_GAP_MINUTES, ROWS_AFTER_GAP

    lines = []
    for row in rows:
        lines += [
            f"{row['name']}  [{row['unit']}]  {row['groups']}  warm-up {row['warmup_bars']} bars",
            f"    {row['formula']}",
            f"    source: {row['source']}",
        ]
    used = _named(" ".join(str(row["formula"]) for row in rows), definitions)
    if used:
        lines += ["", "where", *(f"    {name} = {definitions[name]}" for name in used)]
    gaps = f"After more than {LONG_GAP_MINUTES} missing session minutes an instrument is not scored"
    return "\n".join(
        [*lines, "", f"{len(rows)} features. {gaps} until {ROWS_AFTER_GAP} more bars have come."]
    )


def _named(text: str, definitions: dict[str, str]) -> list[str]:
    """Return the definitions that a text names, and those that they name in turn."""
    found: set[str] = set()
    waiting = [text]
    while waiting:
        words = set(re.findall(r"[a-z_][a-z0-9_]*", waiting.pop()))
        fresh = (words & set(definitions)) - found
        found |= fresh
        waiting += [definitions[name] for name in fresh]
    return [name for name in definitions if name in found]


def _report(plan: "FeaturePlan", proof: "Proof") -> str:
    from daemon.features.proof import PROMISES
    from daemon.vitals.moment import clock

    refused = f", {proof.n_refused:,} refused for breaking a bound" if proof.n_refused else ""
    lines = [
        f"{proof.n_rows:,} bars, {proof.n_ready:,} past the warm-up of {plan.warmup_bars:,} bars{refused}",
        "",
    ]
    for column in proof.columns:
        constant = "  (never changes)" if column.distinct == 1 else ""
        lines.append(
            f"{column.name}: {column.low:.6g} to {column.high:.6g}, median {column.median:.6g}{constant}"
        )
    lines.append("")
    found = {finding.promise: finding for finding in proof.findings}
    for promise, how in PROMISES.items():
        lines.append(f"{'FAILS' if promise in found else 'holds'}  {promise}: {how}")
        if promise in found:
            at = found[promise]
            where = f"{at.feature} of {at.instrument} at {clock(at.minute)} UTC"
            lines.append(f"       {where}: {at.got!r}, must be {at.expected!r}")
    return "\n".join(lines)
