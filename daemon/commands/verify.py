"""`papertape verify`: is a tape as it was written, and does computing it again give the same?"""

from typing import TYPE_CHECKING

import click

from daemon.commands._place import TapePlace

if TYPE_CHECKING:
    from adapters.tape.place import Place


@click.command()
@click.argument("tape", type=TapePlace())
@click.option("--only", type=click.Choice(["intact", "reproduced"]), help="Check one of the two.")
def command(tape: "Place", only: str | None) -> None:
    """Check TAPE in two steps.

    Intact: every stored row is hashed again; any machine can do it. Reproduced: the whole run is computed
    again from the tape's own bars, settings and model, and every batch must come out with the same bits.
    """
    from adapters.tape.reader import TapeReader
    from daemon.commands._verify import demand_begun, intact, reproduced

    with TapeReader(tape) as reader:
        demand_begun(reader)
        wrong = not intact(reader) if only != "reproduced" else False
        if only != "intact":
            wrong = not reproduced(reader) or wrong
    if wrong:
        raise click.exceptions.Exit(1)
