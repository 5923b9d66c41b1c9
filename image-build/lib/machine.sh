# shellcheck shell=bash
# shellcheck disable=SC2154 # $state, $here, $machine, $external: allinone
# The machine: a systemd-nspawn container with systemd as PID 1 and a network of its own, whose disk is $state/root.

root=$state/root
gateway_address='' node_address='' external_prefix=''

load_settings() { # the networks chosen when the machine was made
  # shellcheck disable=SC1091
  [ ! -e "$state/settings" ] || . "$state/settings"
  gateway_address=${transfer%.*}.1
  node_address=${transfer%.*}.2
  external_prefix=${external%.*}
}

collides() { # NETWORK: whether a route of this host, other than the default one, overlaps it
  # Not a pipe into grep -q: it closes the pipe at the first match, and pipefail would turn the match into a failure.
  [ -n "$(ip -o -4 route show root "$1"; ip -o -4 route show match "$1" | sed '/^default/d')" ]
}

choose_networks() {
  local n
  [ ! -e "$state/settings" ] || return 0
  if [ -z "$transfer" ]; then
    for n in {0..99}; do
      transfer=10.213.$n.0/24
      collides "$transfer" || break
    done
  fi
  ! collides "$transfer" || die "the transfer network $transfer overlaps a network of this host: set PILVI_TRANSFER to another /24"
  ! collides "$external" || die "the external network $external overlaps a network of this host: set PILVI_EXTERNAL to another /24"
  printf 'transfer=%s\nexternal=%s\n' "$transfer" "$external" >"$state/settings"
}

