# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # $lab, $here and the variables that machine.sh works on: who uses this
# A lab: several machines as machine.sh makes them, from one base by overlays, on a bridge of their own. $lab is its directory.

bridge='' subnet=''

lab_settings() { # the networks chosen when the lab was made
  # shellcheck disable=SC1091
  . "$lab/settings"
  gateway_address=${subnet%.*}.1
  external_prefix=${external%.*}
}

choose_lab_networks() {
  local n
  [ ! -e "$lab/settings" ] || return 0
  for n in {100..199}; do
    subnet=10.213.$n.0/24
    collides "$subnet" || break
  done
  ! collides "$subnet" || die 'no network 10.213.N.0/24 is free on this host'
  ! collides "$external" || die "the external network $external overlaps a network of this host"
  printf 'bridge=%s\nsubnet=%s\nexternal=%s\n' "pvlab$n" "$subnet" "$external" >"$lab/settings"
}

on() { # NODE: what follows is about this machine
  machine=$1
  state=$lab/$1
  root=$state/root
  node_address=$(cat "$state/address" 2>/dev/null) || node_address=
}

at() { # NODE COMMAND...: runs it in that machine
  on "$1"
  shift
  inside "$@"
}

lab_bridge() {
  [ -e "/sys/class/net/$bridge" ] || ip link add "$bridge" type bridge
  ip address replace "$gateway_address/24" dev "$bridge"
  ethtool -K "$bridge" tx off >/dev/null
  ip link set "$bridge" up
}

make_base() { # BASE DEB...: the disk that every node begins with
  root=$lab/base
  [ ! -d "$root" ] || rm -rf --one-file-system "$root"
  mkdir -p "$root"
  tar -xf "$1" -C "$root"
  cp -r "$here/node/container/." "$root/"
  shift
  install_debs "$root" "$@"
  # Without a role: what a node does is decided after its packages were installed.
  rm -f "$root"/etc/systemd/system/multi-user.target.wants/pilvi-*.target
}

make_node() { # NAME NUMBER: a machine of that name with the address NUMBER of the lab's network
  on "$1"
  mkdir -p "$state/log" "$state/upper" "$state/work" "$root"
  node_address=${subnet%.*}.$2
  echo "$node_address" >"$state/address"
  echo tcg >"$state/accelerator"
  mount_node "$1"
  systemd-id128 new >"$root/etc/machine-id"
  echo "$1" >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n::1 localhost\n%s %s\n' "$node_address" "$1" >"$root/etc/hosts"
  mkdir -p "$root/etc/systemd/network"
  if kernel_datapath; then node_link host0; else node_bridge; fi
}

node_link() { # DEVICE: the device that has the node's address
  printf '[Match]\nName=%s\n\n[Link]\nRequiredForOnline=yes\n\n[Network]\nAddress=%s/24\nGateway=%s\nLinkLocalAddressing=no\nConfigureWithoutCarrier=yes\n' \
    "$1" "$node_address" "$gateway_address" >"$root/etc/systemd/network/10-$1.network"
}

# Open vSwitch's userspace datapath sends and receives tunnels through its own bridges only: host0 becomes a port of one, which has the address.
# What it forwards must have its checksums (it does not complete them).
node_bridge() {
  printf '[Match]\nName=host0\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nLinkLocalAddressing=no\n' >"$root/etc/systemd/network/10-host0.network"
  node_link br-phy
  cat >"$root/etc/systemd/system/lab-bridge.service" <<'UNIT'
[Unit]
Description=The bridge of this lab node's address
DefaultDependencies=no
Requires=openvswitch-switch.service
After=openvswitch-switch.service
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ovs-vsctl --may-exist add-br br-phy -- set Bridge br-phy datapath_type=netdev -- --may-exist add-port br-phy host0
ExecStart=/usr/sbin/ethtool -K br-phy tx off
ExecStart=/usr/sbin/ethtool -K host0 tx off
ExecStart=/usr/bin/ip link set host0 up
ExecStart=/usr/bin/ip link set br-phy up
[Install]
WantedBy=multi-user.target
UNIT
  ln -sf ../lab-bridge.service "$root/etc/systemd/system/multi-user.target.wants/lab-bridge.service"
}

make_gateway() { # NODE: the external network's gateway is this machine, as the router of a site would be; this host reaches floating IPs through it
  on "$1"
  printf '[Match]\nName=br-ex\n\n[Link]\nActivationPolicy=up\nRequiredForOnline=no\n\n[Network]\nAddress=%s.1/24\nConfigureWithoutCarrier=yes\nLinkLocalAddressing=no\n' \
    "$external_prefix" >"$root/etc/systemd/network/20-br-ex.network"
  echo "$node_address" >"$lab/gateway"
}

mount_node() { # NAME
  on "$1"
  mountpoint -q "$root" || mount -t overlay overlay -o "lowerdir=$lab/base,upperdir=$state/upper,workdir=$state/work" "$root"
}

start_node() { # NAME: boots it and connects it to the bridge
  local options=() pid n interface
  mount_node "$1"
  ! leader >/dev/null || return 0
  interface=pv$(printf '%s' "$lab/$1" | sha256sum | cut -c1-10)
  [ ! -c /dev/net/tun ] || options+=(--bind=/dev/net/tun)
  ! kernel_datapath || options+=(--bind-ro=/lib/modules)
  lab_bridge
  # What a machine that lost its power leaves goes with its last process, a moment later.
  ip link delete "$interface" 2>/dev/null || :
  nspawn "--network-veth-extra=$interface:host0" "${options[@]}" || return 1
  pid=$(cat "$state/nspawn.pid")
  for ((n = 0; n < 200; n++)); do
    if leader >/dev/null && [ -e "/sys/class/net/$interface" ]; then break; fi
    kill -0 "$pid" 2>/dev/null || { tail -n 5 "$state/log/console.log"; return 1; }
    sleep 0.1
  done
  ip link set "$interface" master "$bridge"
  ip link set "$interface" up
  [ ! -e "$lab/gateway" ] || ip route replace "$external" via "$(cat "$lab/gateway")" dev "$bridge"
}

booted() { # NODE
  local now
  now=$(at "$1" systemctl is-system-running) || :
  echo "$now"
  [ "$now" = running ] || [ "$now" = degraded ]
}

lab_nodes() { find "$lab" -mindepth 2 -maxdepth 2 -name address -printf '%h\n' | sed 's|.*/||' | sort; }

destroy_lab() {
  local node
  [ -d "$lab" ] || return 0
  for node in $(lab_nodes); do
    on "$node"
    cut_power
    # Lazily: what the machine ran may hold it for a moment yet.
    ! mountpoint -q "$root" || umount --lazy "$root"
  done
  if [ -e "$lab/settings" ]; then
    lab_settings
    [ ! -e "/sys/class/net/$bridge" ] || ip link delete "$bridge"
  fi
  rm -rf --one-file-system "${lab:?}"
}
