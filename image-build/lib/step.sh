# shellcheck shell=bash
# shellcheck disable=SC2154 # $state: allinone
# Steps: a line each with its time, progress while a slow one runs, and on failure the step, the reason and the log file.

step_name=
step_start=0
step_log=

now() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; } # milliseconds

seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

begin() { # NAME: starts a step; what it prints goes to a log file of its own
  step_name=$1
  step_start=$(now)
  step_log=$state/log/${1//[^a-z0-9]/-}.log
  : >"$step_log"
  rm -f "$state/log/reason"
  [ ! -t 1 ] || printf '         %s' "$step_name"
}

finish() { # [DETAIL]: ends the step and prints its line
  [ ! -t 1 ] || printf '\r\033[K'
  printf '%6s s  %s%s\n' "$(seconds $(($(now) - step_start)))" "$step_name" "${1:+: $1}"
  step_name=
}

progress() { # TEXT: shows that the step moves: in place on a terminal, else a line every 15 seconds
  local elapsed=$(($(now) - step_start))
  if [ -t 1 ]; then
    printf '\r\033[K%6s …  %s  %.60s' "$(seconds $elapsed)" "$step_name" "$1"
  elif ((elapsed / 15000 > ${progress_shown:-0})); then
    progress_shown=$((elapsed / 15000))
    printf '%6s …  %s  %.60s\n' "$(seconds $elapsed)" "$step_name" "$1"
  fi
}

watched() { # COMMAND...: runs it with its output in the step's log, showing the log's last line meanwhile
  local status=0 pid
  progress_shown=0
  "$@" >>"$step_log" 2>&1 </dev/null &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    progress "$(tail -c 300 "$step_log" | tr -d '\033' | tr '\r' '\n' | grep -av '^ *$' | tail -n 1)"
    sleep 0.2
  done
  wait $pid || status=$?
  [ $status = 0 ] || die "$1 ended with status $status"
}

await() { # SECONDS WHAT COMMAND...: repeats the command until it succeeds, or ends with status 3: it never will;
  # its output's last line is shown as progress
  local limit=$(($(now) + $1 * 1000)) what=$2 text status
  shift 2
  progress_shown=0
  while :; do
    status=0
    text=$("$@" 2>&1) || status=$?
    [ $status != 0 ] || return 0
    [ $status != 3 ] || die "$what: $text"
    [ "$(now)" -lt "$limit" ] || die "$what took too long${text:+: $text}"
    progress "$(tail -n 1 <<<"$text")"
    sleep 0.3
  done
}

die() { # REASON: ends the run; kept in a file, because it may be called in a subshell
  echo "$1" >"$state/log/reason"
  exit 1
}

on_exit() {
  local status=$?
  [ $status != 0 ] || return 0
  [ ! -t 1 ] || printf '\r\033[K'
  {
    echo "${0##*/}: failed${step_name:+ at: $step_name}"
    echo "  reason: $(cat "$state/log/reason" 2>/dev/null || echo "a command ended with status $status")"
    if [ -s "${step_log:-}" ]; then
      tail -n 8 "$step_log" | cut -c1-200 | sed 's/^/  | /'
      echo "  log:    $step_log"
    fi
  } >&2
}
