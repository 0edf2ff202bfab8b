"""What all dashboards share: variables, annotations, links, and the grid that panels are put on."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.panels import SOURCE, Panel
from deploy.grafana.selectors import of

TAG: Final = "papertape"

NEW_FOR: Final = "2m"
"""How long a model that begins to trade is marked."""

LABEL_VALUES: Final = 1
"""Grafana's number of this kind of query."""

Rows = Sequence[tuple[str, Sequence[Panel]]]
"""Titles, and what stands below them."""


class TitledAnnotation(model.AnnotationQuery, Builder[model.AnnotationQuery]):
    """An annotation of a Prometheus query with its title, which Grafana reads and the library leaves out."""

    def __init__(self, name: str, expr: str, title: str) -> None:
        super().__init__(name=name, datasource=SOURCE, icon_color="blue", expr=expr)
        self._title = title

    def to_json(self) -> dict[str, object]:
        """Return it as Grafana stores it."""
        return {**super().to_json(), "titleFormat": self._title, "step": "15s"}

    def build(self) -> model.AnnotationQuery:
        """Return itself: it is its own builder."""
        return self


def new_model() -> str:
    """Return the query of model versions that did not trade a moment ago."""
    return f"{of('model_info')} unless {of('model_info')} offset {NEW_FOR}"


def dashboard_of(
    uid: str, title: str, meaning: str, rows: Rows, *, per_expert: bool = False
) -> model.Dashboard:
    """Return a dashboard.

    Args:
        uid: Its address: `papertape-<uid>`.
        title: After `papertape: `.
        meaning: What it answers.
        rows: Its panels.
        per_expert: Whether panels are repeated by the variable `expert`.
    """
    made = (
        dashboard.Dashboard(f"papertape: {title}")
        .uid(f"{TAG}-{uid}")
        .description(meaning)
        .tags([TAG])
        .time("now-24h", "now")
        .refresh("30s")
        .timezone("utc")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(_others())
        .annotation(TitledAnnotation("Models", new_model(), "model {{model}}"))
    )
    for variable in _variables(per_expert=per_expert):
        made = made.with_variable(variable)
    for name, panels in rows:
        made = made.with_row(dashboard.Row(name))
        for panel in panels:
            made = made.with_panel(panel)
    whole = made.build()
    for number, placed in enumerate(whole.panels or (), start=1):
        placed.id_val = number
    return whole


def _others() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("papertape").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(include_vars=True).keep_time(keep_time=True)


def _variables(*, per_expert: bool) -> list[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    of_run = 'papertape_run_info{run="$run"}'
    found: list[dashboard.DatasourceVariable | dashboard.QueryVariable] = [
        dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        _values("run", "papertape_run_info", "run"),
        _values("instance", of_run, "instance")
        .include_all(include_all=True)
        .multi(multi=True)
        .current(_all()),
    ]
    if per_expert:
        experts = _values("expert", of("expert_labels"), "expert")
        found.append(experts.include_all(include_all=True).multi(multi=True).current(_all()))
    return found


def _values(name: str, series: str, label: str) -> dashboard.QueryVariable:
    """Return a variable with the values of a label."""
    query: dict[str, object] = {
        "qryType": LABEL_VALUES,
        "query": f"label_values({series}, {label})",
        "refId": "PrometheusVariableQueryEditor-VariableQuery",
    }
    made = dashboard.QueryVariable(name).datasource(SOURCE).query(query)
    return made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _all() -> model.VariableOption:
    return model.VariableOption(selected=True, text="All", value="$__all")
