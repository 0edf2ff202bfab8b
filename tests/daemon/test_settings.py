"""Settings: what a change of each needs, what a tape keeps of them, and what it must not."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from daemon.settings import OUTSIDE, OUTSIDE_TAPE, PolicySettings, Section, Settings, changes


def sections(model: type[Section], path: str = "") -> Iterator[tuple[str, type[Section]]]:
    """All sections within one, by path."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield f"{path}{name}", info.annotation
            yield from sections(info.annotation, f"{path}{name}.")


@pytest.mark.parametrize(("path", "section"), list(sections(Settings)), ids=str)
def test_exceptions_name_fields_that_there_are_and_sections_within_sections_change_as_they_do(
    path: str, section: type[Section]
) -> None:
    exceptions = section.needs_restart if section.reload == "hot" else section.hot
    others = section.hot if section.reload == "hot" else section.needs_restart
    assert set(exceptions) <= section.model_fields.keys()
    assert others == ()
    outer, _, inner = path.partition(".")
    if inner:
        holder = Settings.model_fields[outer].annotation
        assert isinstance(holder, type)
        assert issubclass(holder, Section)
        assert section.reload == holder.reload_of(inner.partition(".")[0])


def test_a_change_of_every_field_is_found_and_says_what_it_needs() -> None:
    now = Settings()
    for name, section in now:
        for field, info in type(section).model_fields.items():
            if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
                continue
            new = now.model_copy(update={name: section.model_copy(update={field: object()})})
            assert changes(now, new) == {f"{name}.{field}": section.reload_of(field)}
    assert changes(now, Settings()) == {}


def test_a_change_within_a_section_of_a_section_needs_what_the_outer_one_needs() -> None:
    now = Settings()
    new = Settings.model_validate(
        {
            "alarms": {"skill": {"bound": 0.5}},
            "experts": {"trees": {"rounds": 7}},
            "policy": {"notional": "10000.0"},
        }
    )
    assert changes(now, new) == {"alarms.skill.bound": "hot", "experts.trees.rounds": "restart"}


def test_no_section_of_which_a_tape_keeps_anything_has_a_secret() -> None:
    for path, section in sections(Settings):
        if path.partition(".")[0] not in OUTSIDE:
            assert not any("SecretStr" in str(info.annotation) for info in section.model_fields.values()), (
                path
            )
    assert "SecretStr" in str(type(Settings().mqtt).model_fields["password"].annotation)


def test_what_a_tape_keeps_of_settings_comes_back_and_the_rest_stays_as_it_is_here() -> None:
    there = Settings.model_validate(
        {
            "policy": {"notional": "20000.10"},
            "mqtt": {"host": "there"},
            "tape": {"path": "there", "keep_days": 3},
        }
    )
    here = Settings.model_validate(
        {"mqtt": {"host": "here", "username": "u", "password": "hunter2"}, "tape": {"path": "here"}}
    )
    kept = there.identity_json()
    assert not any(f'"{name}"' in kept for name in (*OUTSIDE, *OUTSIDE_TAPE))
    both = here.deciding_as(kept)
    assert both.policy == there.policy
    assert both.mqtt == here.mqtt
    assert both.mqtt.password == SecretStr("hunter2")
    assert (both.tape.path, both.tape.keep_days) == ("here", None)
    assert both.identity_json() == kept


def test_the_schema_for_editors_says_of_every_field_what_a_change_needs() -> None:
    schema = Settings.model_json_schema()
    policy = schema["$defs"]["PolicySettings"]["properties"]
    assert {field["x-reload"] for field in policy.values()} == {"hot"}
    assert policy["notional"]["description"].endswith("quote currency. May change while it runs.")
    metrics = schema["$defs"]["MetricsSettings"]["properties"]
    assert metrics["port"]["x-reload"] == "restart"
    assert metrics["port"]["description"].endswith("A change needs a restart.")
    assert metrics["max_instruments"]["x-reload"] == "hot"
    assert policy.keys() == PolicySettings.model_fields.keys()
