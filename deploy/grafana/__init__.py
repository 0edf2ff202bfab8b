"""The Grafana dashboards as code; `python -m deploy.grafana` writes them as JSON. For developers alone."""
