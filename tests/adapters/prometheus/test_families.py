"""The table of metrics."""

from pathlib import Path

import pytest

from adapters.prometheus.families import FAMILIES, markdown
from daemon.__main__ import main

BEGIN, END = "<!-- papertape metrics -->\n\n", "\n<!-- end of papertape metrics -->"


def test_the_table_in_the_readme_is_what_the_command_prints(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics"]) == 0
    printed = capsys.readouterr().out
    assert printed == markdown()
    text = (repository / "README.md").read_text(encoding="utf-8")
    table = text.split(BEGIN)[1].split(END)[0]
    assert table == printed, "put what `./papertape metrics` prints between the two comments in README.md"


def test_names_say_the_kind_as_prometheus_conventions_have_it() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert (family.kind == "counter") == family.name.endswith("_total"), family.name
        assert (family.kind == "info") == family.name.endswith("_info"), family.name
        assert "age" not in family.name.split("_"), "an age freezes with the process: serve the moment"
        assert not {"bps", "minutes", "ms", "percent"} & set(family.name.split("_")), family.name


def test_money_is_never_a_counter() -> None:
    kinds = {family.name: family.kind for family in FAMILIES}
    money = ("equity", "cash", "costs", "pnl_realised", "pnl_unrealised", "pnl_day")
    assert {kinds[name] for name in money} == {"gauge"}
