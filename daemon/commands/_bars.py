"""How commands open the bar files a user names."""

from collections.abc import Sequence
from pathlib import Path

from daemon.bars.recorded import RecordedBars
from daemon.settings import Settings


def open_bars(paths: Sequence[Path | str], settings: Settings) -> RecordedBars:
    """Join recorded bar files into one source.

    Args:
        paths: Parquet or CSV files; folders are recordings.
        settings: Their columns, the universe and its calendar.

    Raises:
        BarsError: A file cannot be used; says which, why and what to do.
    """
    from adapters.files.bars_file import BarFile
    from adapters.files.recording import day_files

    files: list[BarFile] = []
    for path in map(Path, paths):
        files += day_files(path, settings.bars) if path.is_dir() else [BarFile(path, settings.bars)]
    return RecordedBars(files, settings)
