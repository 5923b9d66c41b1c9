# shellcheck shell=bash
# For the tests that start a machine from a medium: QEMU without acceleration, its network closed but for the ports that are forwarded to it.

work=$(mktemp -d /var/tmp/pilvi-media-test.XXXXXX)
machine_pid=
last_cpu=- # of a machine that has ended
machine=127.0.0.1 # where its $api_port and $ssh_port are reached
serial=
logs=()   # files besides $serial of which the ends are shown where the test fails
beside=() # processes that end with the test
end() {
  local status=$? one
  stop_machine
  for one in "${beside[@]}"; do kill "$one" 2>/dev/null || :; done
  [ $status = 0 ] || for one in "$serial" "${logs[@]}"; do
    [ -e "$one" ] || continue
    echo "--- the end of $one:"
    tail -n 40 "$one" | tr -d '\033\r' | cut -c1-200
  done
  rm -rf "$work"
}
trap end EXIT

fail() { echo "FAIL  $*"; exit 1; }
ok() { echo "ok    $* ($((SECONDS - began)) s, $(machine_cpu) s of CPU)"; began=$SECONDS; }

# For a machine: what memory it has and has left.
memory="awk '/MemTotal|MemAvailable/ {print \$1, int(\$2 / 1024), \"MiB\"}' /proc/meminfo | paste -sd ' '"
# The time that the machine's processors took since it was started: does not depend on what else this host does.
machine_cpu() { awk '{print int(($14 + $15) / 100)}' "/proc/${machine_pid:-none}/stat" 2>/dev/null || echo "$last_cpu"; }

in_namespaces() { # ARGUMENT...: this test goes on with these in namespaces of its own, so that its cards and addresses are nobody else's
  [ "$(id -u)" = 0 ] || fail 'this needs root'
  PILVI_TEST_ISOLATED=yes setpriv --pdeathsig KILL unshare --net --mount --pid --fork --mount-proc --kill-child "$0" "$@"
  exit
}

free_port() { # not handed out before, and nobody listens there
  local port
  for ((port = 20000 + RANDOM % 10000; ; port++)); do
    ss -Hltn "sport = :$port" | grep -q . || { echo "$port"; return; }
  done
}

# NAME QEMU-OPTION...: its console goes to $work/NAME.log. Its card is as $network says, or of a closed network with its ports 5000 and 22 forwarded here.
start_machine() {
  serial=$work/$1.log
  shift
  if [ -n "${network-}" ]; then api_port=5000 ssh_port=22; else api_port=$(free_port) ssh_port=$(free_port); fi
  began=$SECONDS
  qemu-system-x86_64 -M q35 -cpu Nehalem,+rdrand -accel tcg,thread=multi -smp 2 -m 3072 -display none -no-reboot -monitor none -serial "file:$serial" \
    -device virtio-rng-pci -device i6300esb -action watchdog=reset \
    -nic "${network:-user,restrict=on,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$api_port-:5000,hostfwd=tcp:127.0.0.1:$ssh_port-:22}" "$@" 2>"$serial.errors" &
  machine_pid=$!
}

uefi() { # prints the options of a machine with UEFI
  cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vars.fd"
  echo -drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd -drive "if=pflash,format=raw,file=$work/vars.fd"
}

stop_machine() { [ -z "$machine_pid" ] || { kill "$machine_pid" 2>/dev/null; wait "$machine_pid" 2>/dev/null; machine_pid=; }; }

await_end() { # SECONDS: until the machine is off, or would restart
  local end=$((SECONDS + $1))
  while kill -0 "$machine_pid" 2>/dev/null; do
    [ $SECONDS -lt $end ] || return 1
    last_cpu=$(machine_cpu)
    sleep 1
  done
  wait "$machine_pid" || :
  machine_pid=
}

await() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    kill -0 "$machine_pid" 2>/dev/null || return 1
    [ $SECONDS -lt $end ] || return 1
    sleep 2
  done
}

identity_answers() { curl -sf --max-time 10 "http://$machine:$api_port/v3" 2>/dev/null | grep -q '"v3'; }

sign_in() { # KEY PORT USER@ADDRESS COMMAND...: by ssh
  ssh -i "$1" -p "$2" -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=10 -o ServerAliveInterval=30 -o ServerAliveCountMax=10 \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "${@:3}"
}
node() { sign_in "$work/key" "$ssh_port" "root@$machine" "$@"; } # COMMAND...: in the machine
there() { sign_in "$work/key" 22 "root@$1" "${@:2}"; } # ADDRESS COMMAND...: in another one

make_seed() { # LINE...: $work/seed.img, a volume PILVI-SEED with these answers and a key
  [ -e "$work/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$work/key"
  { printf '%s\n' "$@"; echo "ssh_authorized_key=$(cat "$work/key.pub")"; } >"$work/node.conf"
  rm -f "$work/seed.img"
  truncate -s 2M "$work/seed.img"
  mkfs.vfat -n PILVI-SEED "$work/seed.img" >/dev/null
  mcopy -i "$work/seed.img" "$work/node.conf" ::
}
