"""The settings that ship for live trading: their venues exist, their symbols and currencies theirs."""

from pathlib import Path

import pytest

from adapters.exchanges.catalogue import VENUES
from adapters.files.settings_file import read_settings
from daemon.bars.instruments import quote_of
from daemon.commands._exchanges import by_venue, venue_in

CONFIGS = Path(__file__).parents[3] / "configs"
LIVE = ("binance", "binance_um", "bybit", "coinbase", "kraken_live", "okx")


@pytest.mark.parametrize("name", LIVE)
def test_a_live_config_names_a_venue_and_instruments_in_the_runs_currency(name: str) -> None:
    text = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# For whoever")
    settings = read_settings(CONFIGS / f"{name}.yaml", {}).settings
    assert settings.run.name == name
    ((venue, instruments),) = by_venue(settings).items()
    assert venue == name.removesuffix("_live")
    assert {quote_of(instrument, settings.run.quote) for instrument in instruments} == {settings.run.quote}
    symbols = [instrument.partition(":")[2] for instrument in instruments]
    assert all(venue_in(settings, venue).subscribe(symbols))
    assert "tier" in text  # fees say whose they are


def test_every_venue_but_one_markets_sibling_has_a_config() -> None:
    assert {name.removesuffix("_live") for name in LIVE} == set(VENUES) - {"bybit_linear"}
