"""The API's page, drawn from its OpenAPI description: no script, no address outside it."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

_REF: Final = "#/components/schemas/"


def page(openapi: Mapping[str, Any]) -> str:
    """Return the description as one HTML page."""
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    everywhere = _everywhere(operations)
    return _template().render(
        info=openapi["info"],
        refusals=[(status, answer["description"]) for status, answer in sorted(everywhere.items())],
        groups=[
            (tag, heading, [_shown(one, everywhere) for one in operations if tag in one["tags"]])
            for tag, heading in (("see", "See"), ("order", "Order"))
        ],
        schemas=[_schema(name, one) for name, one in sorted(openapi["components"]["schemas"].items())],
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("adapters.control", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(kind=_kind, code=_code)
    return environment.get_template("page.html.j2")


def _everywhere(operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the answers that every operation may give: they are told once."""
    first, *others = (operation["responses"] for operation in operations)
    return {
        status: answer
        for status, answer in first.items()
        if status >= "400" and all(one.get(status) == answer for one in others)
    }


def _code(text: str) -> Markup:
    """Return text whose `words` between backticks are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _shown(operation: Mapping[str, Any], everywhere: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [
        {
            "name": one["name"],
            "in": one["in"],
            "kind": _kind(one["schema"]),
            "default": one["schema"].get("default", ""),
            "meaning": one.get("description", one["schema"].get("description", "")),
        }
        for one in operation.get("parameters", ())
    ]
    answers = [
        {
            "status": status,
            "meaning": "" if status == "200" else one["description"],
            "schema": _schema_of(one),
        }
        for status, one in sorted(operation["responses"].items())
        if status not in everywhere
    ]
    return {
        **{name: operation[name] for name in ("method", "path")},
        "id": operation["operationId"],
        "meaning": operation.get("description", ""),
        "parameters": parameters,
        "body": _schema_of(operation.get("requestBody", {})),
        "answers": answers,
        "token": "security" in operation,
        "link": operation["method"] == "GET" and "{" not in operation["path"],
    }


def _schema_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a request's or an answer's JSON; empty where there is none."""
    schema: Mapping[str, Any] = body.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        {"name": field, "kind": _kind(one), "meaning": one.get("description", "")}
        for field, one in schema.get("properties", {}).items()
    ]
    return {"name": name, "meaning": schema.get("description", ""), "fields": fields}


def _kind(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a value is, as (text, name of the schema it links to or nothing), in pieces."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return [(name, name)]
    if "anyOf" in schema:
        pieces = [piece for one in schema["anyOf"] for piece in ((" or ", ""), *_kind(one))]
        return pieces[1:]
    inner = schema.get("items", schema.get("additionalProperties"))
    if isinstance(inner, Mapping):
        return [("list of " if "items" in schema else "object of ", ""), *_kind(inner)]
    return [(_plain_kind(schema), "")]


def _plain_kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    limits = [
        f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema
    ]
    return " ".join([str(schema.get("format", schema.get("type", "anything"))), *limits])
