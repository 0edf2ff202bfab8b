"""Settings from a file and the environment: the right values, or every problem at once."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr

from adapters.files.settings_file import read_model, read_settings
from daemon.errors import SettingsError
from daemon.settings import Settings


class BrokerSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str = "localhost"
    password: SecretStr | None = None


class WithSecret(BaseModel):
    """Settings as a later adapter will bring them: today's have no secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    broker: BrokerSection = BrokerSection()
    name: str


def write(folder: Path, text: str) -> Path:
    file = folder / "run.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(file: Path | None, **environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings(file, environment)
    return caught.value.problems


def test_without_file_and_environment_everything_has_its_default() -> None:
    loaded = read_settings(None, {"HOME": "/", "PAPERTAPE_SERVICE_HOST": "10.0.0.1"})
    assert loaded.settings == Settings()
    assert loaded.origins == {}


def test_the_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "costs: {impact: 0.25}\nuniverse: {instruments: [ETHUSDT, BTCUSDT]}\nexperts: {trees: {leaves: 7}}\n",
    )
    settings = read_settings(file, {}).settings
    assert settings.costs.impact == 0.25
    assert settings.universe.instruments == ("ETHUSDT", "BTCUSDT")
    assert settings.experts.trees.leaves == 7
    assert settings.experts.trees.rounds == Settings().experts.trees.rounds


def test_a_section_with_everything_commented_out_is_a_section_of_defaults(tmp_path: Path) -> None:
    file = write(tmp_path, "costs:\n  # impact: 0.25\nexperts:\n  trees:\n")
    assert read_settings(file, {}).settings == Settings()


def test_money_keeps_every_digit_it_was_written_with(tmp_path: Path) -> None:
    file = write(tmp_path, "run: {capital: 100000.000000000000000001}\n")
    assert read_settings(file, {}).settings.run.capital == Decimal("100000.000000000000000001")


def test_words_that_old_yaml_takes_for_booleans_are_words(tmp_path: Path) -> None:
    assert read_settings(write(tmp_path, "run: {name: no}\n"), {}).settings.run.name == "no"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes(b"\xef\xbb\xbfrun: {name: bom}\n")
    assert read_settings(file, {}).settings.run.name == "bom"


def test_every_problem_is_told_at_once_with_line_field_and_remedy(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "run:\n"
        "  capital: -3\n"  # 2
        "cost:\n"  # 3
        "  impact: 1\n"
        "labels:\n"
        "  horizon: 60\n"  # 6
        "  kind: sigmas\n"  # 7
        "  kind: bps\n"  # 8
        "policy:\n"
        "  max_drawdown: 0.2\n"  # 10
        "risk:\n"
        "  max_drawdown: .nan\n"  # 12
        "blend:\n"
        "  weights: {trees: -1}\n"  # 14
        "tape: 7\n"  # 15
        "universe:\n"
        "  instruments: 5\n",  # 17
    )
    found = problems(file)
    expected = [
        ("2: run.capital: should be greater than 0, but is `-3`", "default `100000`"),
        ("3: cost: there is no setting cost", "did you mean `costs`"),
        ("6: labels.horizon: there is no setting labels.horizon", "did you mean `horizon_minutes`"),
        ("7: labels.kind: should be 'sigma', 'bps' or 'barrier', but is `sigmas`", "default `sigma`"),
        ("8: labels.kind stands here again (first in line 7)", "keep one"),
        ("10: policy.max_drawdown: there is no setting", "did you mean `risk.max_drawdown`"),
        ("12: risk.max_drawdown: should be a finite number", "default `0.25`"),
        ("14: blend.weights.trees: should be greater than or equal to 0", "change it"),
        ("15: tape: is a section", "under it"),
        ("17: universe.instruments: should be a list or should be 'all'", "default `all`"),
    ]
    assert len(found) == len(expected), found
    for problem, (what, remedy) in zip(found, expected, strict=True):
        assert problem.startswith(f"{file}:{what}"), problem
        assert remedy in problem
        assert "\n" not in problem


def test_a_rule_between_two_fields_names_the_section_and_both(tmp_path: Path) -> None:
    found = problems(write(tmp_path, "run: {}\nuniverse:\n  halt_minutes: 2000\n"))
    assert len(found) == 1
    assert ":2: universe: halt_minutes must be smaller than delist_minutes" in found[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- costs\n", ":1: must be sections"),
        ("just words\n", ":1: must be sections"),
        ("costs:\n\timpact: 1\n", ":2: a tab stands where YAML wants spaces"),
        ("costs: {impact: 1\n", "is not valid YAML"),
        ("costs:\n  impact: 1\n    maker_fee_bps: 2\n", ":3: is not valid YAML here; check the indentation"),
        ("run: {name: a}\n---\nrun: {name: b}\n", ":2: a second document begins here"),
        ("run: {name: !!python/object:os.system x}\n", ":1: has a YAML tag"),
        ("run: &a {name: *a}\n", ":1: a value refers to itself"),
        ("run:\n  ? [1, 2]\n  : 3\n", ":2: a name of a setting must be a single word"),
        ("1: 2\n", ":1: 1: there is no setting 1; remove it, or use one of run, universe"),
        ("run: {name: \x00}\n", "is not YAML text"),
    ],
)
def test_a_text_that_is_no_settings_is_told_in_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    found = problems(write(tmp_path, text))
    assert len(found) == 1
    assert said in found[0]
    assert str(tmp_path / "run.yaml") in found[0]


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert "there is no such file" in problems(tmp_path / "absent.yaml")[0]
    assert "is a folder" in problems(tmp_path)[0]
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"run:\n  name: caf\xe9\n")
    assert f"{latin}:2: is not UTF-8" in problems(latin)[0]
    assert "cannot be read" in problems(tmp_path / ("x" * 300))[0]


