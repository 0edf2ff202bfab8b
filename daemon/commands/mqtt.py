"""`papertape mqtt`: what a run says over MQTT and what it hears."""

import json

import click


@click.command()
@click.option("--schema", "whole", is_flag=True, help="The JSON Schema of every payload.")
def command(*, whole: bool) -> None:
    """Print the topics below <prefix>/<run>/ as a Markdown table, or the schema of their payloads."""
    from adapters.mqtt.messages import TOPICS, schema

    if whole:
        click.echo(json.dumps(schema(), indent=2))
        return
    click.echo("| topic | payload | kept by the broker | direction | meaning |\n|---|---|---|---|---|")
    for topic in TOPICS:
        kept, way = "yes" if topic.retained else "no", "in" if topic.inward else "out"
        meaning = (topic.payload.__doc__ or "").strip()
        click.echo(f"| `{topic.name}` | `{topic.payload.__name__}` | {kept} | {way} | {meaning} |")
