#!/usr/bin/env bash
# The whole way once, on the embedded simulator: validate, import, plan, apply, until nothing is left.
# Started by `make run`. Everything it writes is in .demo/, made anew each time; nothing leaves this machine.
set -eu
cd "$(dirname "$0")/.."

if ! command -v reconciler >/dev/null; then
  echo "There is no reconciler command here yet: start this with 'make run'." >&2
  exit 1
fi

# Settings of whoever runs this must not change what it shows.
for name in "${!RECONCILER_@}"; do
  unset "$name"
done
export RECONCILER_STATE=sqlite:///.demo/simulator.db

rm -rf .demo
mkdir .demo

# step WHY COMMAND...: say why, show the command, run it.
step() {
  printf '\n# %s\n' "$1"
  shift
  printf '$ %s\n' "$*"
  "$@"
}

step "Are the manifests right? No token, no network, no known state." \
  reconciler validate manifests

step "What is known of the accounts so far: here, an export." \
  reconciler state import -e simulator examples/known-state.json

step "Which calls are due, in which order, and what they do to readers. The file is what gets reviewed." \
  reconciler plan -e simulator -o .demo/plan.json

step "Exactly those calls, one after another; each is written down before and after." \
  reconciler apply -e simulator .demo/plan.json

step "What is left: only what had to wait for an answer of that run." \
  reconciler plan -e simulator -o .demo/rest.json

step "The rest, too." \
  reconciler apply -e simulator .demo/rest.json

step "Nothing is left." \
  reconciler plan -e simulator
