# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with image-build's libraries
# For tests of packages on a node of their own that apt installs them on, from a repository.

# What apt is to know: the repository and nothing else.
apt() { # ARGUMENT...
  inside env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dir::Etc::SourceList=/etc/apt/sources.list.d/pilvi.list -o Dir::Etc::SourceParts=/none \
    -o APT::Install-Recommends=false "$@"
}

publish() { # DIRECTORY: its packages are what the node's repository has now
  local repository=$root/srv/pilvi
  mkdir -p "$repository"
  rm -f "$repository"/*
  cp "$1"/*.deb "$repository/"
  "$tree/packaging/apt-repository" "$repository" >/dev/null
  echo 'deb [trusted=yes] file:/srv/pilvi ./' >"$root/etc/apt/sources.list.d/pilvi.list"
  apt update
}

renumber() { # FROM TO VERSION: packages with the same content under another version
  local deb version
  rm -rf "$2" "$2.parts"
  mkdir -p "$2"
  for deb in "$1"/*.deb; do
    version=$(dpkg-deb -f "$deb" Version)
    dpkg-deb -R "$deb" "$2.parts"
    sed -i "s/^Version: .*/Version: $3/; s/= ${version//./\\.})/= $3)/g" "$2.parts/DEBIAN/control"
    dpkg-deb -Zgzip -z1 --root-owner-group -b "$2.parts" "$2/$(basename "${deb/_${version}_/_$3_}")" >/dev/null
    rm -rf "$2.parts"
  done
}

bare_machine() { # BASE: a node with all that the packages need and none of them; it runs afterwards
  rm -rf --one-file-system "$root"
  mkdir -p "$root"
  tar -xf "$1" -C "$root"
  systemd-id128 new >"$root/etc/machine-id"
  cp -r "$here/node/container/." "$root/"
  echo tcg >"$state/accelerator"
  mkdir -p "$root/etc/pilvi"
  configure_root
  rm -r "$root/etc/pilvi"
  start_machine
}

ready() { inside systemctl is-system-running --wait; }

# What is on the node, a line each: files with their modes and owners, accounts, interfaces, what Open vSwitch, libvirt and the packet filter know, processes.
# Left out: what the kernel and systemd show, logs, caches, the records of the package manager, and a database server's files.
snapshot() {
  # shellcheck disable=SC2016
  inside sh -c '
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/cache -o -path /root \
      -o -path /srv -o -path /var/lib/postgresql -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path "/etc/*-" \
      -o -path /etc/apt/sources.list.d/pilvi.list \) -prune \
      -o -printf "file %p %M %u:%g\n"
    find /run -maxdepth 1 -printf "file %p\n"
    find /run/netns -printf "file %p\n" 2>/dev/null
    find / -xdev -path "/etc/systemd/*" -xtype l -printf "dangling %p\n"
    getent passwd | sed "s/:.*//; s/^/user /"
    getent group | sed "s/:.*//; s/^/group /"
    ip -o link | sed "s/^[0-9]*: \([^:@]*\).*/interface \1/"
    ovs-vsctl list-br | while read -r bridge; do echo "bridge $bridge"; ovs-vsctl list-ports "$bridge" | sed "s/^/port $bridge /"; done
    virsh -q list --all --name | sed "/^$/d; s/^/domain /"
    nft list tables 2>/dev/null | sed "s/^/nft /"
    systemctl list-units --all --no-legend --plain "pilvi*" | awk "\$2 != \"not-found\" {print \"unit\", \$1}"
    ps -eo comm= | grep -E "^(pilvi|qemu|dnsmasq)" | sed "s/^/process /"' | sed '/^$/d' | LC_ALL=C sort -u
}

asker=
start_asking() { # asks the APIs until stop_asking; see ask
  touch "$state/asking"
  (umask 077 && echo "${token[admin]}" >"$state/token")
  "$tree/tests/packaging/ask" --far "$state/asking" "$state/token" "identity=${base[identity]}/projects" "image=${base[image]}/v2/images" \
    "placement=${base[placement]}/resource_providers" "compute=${base[compute]}/servers" "network=${base[network]}/v2.0/networks" >"$state/asked" &
  asker=$!
}

stop_asking() {
  rm -f "$state/asking"
  wait $asker
}

asked() { # WHAT: the sum of it over all clients
  grep -o " $1=[0-9]*" "$state/asked" | awk -F= '{n += $2} END {print n + 0}'
}

pinger=
start_pinging() { # ADDRESS
  ping -n -i 0.25 "$1" >"$state/pings" &
  pinger=$!
}

stop_pinging() { # $sent and $received say what came of it
  kill -INT $pinger
  wait $pinger || :
  read -r sent received < <(sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/\1 \2/p' "$state/pings")
}
