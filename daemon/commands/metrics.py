"""`papertape metrics`: what there is for Prometheus to scrape."""

import click


@click.command()
def command() -> None:
    """Print the table of all metrics that `--serve` serves, as Markdown."""
    from adapters.prometheus.families import markdown

    click.echo(markdown(), nl=False)
