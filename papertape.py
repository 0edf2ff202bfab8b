"""Where the command `papertape` begins: checks that `daemon` and `adapters` are ours, then runs them.

Both names are also what the PyPI packages python-daemon and adapters install. The check stands in a module of
its own, because a foreign `daemon` that is found first hides every file of ours.
"""

import importlib.util
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

OURS = ("daemon", "adapters")
HOME = Path(__file__).resolve().parent
ADVICE = (
    "papertape needs an environment of its own: run ./papertape in its source folder, or install it with "
    "pipx, or in a container. (Or uninstall the other package from this one.)"
)


def foreign_package() -> str | None:
    """Return what is wrong if `daemon` or `adapters` belong to another distribution, else None.

    Two cases: another folder is found first on the path, or another distribution has installed its files into
    the folder beside this file (then either package may hold a mixture).
    """
    for name in OURS:
        spec = importlib.util.find_spec(name)
        found = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec else []
        if found != [HOME / name]:
            place = ", ".join(map(str, found)) or (spec.origin if spec and spec.origin else "nowhere")
            return f"the package `{name}` that Python finds is not papertape's: {place}, not {HOME / name}."
    for information in HOME.glob("*-info"):
        name = information.name.split("-", maxsplit=1)[0]
        if name == "papertape":
            continue
        record = PathDistribution(information).read_text("RECORD") or ""
        for line in record.splitlines():
            if line.startswith(tuple(f"{own}/" for own in OURS)):
                folder = HOME / line.split("/", maxsplit=1)[0]
                return f"the distribution {name} has installed files into papertape's folder {folder}."
    return None


def main() -> int:
    """Run the command line; return its exit code."""
    problem = foreign_package()
    if problem:
        sys.stderr.write(f"papertape: {problem} {ADVICE}\n")
        return 2
    from daemon.__main__ import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
