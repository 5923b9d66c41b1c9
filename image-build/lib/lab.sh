# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # $lab, $here and the variables that machine.sh works on: who uses this
# A lab: machines as machine.sh makes them, from one role image by overlays, on a bridge of their own. $lab is its directory.
# A function that is about one machine has that machine's $machine, $state, $root and $node_address as its own, and so has what it calls.

bridge='' subnet=''

lab_members() { # NAME NUMBER ROLE: the address NUMBER of the lab's network
  cat <<'TABLE'
controller 10 controller
network 11 network
compute1 12 compute
compute2 13 compute
storage 14 storage
TABLE
}

lab_nodes() { lab_members | cut -d' ' -f1; }
address_of() { echo "${subnet%.*}.$(lab_members | awk -v name="$1" '$1 == name {print $2}')"; } # NAME
nodes_of() { lab_members | awk -v role="$1" '$3 == role {print $1}'; }                           # ROLE

lab_settings() { # the networks chosen when the lab was made
  # shellcheck disable=SC1091
  . "$lab/settings"
  gateway_address=${subnet%.*}.1
  external_prefix=${external%.*}
  controller=$(address_of controller)
}

choose_lab_networks() {
  local n
  [ ! -e "$lab/settings" ] || return 0
  for n in {100..199}; do
    subnet=10.213.$n.0/24
    collides "$subnet" || break
  done
  ! collides "$subnet" || die 'no network 10.213.N.0/24 is free on this host'
  ! collides "$external" || die "the external network $external overlaps a network of this host: set PILVI_LAB_EXTERNAL to another /24"
  printf 'bridge=%s\nsubnet=%s\nexternal=%s\n' "pvlab$n" "$subnet" "$external" >"$lab/settings"
}

at() { # NODE COMMAND...: runs it in that machine
  local machine=$1 state=$lab/$1 root=$lab/$1/root
  shift
  inside "$@"
}

lab_bridge() {
  [ -e "/sys/class/net/$bridge" ] || ip link add "$bridge" type bridge
  ip address replace "$gateway_address/24" dev "$bridge"
  ethtool -K "$bridge" tx off >/dev/null
  ip link set "$bridge" up
}

make_base() { # IMAGE: what every node begins with: the system of the role image without kernel and boot loader, which a container has from this host
  rm -rf --one-file-system "$lab/base" "$lab/base.new"
  unsquashfs -quiet -no-progress -excludes -d "$lab/base.new" "$1/system.squashfs" usr/lib/modules usr/lib/pilvi/boot
  mkdir -p "$lab/base.new/usr/lib/modules"
  cp -r "$here/node/container/." "$lab/base.new/"
  mv "$lab/base.new" "$lab/base"
}

make_node() { # NAME: what a seed volume would say, and the network
  local machine=$1 state=$lab/$1 root=$lab/$1/root node_address
  node_address=$(address_of "$1")
  mkdir -p "$state/log" "$state/upper" "$state/work" "$root"
  mount_node "$1"
  systemd-id128 new >"$root/etc/machine-id"
  printf 'hostname=%s\nssh_authorized_key=%s\n' "$1" "$(cat "$lab/node-key.pub")" >"$root/node.conf"
  chroot "$root" bash -euc '. /usr/libexec/pilvi/answers; read_answers /node.conf; apply_answers /; rm /node.conf'
  printf '127.0.0.1 localhost\n::1 localhost\n%s %s\n' "$node_address" "$1" >"$root/etc/hosts"
  if kernel_datapath; then node_link host0; else node_bridge; fi
  [ "$1" != network ] || make_gateway
  [ "$1" != storage ] || truncate -s 8G "$state/volumes"
  echo "$node_address" >"$state/address"
}

