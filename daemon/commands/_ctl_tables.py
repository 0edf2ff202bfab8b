"""What the control API answers, drawn for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

Answer = Mapping[str, Any]
UNKNOWN: Final = "-"
WIDTH: Final = 240
"""Of what is written into a file or a pipe."""


def draw(name: str, answer: Answer) -> None:
    """Print an answer."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    for table in DRAWN[name](answer):
        console.print(table)


def _status(a: Answer) -> list[Table | Text]:
    equity = f"{_money(a['equity'])} ({_money(a['worst'])} to {_money(a['best'])}) {a['quote']}"
    causes = ", ".join(one["cause"] for one in a["causes"])
    lost = ", ".join(f"{f['feed']}: {f['lost_instruments']}" for f in a["feeds"] if f["lost_instruments"])
    rows = [
        ("run", f"{a['run']}, papertape {a['version']}"),
        (
            "minute",
            f"{_minute(a['minute'])}, ended {_age(a['age_seconds'])} ago"
            + _if(a["catch_up"], ", catching up"),
        ),
        ("batch", f"{a['batch']:,}"),
        ("trading state", a["mode"] + _if(bool(causes), f" ({causes})")),
        ("model", a["model"]),
        ("equity", equity),
        ("day", _money(a["day"], sign="+")),
        ("exposure", f"gross {_share(a['gross_ratio'])}, net {_share(a['net_ratio'], sign='+')}"),
        ("drawdown", _share(a["drawdown_ratio"])),
        ("positions", f"{a['positions']} of {a['instruments']} instruments"),
        ("feeds", f"lost instruments {lost}" if lost else f"{len(a['feeds'])}, nothing lost"),
        ("waiting", f"{a['queued_messages']} messages, {a['waiting_commands']} commands"),
    ]
    return [_facts(rows), *_alarms(a)]


def _positions(a: Answer) -> list[Table | Text]:
    rows = [
        (
            p["instrument"],
            p["quantity"],
            _share(p["weight_ratio"], sign="+"),
            _money(p["unrealised"], sign="+"),
            f"{p['mark_age_minutes']} min old" if p["mark_age_minutes"] else "now",
        )
        for p in a["positions"]
    ]
    if not rows:
        return [Text(f"nothing is held after {_minute(a['minute'])}")]
    return [_table(("instrument", "quantity", "weight", "unrealised", "mark"), rows, right=(1, 2, 3))]


def _orders(a: Answer) -> list[Table | Text]:
    return [*_order_table(a["orders"]), *_next(a)]


def _order_table(orders: Sequence[Answer]) -> list[Table | Text]:
    if not orders:
        return [Text("no orders")]
    rows = []
    for one in orders:
        prices = ", ".join(f"{fill['quantity']} at {fill['price']}" for fill in one["fills"])
        ended = f"{one['ended_by']}: {one['unfilled']} left" if one["ended_by"] else ""
        became = "; ".join(part for part in (prices, ended) if part) or one["status"]
        rows.append(
            (
                str(one["id"]),
                _minute(one["minute"]),
                one["instrument"],
                one["quantity"],
                one["reason"],
                became,
            )
        )
    return [_table(("order", "minute", "instrument", "quantity", "reason", "filled"), rows, right=(0, 3))]


def _decisions(a: Answer) -> list[Table | Text]:
    rows = [
        (
            _minute(d["minute"]),
            d["instrument"],
            *(UNKNOWN if d["blend"] is None else f"{d['blend'][way]:.1%}" for way in ("down", "flat", "up")),
            UNKNOWN if d["edge_ratio"] is None else f"{1e4 * d['edge_ratio']:+.1f}",
            d["reason"],
            d["because"],
        )
        for d in a["decisions"]
    ]
    columns = ("minute", "instrument", "down", "flat", "up", "edge bps", "reason", "because")
    return [_table(columns, rows, right=(2, 3, 4, 5)) if rows else Text("no decisions"), *_next(a)]


