"""Every error papertape raises on purpose.

One tree, so that a caller can catch exactly what it can answer. An error's text is for the person who reads
it: what was wrong, where, and what to do. The command line prints that text and leaves with `exit_code`.
"""

import errno
from collections.abc import Sequence
from typing import Final

MACHINE_ERRNOS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
)
"""Refusals of the operating system that no other name would mend: full, read-only, broken."""


class PapertapeError(Exception):
    """Base of all; `exit_code` is 1 where papertape or its machine is at fault, 2 where the user is."""

    exit_code = 1


class UserError(PapertapeError):
    """Something the user gave is wrong and the user can mend it."""

    exit_code = 2


class SettingsError(UserError):
    """Settings that cannot be used. `problems` holds all of them, one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, so that one run of the program shows them all."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BarsError(UserError):
    """A bar file that cannot be read or whose rows are not minute bars."""


class FormulaError(UserError):
    """A feature formula, built in or a user's, that is unknown, malformed, not exact or looks ahead."""


class BundleError(UserError):
    """A model bundle that is damaged, foreign or incomplete."""


class SchemaMismatchError(BundleError):
    """A model was trained on other features than this version computes; names the features that differ."""


class ModelNotFoundError(UserError):
    """The registry or folder holds no such model, version or alias."""


class TrainingError(UserError):
    """The bars and settings given cannot train a model (too few rows, a class missing, ...)."""


class MetricsError(UserError):
    """The address that metrics are to be served on cannot be had."""


class ControlError(UserError):
    """The control API cannot be served as the settings say, or refuses what `papertape ctl` asks of it."""


class ControlUnreachableError(PapertapeError):
    """Nobody answers where the control API should be, or it could not do what it was asked."""


class StorageError(PapertapeError):
    """A disk of this machine is full, read-only or broken."""


def unwritable(place: object, error: OSError) -> PapertapeError:
    """Return the error for what cannot be written: the machine's, or the user's who named a wrong place."""
    reason = error.strerror or str(error)
    if error.errno in MACHINE_ERRNOS:
        return StorageError(f"{place} cannot be written: {reason}. Mend that, or name a place elsewhere.")
    return UserError(f"{place} cannot be written: {reason}. Name another place.")


class TapeError(PapertapeError):
    """Base of what can go wrong with a tape."""


class TapeInUseError(TapeError, UserError):
    """Another process writes this tape."""

    exit_code = 2


class TapeAwayError(TapeError):
    """The server of a tape is not to be had now; that may pass by itself."""


class TapeMismatchError(TapeError, UserError):
    """A resume with other bars, settings or model than the tape's; names which."""

    exit_code = 2


class TapeVersionError(TapeError, UserError):
    """The file is no papertape tape or one of another version."""

    exit_code = 2


class SnapshotVersionError(TapeVersionError):
    """A snapshot on a tape was written by a version whose snapshots this one does not read."""


class TapePlaceError(TapeError, UserError):
    """Where a tape, or what is exported from it, was to go no file can be: beneath a file, not permitted."""

    exit_code = 2


class TapeDamagedError(TapeError):
    """A stored row does not match its digest; names batch, instrument and field where known."""


class BrokenBoundError(PapertapeError):
    """An internal promise was broken: a defect of papertape, never the user's fault."""


class FeedError(PapertapeError):
    """A venue refuses for good: an unknown symbol, a ban, an answer that is not its own."""


class HistoryTooOldError(FeedError):
    """A venue keeps no bars that old: those minutes are not to be had, which is more than empty."""

    def __init__(self, instrument: str, first_minute: int) -> None:
        """Keep `first_minute`, the oldest epoch minute that can be asked for."""
        super().__init__(f"the history of {instrument} begins at epoch minute {first_minute}")
        self.first_minute = first_minute


class UnknownVenueError(FeedError, UserError):
    """No venue of that name is known; says which are."""

    exit_code = 2
