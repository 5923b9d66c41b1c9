# shellcheck shell=bash
# For the tests of the packages: one expectation a line, and the verdict.
set -euo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0 checks=0

check() { # WHAT COMMAND...: a failed one is reported and the rest goes on
  local what=$1 output
  shift
  checks=$((checks + 1))
  if output=$("$@" 2>&1); then
    echo "ok    $what"
  else
    failures=$((failures + 1))
    echo "FAIL  $what"
    [ -z "$output" ] || printf '%s\n' "$output" | tail -n 20 | sed 's/^/      | /'
  fi
}

verdict() { # ends the test
  echo "$checks checks, $failures failed"
  [ $failures = 0 ] || exit 1
  exit 0
}