leader() { # prints the process id of the machine's PID 1; fails when it does not run
  local pid
  pid=$(cat "$state/nspawn.pid" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -F -- "--directory=$root " >/dev/null || return 1
  pgrep -o -P "$pid"
}

inside() { # COMMAND...: runs it in the machine
  local pid
  pid=$(leader) || die "the machine does not run"
  nsenter -t "$pid" -m -p -n -u -i -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
}

kvm_works() { # KERNEL RAMDISK: whether a guest really runs under KVM here; opening /dev/kvm proves nothing
  local out pid status=1 n
  [ -c /dev/kvm ] || return 1
  out=$(mktemp)
  (
    qemu-system-x86_64 -accel kvm -cpu host -m 128 -display none -monitor none -no-reboot -nic none -serial "file:$out" \
      -kernel "$1" -initrd "$2" -append 'console=ttyS0 panic=-1' &
    pid=$!
    for ((n = 0; n < 150; n++)); do
      ! grep -aqs 'Run /init' "$out" || break
      kill -0 $pid || break
      sleep 0.1
    done
    kill $pid
    wait $pid
  ) >/dev/null 2>&1 || :
  ! grep -aqs 'Run /init' "$out" || status=0
  rm -f "$out"
  return $status
}

kernel_datapath() { # whether Open vSwitch's kernel module is there
  [ -d /sys/module/openvswitch ] || modprobe openvswitch 2>/dev/null
}

make_root() { # BASE DEB...: lays the machine's disk from the base; what an earlier disk held of the cloud is carried over
  local base=$1 kept=(etc/pilvi var/lib/pilvi var/lib/libvirt etc/libvirt/qemu etc/machine-id var/log/journal)
  shift
  rm -rf "$root.new"
  mkdir -p "$root.new"
  tar -xf "$base" -C "$root.new"
  systemd-id128 new >"$root.new/etc/machine-id"
  cp -r "$here/node/container/." "$root.new/"
  install_debs "$root.new" "$@"
  if [ -d "$root" ]; then
    # By user name, not number: the numbers may differ between the two.
    # shellcheck disable=SC2016
    chroot "$root" sh -c 'for path; do [ ! -e "$path" ] || echo "$path"; done | tar -C / -cf - -T -' sh "${kept[@]}" |
      chroot "$root.new" tar -C / -xpf -
    rm -rf "$root.old"
    mv "$root" "$root.old"
  fi
  basename "$base" >"$root.new/etc/pilvi/base"
  mv "$root.new" "$root"
  rm -rf "$root.old"
}

install_debs() { # ROOT DEB...: installs the packages into a disk that no machine runs from
  local directory=$1
  shift
  mkdir -p "$directory/var/cache/pilvi"
  rm -f "$directory"/var/cache/pilvi/*.deb
  cp "$@" "$directory/var/cache/pilvi/"
  # shellcheck disable=SC2016
  unshare --mount sh -c 'mount --bind /proc "$1/proc" && exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive sh -c "dpkg -i /var/cache/pilvi/*.deb"' sh "$directory"
}

install_debs_live() { # DEB...: the same in the running machine, where the changed daemons are restarted
  rm -f "$root"/var/cache/pilvi/*.deb
  cp "$@" "$root/var/cache/pilvi/"
  inside env DEBIAN_FRONTEND=noninteractive sh -c 'dpkg -i /var/cache/pilvi/*.deb'
}

configure_root() { # writes what depends on this host: name, addresses
  echo "$machine" >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n::1 localhost\n%s %s\n' "$node_address" "$machine" >"$root/etc/hosts"
  printf 'PILVI_URL_HOST=%s\nPILVI_REGION=RegionOne\n' "$node_address" >"$root/etc/pilvi/node.env"
  local network=$root/etc/systemd/network
  mkdir -p "$network"
  printf '[Match]\nName=host0\n\n[Network]\nAddress=%s/24\nGateway=%s\nLinkLocalAddressing=no\n' \
    "$node_address" "$gateway_address" >"$network/10-host0.network"
  # The external network's gateway is this machine: floating IPs are reached by a route to it.
  printf '[Match]\nName=br-ex\n\n[Link]\nActivationPolicy=up\nRequiredForOnline=no\n\n[Network]\nAddress=%s.1/24\nConfigureWithoutCarrier=yes\nLinkLocalAddressing=no\n' \
    "$external_prefix" >"$network/20-br-ex.network"
}

control_groups() { # prints the container's own control group in each hierarchy of a host without systemd
  local hierarchy
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ ! -e "$hierarchy/cgroup.procs" ] || echo "$hierarchy/$(unit_name)"
  done
}

unit_name() { echo "pilvi-machine-$(printf '%s' "$root" | sha256sum | cut -c1-10)"; }

drop_control_groups() { # of a container that ended; its last processes may hold them for a moment yet
  local group
  for group in $(control_groups); do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || :
  done
}

# In the shell that becomes the container. Two systemds in one control group take each other's services for their own and remove their groups.
enter_control_groups() {
  local group
  for group in $(control_groups); do
    mkdir -p "$group"
    echo "$BASHPID" >"$group/cgroup.procs"
  done
}

nspawn() { # OPTION...: starts the container in the background; its process id goes to $state/nspawn.pid
  local unit log n
  unit=$(unit_name) log=$state/log/console.log
  set -- systemd-nspawn --quiet --boot "--directory=$root" "--machine=$machine" --register=no --keep-unit \
    --capability=all --private-users=no --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
    --system-call-filter='add_key keyctl bpf @module' "$@"
  if [ -d /run/systemd/system ]; then
    # A unit of its own: the container's systemd needs a control group that was handed to it.
    for ((n = 0; n < 100; n++)); do # systemd forgets the unit of the last start a moment after its end
      [ "$(systemctl show --property=LoadState --value "$unit.service")" != not-found ] || break
      sleep 0.1
    done
    systemd-run --quiet --collect "--unit=$unit" --slice=machine.slice -p Delegate=yes -p KillMode=mixed -p TasksMax=infinity \
      -p LimitNOFILE=1048576 -p "StandardOutput=append:$log" -p StandardError=inherit "$@" || return 1
    systemctl show --property=MainPID --value "$unit" >"$state/nspawn.pid"
  else
    drop_control_groups
    (enter_control_groups && exec setsid "$@" >"$log" 2>&1 </dev/null 9>&-) &
    echo $! >"$state/nspawn.pid"
  fi
}

start_machine() { # boots the machine and connects it to this host
  local options=() pid n interface=pv-$machine
  ! leader >/dev/null || return 0
  [ ! -c /dev/net/tun ] || options+=(--bind=/dev/net/tun)
  [ "$(cat "$state/accelerator")" != kvm ] || options+=(--bind=/dev/kvm)
  ! kernel_datapath || options+=(--bind-ro=/lib/modules)
  nspawn "--network-veth-extra=$interface:host0" "${options[@]}" || return 1
  pid=$(cat "$state/nspawn.pid")
  for ((n = 0; n < 600; n++)); do
    if leader >/dev/null && [ -e "/sys/class/net/$interface" ]; then break; fi
    kill -0 $pid 2>/dev/null || { tail -n 5 "$state/log/console.log"; return 1; }
    sleep 0.1
  done
  ip address replace "$gateway_address/24" dev "$interface"
  ip link set "$interface" up
  ip route replace "$external" via "$node_address" dev "$interface"
}

stop_machine() { # powers it off cleanly; its end within two minutes is enforced
  local pid nspawn n
  pid=$(leader) || return 0
  nspawn=$(cat "$state/nspawn.pid")
  kill -RTMIN+4 "$pid"
  for ((n = 0; n < 1200; n++)); do
    ! has_ended "$nspawn" || break
    progress "$(tail -n 1 "$state/log/console.log" | tr -d '\033')"
    sleep 0.1
  done
  cut_power
}

has_ended() { ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; } # PID: it is gone, or its parent has yet to ask how it ended

cut_power() { # ends the machine at once
  local pid
  if pid=$(leader); then
    kill -KILL "$(cat "$state/nspawn.pid")" "$pid" 2>/dev/null || :
    # The container's processes end with its PID 1; its files are free then.
    until has_ended "$pid"; do sleep 0.1; done
  fi
  # The kernel takes the container's networks away later than its processes. Until then the next one could not have an interface of that name.
  while [ -e "/sys/class/net/pv-$machine" ]; do ip link delete "pv-$machine" 2>/dev/null || sleep 0.1; done
  rm -f "$state/nspawn.pid"
  if [ -d /run/systemd/system ]; then
    systemctl stop "$(unit_name).service" 2>/dev/null || : # it is not there, or waits until it has ended
  else
    drop_control_groups
  fi
}
