"""Writes the dashboards beside this file."""

from deploy.grafana.files import FOLDER, dashboards, text

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for made in dashboards():
        (FOLDER / f"{made.uid}.json").write_text(text(made), encoding="utf-8")