def _vitals(a: Answer) -> list[Table | Text]:
    experts = [
        (
            e["expert"] + _if(e["form"] != "calibrated", f" ({e['form']})"),
            _share(e["weight_ratio"]),
            f"{e['labels']:,}",
            _interval(e["skill_nats"], 1000.0),
            _share(e["accuracy_ratio"]),
            _share(e["majority_accuracy_ratio"]),
            _interval(e["information_coefficient"], 1.0, 3),
            UNKNOWN if e["calibration_error_ratio"] is None else f"{e['calibration_error_ratio']:.3f}",
        )
        for e in a["experts"]
    ]
    columns = ("expert", "weight", "labels", "skill mnat", "accuracy", "majority", "IC", "ECE")
    drift = [
        (
            d["subject"],
            "in alarm" if d["in_alarm"] else "no alarm",
            f"{d['judged_hours']} h judged",
            ", ".join(d["out"][:5]),
        )
        for d in a["drift"]
    ]
    tables: list[Table | Text] = [_table(columns, experts, right=(1, 2, 3, 4, 5, 6, 7))]
    tables += [_table(("drift", "", "", "out"), drift)] if drift else []
    return [*tables, *_alarms(a), Text(f"{_minute(a['minute'])}: {a['verdict']}")]


def _alarms(a: Answer) -> list[Table | Text]:
    rows = [(x["vital"], x["subject"], _minute(x["since"]), x["cause"]) for x in a["alarms"]]
    return [_table(("alarm", "of", "since", "cause"), rows)] if rows else []


def _models(a: Answer) -> list[Table | Text]:
    m = a["trading"]
    rows = [
        ("version", m["version"]),
        ("name", m["name"]),
        ("from", m["uri"]),
        ("trained", _minute(m["trained_at"])),
        ("learned until", _minute(m["data_end"])),
        ("experts", ", ".join(m["experts"])),
        ("predicts", f"{m['labels']['kind']}, {m['horizon_minutes']} minutes ahead"),
        ("features", f"{len(m['features'])}, schema {m['schema_hash'][:12]}"),
        ("also held", ", ".join(a["known"]) or "none"),
    ]
    if (c := a["challenger"]) is not None:
        rows.append(("challenger", f"{c['version']} since {_minute(c['since'])}, {c['labels']:,} labels"))
        rows.append(("its gain", f"{_interval(c['gain_nats'], 1000.0)} mnat"))
    rows += [("refused", f"{one['version']}: {one['reason']}") for one in a["refused"]]
    return [_facts(rows)]


def _settings(a: Answer) -> list[Table | Text]:
    rows = [
        (f"{section}.{name}", str(value)) for section, fields in a.items() for name, value in fields.items()
    ]
    return [_facts(rows)]


def _ordered(a: Answer) -> list[Table | Text]:
    became = {
        "waiting": "waits for its minute",
        "closing": "on the tape; positions are being closed",
        "done": "done",
        "lost": "lost: the run ended before its minute came",
    }
    rows = [("command", f"{a['command']} by {a['by']}"), ("became", became[a["status"]])]
    if a["minute"] is not None:
        rows += [("minute", _minute(a["minute"])), ("trading state", f"{a['before']} to {a['after']}")]
    if a["positions"] is not None:
        rows.append(("positions", str(a["positions"])))
    return [_facts(rows), *(_order_table(a["orders"]) if a["orders"] else ())]


def _snapshot(a: Answer) -> list[Table | Text]:
    return [Text(f"snapshot after batch {a['batch']:,}, {_minute(a['minute'])}")]


def _reload(a: Answer) -> list[Table | Text]:
    told = [("settings", a["result"])]
    told += [("changed", one) for one in a["changed"]]
    told += [("problem", one) for one in a["problems"]]
    return [_facts(told)]


DRAWN: Final[Mapping[str, Callable[[Answer], list[Table | Text]]]] = {
    "status": _status,
    "positions": _positions,
    "orders": _orders,
    "decisions": _decisions,
    "vitals": _vitals,
    "models": _models,
    "settings": _settings,
    "ordered": _ordered,
    "snapshot": _snapshot,
    "reload": _reload,
}


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at in right else "left", no_wrap=column != "because")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _facts(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows:
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _next(a: Answer) -> list[Table | Text]:
    return [Text(f"more: --before {a['before']}", "dim")] if a["before"] else []


def _minute(moment: str | None) -> str:
    return UNKNOWN if moment is None else moment[:16].replace("T", " ")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def _money(amount: str, sign: str = "") -> str:
    return format(float(amount), f"{sign},.2f")


def _share(share: float | None, sign: str = "") -> str:
    return UNKNOWN if share is None else format(share, f"{sign}.1%")


def _interval(one: Answer | None, factor: float, digits: int = 1) -> str:
    if one is None:
        return UNKNOWN
    half = (one["high"] - one["low"]) / 2
    return f"{factor * one['mean']:+.{digits}f} ±{factor * half:.{digits}f}"


def _if(condition: bool, text: str) -> str:  # noqa: FBT001 - it is what this function is about
    return text if condition else ""
