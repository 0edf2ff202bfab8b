"""The settings of a run that is taken up: those of its tape, and what its settings file says by now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from daemon.bars.instruments import told_of
from daemon.engine import Engine
from daemon.errors import TapeMismatchError
from daemon.events import SettingsChanged
from daemon.settings import Settings, changes, in_words

if TYPE_CHECKING:
    from adapters.tape.reader import TapeReader


def settings_of(reader: "TapeReader", here: Settings) -> Settings:
    """Return the settings that a tape's run began with; what no tape keeps is as it is here.

    Raises:
        TapeVersionError: They are of another version of papertape.
    """
    return here.taken_up(reader.header()["settings"], f"the tape {reader.place}")


def of_another_run(reader: "TapeReader", differing: Sequence[str]) -> TapeMismatchError:
    """Say that a tape cannot be gone on with."""
    return TapeMismatchError(
        f"the tape {reader.place} is of another run, with different {', '.join(differing)}. To go on "
        "with it, give the same as then; for a new run, name another --tape."
    )


def demand_same_but_hot(begun: Settings, wanted: Settings, reader: "TapeReader") -> None:
    """Check that a live run can go on under settings though it began under others.

    Raises:
        TapeMismatchError: It cannot; names what differs.
    """
    cold = [path for path, reload in changes(begun, wanted).items() if reload == "restart"]
    if cold:
        raise of_another_run(reader, [f"settings ({', '.join(cold)})"])


def go_on_under(engine: Engine, wanted: Settings, reader: "TapeReader") -> tuple[str, ...]:
    """Bring an engine at its tape's end to the settings that its file says by now; say what changed.

    Other instruments are not among it: they take a change of the universe, once the run goes on.

    Raises:
        TapeMismatchError: Other things are said of an instrument that the run has.
    """
    now = engine.run.settings
    described = [name for name in engine.run.names if told_of(name, now) != told_of(name, wanted)]
    if described:
        raise of_another_run(reader, [f"settings (universe.overrides of {', '.join(described)})"])
    kept = {name: getattr(now.universe, name) for name in ("instruments", "overrides")}
    new = wanted.model_copy(update={"universe": wanted.universe.model_copy(update=kept)})
    changed = tuple(in_words(path, now, new) for path in changes(now, new))
    if changed:
        engine.apply(SettingsChanged(settings_json=new.identity_json()))
    return changed
