"""The few kinds of panel that the dashboards are made of."""

from dataclasses import dataclass
from typing import Final, Literal

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import statushistory as status_history
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[model.Panel]

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The Prometheus server that the variable `datasource` names."""

GREEN, YELLOW, RED, GREY, BLUE = "green", "yellow", "red", "#808080", "blue"

HEIGHT: Final = 8
WIDTH: Final = 24
"""Columns of the grid."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query and what its series are called.

    Attributes:
        expr: PromQL.
        legend: With `{{label}}` for a label's value.
    """

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Steps:
    """Colours by value: the first below all steps.

    Attributes:
        colours: One more than there are steps.
        values: Ascending.
    """

    colours: tuple[str, ...]
    values: tuple[float, ...]

    def build(self) -> dashboard.ThresholdsConfig:
        """Return them as Grafana takes them."""
        values = (None, *self.values)
        steps = [model.Threshold(value, colour) for value, colour in zip(values, self.colours, strict=True)]
        return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


PLAIN: Final = Steps((GREEN,), ())
ABOVE_ZERO_IS_GOOD: Final = Steps((RED, GREEN), (0.0,))
ABOVE_ZERO_IS_BAD: Final = Steps((GREEN, RED), (1e-12,))


def _target(query: Query, number: int, *, instant: bool = False) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).datasource(SOURCE)
    made = made.ref_id(chr(ord("A") + number)).format(PromQueryFormat.TIME_SERIES)
    return made.instant() if instant else made.range()


def lines(
    title: str,
    meaning: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    style: Literal["lines", "stacked"] = "lines",
    steps: Steps | None = None,
) -> timeseries.Panel:
    """Return lines over time.

    Args:
        title: Of the panel.
        meaning: What a reader should know; shown at the panel's corner.
        unit: Grafana's name of it.
        queries: What is drawn.
        width: Columns of 24.
        style: Lines, or areas on top of each other.
        steps: Drawn as dashed lines.
    """
    panel = (
        timeseries.Panel().title(title).description(meaning).unit(unit).datasource(SOURCE).height(HEIGHT)
    ).span(width)
    panel = panel.line_width(1).show_points(options.VisibilityMode.NEVER).span_nulls(value_ms(minutes=2))
    panel = panel.tooltip(
        common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    ).legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
        .calcs(["lastNotNull"])
    )
    if style == "stacked":
        panel = panel.fill_opacity(40).stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    if steps is not None:
        dashed = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(steps.build()).thresholds_style(dashed)
    for number, query in enumerate(queries):
        panel = panel.with_target(_target(query, number))
    return panel


def value_ms(*, minutes: float) -> float:
    """Return minutes as what Grafana counts in."""
    return 60_000 * minutes


def banded(panel: timeseries.Panel, low: str, high: str) -> timeseries.Panel:
    """Fill between the series of these names: an interval."""
    faint = model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": GREY})
    fill = [
        model.DynamicConfigValue("custom.fillBelowTo", low),
        model.DynamicConfigValue("custom.fillOpacity", 15),
    ]
    return panel.override_by_name(high, [*fill, faint]).override_by_name(low, [faint])


def number(
    title: str,
    meaning: str,
    unit: str,
    query: Query,
    *,
    width: int = 3,
    steps: Steps = PLAIN,
    named: bool = False,
) -> stat.Panel:
    """Return one number as of now; `named`: the names of the series in place of it."""
    mode = options.BigValueTextMode.NAME if named else options.BigValueTextMode.VALUE
    panel = stat.Panel().title(title).description(meaning).unit(unit).datasource(SOURCE).height(4).span(width)
    panel = panel.text_mode(mode).color_mode(options.BigValueColorMode.VALUE).thresholds(steps.build())
    panel = panel.graph_mode(options.BigValueGraphMode.NONE).no_value("none")
    return panel.with_target(_target(query, 0, instant=True))


def bars(
    title: str,
    meaning: str,
    unit: str,
    query: Query,
    *,
    width: int = 12,
    height: int = HEIGHT,
    steps: Steps = PLAIN,
) -> bargauge.Panel:
    """Return a horizontal bar for each series, as of now."""
    panel = bargauge.Panel().title(title).description(meaning).unit(unit).datasource(SOURCE)
    panel = panel.height(height).span(width).orientation(options.VizOrientation.HORIZONTAL)
    panel = panel.display_mode(options.BarGaugeDisplayMode.BASIC).thresholds(steps.build()).min(0)
    return panel.with_target(_target(query, 0, instant=True))


def heat_map(
    title: str, meaning: str, unit: str, query: Query, *, steps: Steps, height: int, width: int = WIDTH
) -> status_history.Panel:
    """Return a row for each series and a coloured cell for each moment."""
    panel = status_history.Panel().title(title).description(meaning).unit(unit).datasource(SOURCE)
    panel = panel.height(height).span(width).show_value(options.VisibilityMode.NEVER).row_height(0.95)
    panel = panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    panel = panel.thresholds(steps.build()).max_data_points(120).decimals(2)
    return panel.with_target(_target(query, 0))


def states(title: str, meaning: str, query: Query, *, width: int = 12, steps: Steps) -> statetimeline.Panel:
    """Return a row for each series that is 0 or 1, coloured while it is 1."""
    panel = statetimeline.Panel().title(title).description(meaning).datasource(SOURCE)
    panel = (
        panel.height(6).span(width).show_value(options.VisibilityMode.NEVER).merge_values(merge_values=True)
    )
    panel = panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    return panel.thresholds(steps.build()).with_target(_target(query, 0))
