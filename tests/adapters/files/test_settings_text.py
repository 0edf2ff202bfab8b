"""Settings as text: what is shown is what is in effect, and can be read back."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from ruamel.yaml import YAML

from adapters.files.settings_file import read_settings
from adapters.files.settings_text import MASK, render
from daemon.settings import Settings

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


def settings_with(text: str, number: float, money: Decimal, names: list[str], symbols: list[str]) -> Settings:
    return Settings.model_validate(
        {
            "tape": {"path": text},
            "costs": {"impact": number},
            "run": {"capital": money},
            "features": {"names": names},
            "universe": {"overrides": {symbol: {"tick": money} for symbol in symbols}},
            "risk": {"max_drawdown": None},
        }
    )


@example(text="a", number=1.0, money=Decimal(1), names=["?0"], symbols=[])
@given(
    text=WORDS,
    number=st.floats(0, 10),
    money=st.decimals(Decimal("1e-12"), Decimal("1e12"), places=12),
    names=st.lists(WORDS, max_size=3),
    symbols=st.lists(
        st.from_regex(r"[A-Za-z0-9]{1,9}(:[A-Za-z0-9_.-]{1,9})?", fullmatch=True), max_size=3, unique=True
    ),
)
@pytest.mark.parametrize("described", [True, False])
def test_what_is_shown_is_read_back_as_the_same_settings(
    tmp_path_factory: pytest.TempPathFactory,
    described: bool,
    text: str,
    number: float,
    money: Decimal,
    names: list[str],
    symbols: list[str],
) -> None:
    settings = settings_with(text, number, money, names, symbols)
    file = tmp_path_factory.getbasetemp() / "shown.yaml"
    file.write_text(render(settings, {}, with_descriptions=described), encoding="utf-8")
    assert read_settings(file, {}).settings == settings


def test_another_yaml_reader_understands_every_field() -> None:
    data: dict[str, Any] = YAML(typ="safe", pure=True).load(render(Settings(), {}, with_descriptions=True))
    for name, section in Settings():
        assert set(data[name]) == set(type(section).model_fields)
    assert data["costs"]["taker_fee_bps"] == Settings().costs.taker_fee_bps
    assert data["blend"]["share"] == Settings().blend.share


def test_what_the_environment_set_is_marked() -> None:
    text = render(Settings(), {"costs.impact": "PAPERTAPE_COSTS__IMPACT", "experts.trees.rounds": "X"})
    assert "  impact: 0.1  # from PAPERTAPE_COSTS__IMPACT\n" in text
    assert "    rounds: 300  # from X\n" in text
    assert text.count("# from") == 2


def test_secrets_are_masked() -> None:
    class Login(BaseModel):
        user: str = "me"
        password: SecretStr = SecretStr("hunter2")

    text = render(Login(), {"password": "LOGIN__PASSWORD"})
    assert "hunter2" not in text
    assert f"# password: '{MASK}'  # from LOGIN__PASSWORD" in text
    assert "user: me" in text


def test_descriptions_stand_above_their_fields() -> None:
    text = render(Settings(), {}, with_descriptions=True)
    assert "  # Cash at the start, in the quote currency.\n  capital: 100000\n" in text
    assert max(map(len, text.splitlines())) <= 110


def test_the_default_settings_file_is_what_the_command_prints(repository: Path) -> None:
    stored = (repository / "configs" / "default.yaml").read_text(encoding="utf-8")
    expected = render(Settings(), {}, with_descriptions=True)
    assert stored == expected, "make it again: ./papertape config show --describe > configs/default.yaml"


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[3] / "configs").glob("*.yaml")), ids=lambda file: file.name
)
def test_every_settings_file_that_ships_is_valid(file: Path) -> None:
    read_settings(file, {})
