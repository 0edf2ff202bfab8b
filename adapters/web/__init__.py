"""The page of a report: drawn here, computed in `daemon.vitals`. One file, nothing from elsewhere."""