def test_the_environment_overrides_the_file_and_is_noted(tmp_path: Path) -> None:
    file = write(tmp_path, "costs: {impact: 0.25, half_spread_bps: 3}\n")
    loaded = read_settings(
        file,
        {
            "PAPERTAPE_COSTS__IMPACT": "0.5",
            "PAPERTAPE_UNIVERSE__INSTRUMENTS": "[BTCUSDT, ETHUSDT]",
            "PAPERTAPE_EXPERTS__TREES__ENABLED": "false",
            "PAPERTAPE_RUN__NAME": "2024",
            "PAPERTAPE_RISK__MAX_DRAWDOWN": "null",
            "PAPERTAPE_BLEND__WEIGHTS": "{trees: 2, online: 1}",
        },
    )
    settings = loaded.settings
    assert settings.costs.impact == 0.5
    assert settings.costs.half_spread_bps == 3
    assert settings.universe.instruments == ("BTCUSDT", "ETHUSDT")
    assert settings.experts.trees.enabled is False
    assert settings.run.name == "2024"
    assert settings.risk.max_drawdown is None
    assert settings.blend.weights == {"trees": 2, "online": 1}
    assert loaded.origins["costs.impact"] == "PAPERTAPE_COSTS__IMPACT"
    assert len(loaded.origins) == 6


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PAPERTAPE_COSTS__IMPCT", "1", "did you mean `impact`"),
        ("PAPERTAPE_COST__IMPACT", "1", "did you mean `costs`"),
        ("PAPERTAPE_EXPERTS__TREES", "1", "is a section, not a setting; set one of experts.trees.enabled"),
        ("PAPERTAPE_UNIVERSE__OVERRIDES__BTCUSDT__TICK", "1", "in PAPERTAPE_UNIVERSE__OVERRIDES"),
        ("PAPERTAPE_COSTS__IMPACT", "11", "costs.impact: should be less than or equal to 10, but is `11`"),
        ("PAPERTAPE_UNIVERSE__INSTRUMENTS", "[BTC", "is not valid YAML"),
        ("PAPERTAPE_TAPE__PATH_FILE", "/x", "there is no setting tape.path_file; did you mean `path`"),
    ],
)
def test_a_variable_that_sets_nothing_valid_is_named(variable: str, value: str, said: str) -> None:
    found = problems(None, **{variable: value})
    assert len(found) == 1
    assert found[0].startswith(f"environment: {variable}")
    assert said in found[0]


def test_a_variable_does_not_hide_what_is_wrong_with_its_section_in_the_file(tmp_path: Path) -> None:
    found = problems(write(tmp_path, "costs: 5\n"), PAPERTAPE_COSTS__IMPACT="1")
    assert [problem.split(": ")[1] for problem in found] == ["costs"]


def test_two_spellings_of_one_variable_are_one_too_many() -> None:
    found = problems(None, PAPERTAPE_COSTS__IMPACT="1", PAPERTAPE_costs__impact="2")
    assert len(found) == 1
    assert "both set costs.impact" in found[0]


def test_a_secret_comes_from_its_variable_or_the_file_that_a_variable_names(tmp_path: Path) -> None:
    kept = tmp_path / "password"
    kept.write_text("from a file\n")
    for environment, secret in (
        ({"PAPERTAPE_BROKER__PASSWORD": "123"}, "123"),
        ({"PAPERTAPE_BROKER__PASSWORD_FILE": str(kept)}, "from a file"),
    ):
        loaded = read_model(WithSecret, write(tmp_path, "name: x\n"), environment)
        assert loaded.settings.broker.password == SecretStr(secret)
        assert list(loaded.origins) == ["broker.password"]


def test_a_secret_is_refused_in_the_settings_file_and_never_repeated(tmp_path: Path) -> None:
    file = write(tmp_path, "name: x\nbroker:\n  password: hunter2\n")
    with pytest.raises(SettingsError) as caught:
        read_model(WithSecret, file, {})
    (problem,) = caught.value.problems
    assert f"{file}:3: broker.password: a secret does not belong in this file" in problem
    assert "PAPERTAPE_BROKER__PASSWORD_FILE" in problem
    assert "hunter2" not in problem


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_model(WithSecret, write(tmp_path, "name: x\nbroker:\n  password: [hunter2]\n"), {})
    assert "hunter2" not in str(caught.value)


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, reason in (("absent", "No such file"), ("bytes", "not UTF-8")):
        with pytest.raises(SettingsError, match=reason) as caught:
            read_model(
                WithSecret,
                write(tmp_path, "name: x\n"),
                {"PAPERTAPE_BROKER__PASSWORD_FILE": str(tmp_path / name)},
            )
        assert str(tmp_path / name) in str(caught.value)


def test_a_secret_from_two_variables_is_one_too_many(tmp_path: Path) -> None:
    kept = tmp_path / "password"
    kept.write_text("a")
    environment = {"PAPERTAPE_BROKER__PASSWORD": "b", "PAPERTAPE_BROKER__PASSWORD_FILE": str(kept)}
    with pytest.raises(SettingsError, match=r"both set broker\.password"):
        read_model(WithSecret, write(tmp_path, "name: x\n"), environment)


def test_a_setting_that_has_no_default_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name: is missing and has no default; add it"):
        read_model(WithSecret, write(tmp_path, "broker: {host: there}\n"), {})


@given(st.text(max_size=60))
def test_any_text_gives_settings_or_problems_that_name_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    found: tuple[str, ...] = ()
    try:
        read_settings(file, {})
    except SettingsError as error:
        found = error.problems
    assert all(problem.startswith(str(file)) for problem in found)
