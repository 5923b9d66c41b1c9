# shellcheck shell=bash disable=SC2154,SC2034 # with machine.sh, of which these are variables
# For the tests whose machines become nodes of a cluster: on a bridge in a network namespace of the test there are the controller and machines whose only
# company is a network card. The test says by functions where the controller is: pilvi (the program, there), leases (what pilvi pxe serve has handed out).

controller=10.99.0.1
ip link set lo up
ip link add provisioning type bridge
ip link set provisioning up
tap() { # NAME: a port of the bridge for a machine
  ip tuntap add "$1" mode tap
  ip link set "$1" master provisioning up
}
# A machine that a busy host does not let run is not one that hangs.
patient=(-action watchdog=none)
nic() { echo "tap,ifname=$1,script=no,downscript=no,model=virtio-net-pci,mac=$2"; } # TAP MAC
waiting() { pilvi node list --json | jq -r ".[] | select(.state == \"waiting\" and .mac == \"$1\") | .fingerprint"; } # MAC
member() { pilvi node list --json | jq -e --arg name "$1" --arg role "$2" '.[] | select(.state == "member" and .name == $name and (.roles | index($role)))' >/dev/null; }
waits() { [ -n "$(waiting "$1")" ]; }
leased() { leases | awk -v mac="$1" '$2 == mac && $4 != "*" {print $3; exit}'; } # MAC: what the system was given; loaders say no name
key_line() { echo "ssh_authorized_key=$(cat "$work/key.pub")"; }
knows() { there "$1" "journalctl -q -o cat -u appliance-join | grep -q '^$2 is a member of the cluster of $controller: '"; } # ADDRESS NAME
declare -A daemons=([compute]='pilvi-compute-agent pilvi-network-agent' [network]='pilvi-network-agent pilvi-metadata' [storage]='')
has_roles() { # ADDRESS ROLE...: a member that has these and no other, whose agents run and know the controller, and which would not join again
  local address=$1 role unit
  shift
  for role in "$@"; do
    for unit in "pilvi-$role.target" ${daemons[$role]}; do
      await 900 there "$address" systemctl --quiet is-active "$unit" || fail "$unit of the role $role does not start: $(there "$address" systemctl --failed --plain --no-legend)"
    done
  done
  [ "$(there "$address" pilvi role list | paste -sd ' ')" = "$*" ] || fail "its roles: $(there "$address" pilvi role list)"
  there "$address" "grep -q 'https://$controller:9696' /etc/pilvi/network-agent.d/10-cluster.toml && test ! -e /etc/pilvi/join" || fail 'its agents do not know the controller'
  there "$address" systemctl --quiet is-active pilvi-renew.timer || fail 'its certificate would not be renewed'
  [ -z "$(there "$address" systemctl --failed --plain --no-legend)" ] || fail "failed units: $(there "$address" systemctl --failed --plain --no-legend)"
}

await_waiting() { # MAC HOW: the machine waits, with its fingerprint, on its console, too
  await 1800 waits "$1" || fail 'no machine waits'
  fingerprint=$(waiting "$1")
  ok "a machine without a disk started by $2 from the network waits: $fingerprint"
  pilvi node list | grep -q "node-${1//:/}  *waiting .*$fingerprint" || fail 'what pilvi node list shows'
  await 600 grep -qa "waits for a role; its fingerprint is $fingerprint" "$serial" || fail 'the machine does not show its fingerprint'
  ! grep -qa 'is a member of the cluster' "$serial" || fail 'it is a member already'
}
accept() { # MAC ROLE NAME: by the operator, who compared $fingerprint; it joins and has the role
  pilvi node accept "$fingerprint" --role "$2" --name "$3" | grep -q "$3 ($fingerprint) is accepted: $2" || fail 'the operator cannot accept it'
  await 600 grep -qa "$3 is a member of the cluster of $controller: $2" "$serial" || fail 'it does not join'
  member "$3" "$2" || fail 'it is not listed as a member'
  ! waits "$1" || fail 'it still waits'
  ok "accepted as a $2 node, it joined"
  address=$(leased "$1")
  has_roles "$address" "$2"
}
