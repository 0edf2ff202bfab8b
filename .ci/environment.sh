# Sourced by ./papertape and ./test. POSIX sh; a machine needs only Python >= 3.11 with venv.

# Prints the first Python >= 3.11 that can make a virtual environment; PAPERTAPE_PYTHON alone is tried if it is set.
find_python() {
    for candidate in ${PAPERTAPE_PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    printf '%s\n' "papertape: found no Python >= 3.11 with venv and ensurepip${PAPERTAPE_PYTHON:+ at $PAPERTAPE_PYTHON}." \
        "On Debian and Ubuntu: apt-get install python3 python3-venv." \
        "Another interpreter: PAPERTAPE_PYTHON=/path/to/python3 $0" >&2
    return 1
}

# make_environment ENVIRONMENT LOCK: the folder ENVIRONMENT holds exactly what the file LOCK lists, or the script ends.
# The stamp, written last, is a copy of the lock: without it, or with another lock, the folder is made anew.
make_environment() {
    if [ -x "$1/bin/python" ] && cmp -s "$2" "$1/installed.lock"; then
        return 0
    fi
    python=$(find_python) || exit 1
    "$python" -I "$root/.ci/environment.py" "$1" "$2" || exit 1
}
