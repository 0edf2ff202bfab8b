"""Settings -> YAML text that `settings_file` reads back to the same settings."""

import io
import sys
import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import BaseRepresenter

from daemon.settings import RELOAD_IN_WORDS, Section

MASK = "********"
WIDTH = 110


def render(settings: BaseModel, origins: Mapping[str, str], *, with_descriptions: bool = False) -> str:
    """Return settings as YAML, one line a field, secrets masked.

    Args:
        settings: What to show; every field, set or default.
        origins: Dotted path -> environment variable that set it; noted behind the field. A secret
            is behind a comment sign, so that the text can be read back.
        with_descriptions: Put each field's description, choices and limits above it.
    """
    return "\n".join(_section(settings, origins, "", with_descriptions=with_descriptions)).strip() + "\n"


def _section(
    section: BaseModel, origins: Mapping[str, str], path: str, *, with_descriptions: bool
) -> Iterator[str]:
    indent = "  " * path.count(".")
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        note = f"  # from {origins[path + name]}" if path + name in origins else ""
        if isinstance(value, BaseModel):
            if not path:
                yield ""
            if with_descriptions and type(value).__doc__:
                # Sections within others change as these do.
                reload = "" if path else _reload(value)
                yield from _comment(f"{type(value).__doc__} {reload}", indent)
            yield f"{indent}{name}:"
            yield from _section(value, origins, f"{path}{name}.", with_descriptions=with_descriptions)
            continue
        if with_descriptions:
            yield from _comment(_description(info), indent)
        hidden = "# " if isinstance(value, SecretStr) else ""
        yield f"{indent}{hidden}{name}: {_value(value)}{note}"


def _comment(text: str, indent: str) -> list[str]:
    prefix = f"{indent}# "
    paragraph = " ".join(text.split())
    return textwrap.wrap(paragraph, WIDTH, initial_indent=prefix, subsequent_indent=prefix)


def _reload(section: BaseModel) -> str:
    """Say in words what a change of a section's settings needs."""
    if not isinstance(section, Section):
        return ""
    others = ", ".join(section.hot if section.reload == "restart" else section.needs_restart)
    words = RELOAD_IN_WORDS[section.reload]
    return f"{words}, but for {others}." if others else f"{words}."


def _description(info: FieldInfo) -> str:
    return info.description or ""


def _value(value: object) -> str:
    """Return a value in YAML's flow style, on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = sys.maxsize
    yaml.representer.add_representer(Decimal, _represent_decimal)
    yaml.representer.add_representer(str, _represent_text)
    text = io.StringIO()
    yaml.dump(_plain(value), text)
    # A scalar as a whole document is ended by a line of three dots.
    return text.getvalue().removesuffix("...\n").rstrip("\n")


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        return {name: _plain(item) for name, item in value if item is not None}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _represent_text(representer: BaseRepresenter, value: str) -> ScalarNode:
    # ruamel writes `?0` in a flow list as it is, and reads it back as a key.
    style = '"' if value.startswith("?") else None
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _represent_decimal(representer: BaseRepresenter, value: Decimal) -> ScalarNode:
    text = f"{value:f}"
    return representer.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)