node_link() { # DEVICE: the device that has the node's address
  printf '[Match]\nName=%s\n\n[Link]\nRequiredForOnline=yes\n\n[Network]\nAddress=%s/24\nGateway=%s\nLinkLocalAddressing=no\nConfigureWithoutCarrier=yes\n' \
    "$1" "$node_address" "$gateway_address" >"$root/etc/systemd/network/10-$1.network"
  # What is behind the network node is reached through it, not through this host.
  [ "$machine" = network ] || printf '\n[Route]\nDestination=%s\nGateway=%s\n' "$external" "$(address_of network)" >>"$root/etc/systemd/network/10-$1.network"
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

make_gateway() { # the external network's gateway is the network node, as the router of a site would be; this host reaches floating IPs through it
  printf '[Match]\nName=br-ex\n\n[Link]\nActivationPolicy=up\nRequiredForOnline=no\n\n[Network]\nAddress=%s.1/24\nConfigureWithoutCarrier=yes\nLinkLocalAddressing=no\n' \
    "$external_prefix" >"$root/etc/systemd/network/20-br-ex.network"
}

mount_node() { # NAME
  mountpoint -q "$lab/$1/root" ||
    mount -t overlay overlay -o "lowerdir=$lab/base,upperdir=$lab/$1/upper,workdir=$lab/$1/work" "$lab/$1/root"
}

interface_of() { echo "pv$(printf '%s' "$lab/$1" | sha256sum | cut -c1-10)"; } # NODE: its end on this host

volumes_device() { # NODE: the block device of its disk for volumes, "" where it has none or this host has no loop devices
  local file=$lab/$1/volumes device
  [ -e "$file" ] || return 0
  device=$(losetup --noheadings --output NAME --associated "$file" 2>/dev/null) || :
  [ -n "$device" ] || device=$(losetup --find --show "$file" 2>/dev/null) || :
  echo "$device"
}

start_node() { # NAME: boots it and connects it to the bridge
  local machine=$1 state=$lab/$1 root=$lab/$1/root options=() pid n interface device
  mount_node "$1"
  ! leader >/dev/null || return 0
  interface=$(interface_of "$1")
  device=$(volumes_device "$1")
  [ -z "$device" ] || options+=("--bind=$device")
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
  [ "$1" != network ] || ip route replace "$external" via "$(address_of network)" dev "$bridge"
}

stop_node() { # NAME: powers it off cleanly
  local machine=$1 state=$lab/$1 root=$lab/$1/root
  stop_machine
}

cut_node() { # NAME...: ends them at the same moment, as a power cut does
  local node pid pids=() machine state root
  for node; do
    machine=$node state=$lab/$node root=$lab/$node/root
    pid=$(leader) || continue
    pids+=("$pid" "$(cat "$state/nspawn.pid")")
  done
  [ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || :
  for node; do
    machine=$node state=$lab/$node root=$lab/$node/root
    cut_power
  done
}

node_runs() { # NAME
  local machine=$1 state=$lab/$1 root=$lab/$1/root
  leader >/dev/null
}

booted() { # NODE
  local now
  now=$(at "$1" systemctl is-system-running) || :
  echo "$1: $now"
  [ "$now" = running ] || [ "$now" = degraded ]
}

start_lab() { # [NODE...]: boots them, side by side
  local node
  # shellcheck disable=SC2046
  [ $# -gt 0 ] || set -- $(lab_nodes)
  for node; do start_node "$node" || die "the node $node does not start"; done
  for node; do await 300 "the boot of $node" booted "$node"; done
}

answer_file() { # prints what pilvi deploy is told; the defaults are those of pilvi answers generate
  at controller pilvi answers generate | sed \
    -e "s|^CONFIG_CONTROLLER_HOST=.*|CONFIG_CONTROLLER_HOST=$controller|" \
    -e "s|^CONFIG_NETWORK_HOSTS=.*|CONFIG_NETWORK_HOSTS=$(addresses_of network)|" \
    -e "s|^CONFIG_COMPUTE_HOSTS=.*|CONFIG_COMPUTE_HOSTS=$(addresses_of compute)|" \
    -e "s|^CONFIG_STORAGE_HOST=.*|CONFIG_STORAGE_HOST=$(addresses_of storage)|" \
    -e 's|^CONFIG_SSH_KEY=.*|CONFIG_SSH_KEY=/root/.ssh/id_ed25519|'
}

addresses_of() { # ROLE: separated by commas
  local node
  for node in $(nodes_of "$1"); do address_of "$node"; done | paste -sd,
}

join_by_answers() { # over ssh from the controller, which has the key for it
  install -D -m 600 "$lab/node-key" "$lab/controller/root/root/.ssh/id_ed25519"
  answer_file >"$lab/answers.conf"
  install -m 600 "$lab/answers.conf" "$lab/controller/root/root/answers.conf"
  at controller pilvi deploy --answer-file /root/answers.conf
}

join_by_tokens() {
  local name number role token
  at controller pilvi role add controller
  await 120 pilvi-cluster at controller pilvi token list
  while read -r name number role <&3; do
    if [ "$role" = controller ] || [ -e "$lab/$name/root/var/lib/pilvi/node/membership.json" ]; then continue; fi
    token=$(at controller pilvi token create --role "$role")
    at "$name" pilvi join "$controller" - <<<"$token"
  done 3< <(lab_members)
}

destroy_lab() {
  local node device root
  [ -d "$lab" ] || return 0
  # shellcheck disable=SC2046
  cut_node $(lab_nodes)
  for node in $(lab_nodes); do
    # Lazily: what the machine ran may hold it for a moment yet.
    ! mountpoint -q "$lab/$node/root" || umount --lazy "$lab/$node/root"
    device=$(losetup --noheadings --output NAME --associated "$lab/$node/volumes" 2>/dev/null) || :
    [ -z "$device" ] || losetup --detach "$device"
  done
  if [ -e "$lab/settings" ]; then
    lab_settings
    [ ! -e "/sys/class/net/$bridge" ] || ip link delete "$bridge"
  fi
  rm -rf --one-file-system "${lab:?}"
  for node in $(lab_nodes); do
    root=$lab/$node/root
    drop_control_groups
  done
}
