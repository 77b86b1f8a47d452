# Shared by the scripts beside it: the virtual environment. Sourced, with the repository as working directory.

# Python 3.11 or newer, whatever it is called here.
find_python() {
  local name
  for name in python3.11 python3.12 python3.13 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "Python 3.11 or newer is needed" >&2
  return 1
}

# install FILE: make .venv if there is none, and install FILE unless that very content already is, for this very Python.
install() {
  local stamp=".venv/.installed-${1//\//-}" content
  content=$(cat requirements.txt client/requirements.txt requirements-{oidc,postgresql,previews,redis,s3,telemetry}.txt "$1" | cksum)
  if [ ! -x .venv/bin/python ] || [ "$(cat "$stamp" 2>/dev/null)" != "$content $(readlink -f .venv/bin/python)" ]; then
    if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
      rm -rf .venv
      "$(find_python)" -m venv .venv
    fi
    echo "Installing what $1 names into .venv, which may take a minute" >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$1" >&2
    echo "$content $(readlink -f .venv/bin/python)" >"$stamp"
  fi
}

# install_each FILE: each of its lines by itself, into the .venv that is there. What this machine cannot have is named, and
# asked for again the next time.
install_each() {
  local stamp=".venv/.installed-${1//\//-}" line
  if cmp -s "$1" "$stamp"; then
    return
  fi
  cp "$1" "$stamp"
  while read -r line; do
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check "$line" >&2; then
      echo "Left out, it cannot be installed here: $line" >&2
      rm -f "$stamp"
    fi
  done < <(grep -v '^#' "$1")
}

# is_set NAME [PATTERN]: whether the environment or .env gives a setting a value (that begins like PATTERN).
is_set() {
  grep -qsiE "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*[\"']?${2:-[^[:space:]\"\'#]}" <(env) .env
}

run_python() {
  .venv/bin/python "$@"
}

# install_system PACKAGE…: Debian packages that are not there yet, where we may install them.
install_system() {
  local package absent=()
  command -v dpkg-query >/dev/null || return 0
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || absent+=("$package")
  done
  if [ ${#absent[@]} -gt 0 ] && [ "$(id -u)" = 0 ]; then
    # Installing must not start services: the tests start their own, on free ports.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends "${absent[@]}" >&2
  fi
}

# install_javascript FOLDER: what its package-lock.json says, unless that very content already is; tests/live/node.py does
# the same. Without node or npm, or without a network, the tests that need it are skipped.
install_javascript() {
  local installed="$1/node_modules/.installed"
  command -v npm >/dev/null || return 0
  if ! cmp -s "$1/package-lock.json" "$installed"; then
    if npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --silent >&2; then
      cp "$1/package-lock.json" "$installed"
    fi
  fi
}
