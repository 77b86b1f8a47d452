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

# install FILE: make .venv if there is none, and install FILE unless that very content already is.
install() {
  local stamp=".venv/.installed-$1" content
  if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    rm -rf .venv
    "$(find_python)" -m venv .venv
  fi
  content=$(cat requirements.txt "$1" | cksum)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$content" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$1" >&2
    echo "$content" >"$stamp"
  fi
}

run_python() {
  .venv/bin/python "$@"
}
