"""What kustomize makes of an overlay, and who judges it."""

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.kubernetes.rules import DEPLOY
from tests.conftest import REPOSITORY, program, skip_or_fail

OVERLAYS = ("binance", "demo", "postgresql")
CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "checkov"


@cache
def rendered(overlay: str) -> str:
    """Return the manifests of an overlay, as kubectl would apply them."""
    kubectl = program("kubectl", "https://kubernetes.io/docs/tasks/tools")
    folder = DEPLOY / "kubernetes" / "overlays" / overlay
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def resources(overlay: str) -> list[dict[str, Any]]:
    """Return an overlay's resources as plain data."""
    return list(YAML(typ="safe", pure=True).load_all(rendered(overlay)))


def resource(overlay: str, kind: str) -> dict[str, Any]:
    """Return an overlay's only resource of a kind."""
    (found,) = [item for item in resources(overlay) if item["kind"] == kind]
    return found


def checkov(framework: str, files: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """Let checkov, which has an environment of its own, look at files."""
    if not CHECKOV.exists():
        skip_or_fail("checkov is not there: python .ci/environment.py .venv-checkov .ci/checkov.lock")
    words = [str(CHECKOV), "--skip-download", "--framework", framework, "--compact", "--quiet"]
    named = [word for file in files for word in ("--file", str(file))]
    alone = {"PATH": os.environ["PATH"], "HOME": str(files[0].parent)}
    return subprocess.run([*words, *named], capture_output=True, text=True, env=alone, check=False)
