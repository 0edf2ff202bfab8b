"""How commands open the bar files a user names."""

from collections.abc import Sequence
from pathlib import Path

from daemon.bars.recorded import RecordedBars
from daemon.settings import Settings


def open_bars(paths: Sequence[Path | str], settings: Settings) -> RecordedBars:
    """Join recorded bar files into one source.

    Args:
        paths: Parquet or CSV files.
        settings: Their columns, the universe and its calendar.

    Raises:
        BarsError: A file cannot be used; says which, why and what to do.
    """
    from adapters.files.bars_file import BarFile

    return RecordedBars([BarFile(path, settings.bars) for path in paths], settings)
