# shellcheck shell=bash disable=SC2154 # $work, $media: of who reads this
# New systems for a machine that runs, made of pilvi-allinone.squashfs in $media, and how it is handed them. With machine.sh.

next=${PILVI_BUILD:-$here/../../build}/tests/media/pilvi-placement-next # its schema has a number more
[ -x "$next" ] || fail "there is no $next"
# Besides its disk, from which it starts, one that new systems are handed over on: through ssh it takes minutes.
truncate -s 1G "$work/handover"
on_disk=(-drive "if=none,id=disk,file=$disk" -device "virtio-blk-pci,drive=disk,bootindex=1"
  -drive "if=none,id=handover,format=raw,readonly=on,file=$work/handover" -device "virtio-blk-pci,drive=handover,serial=handover")

changed() { # NAME COMMAND...: the squashfs NAME, changed by the command in its tree
  local name=$1; shift
  [ -d "$work/tree" ] || unsquashfs -q -no-progress -d "$work/tree" "$media/pilvi-allinone.squashfs" >/dev/null
  (cd "$work/tree" && "$@")
  rm -f "$work/$name"
  mksquashfs "$work/tree" "$work/$name" -quiet -no-progress -comp zstd -Xcompression-level 1 >/dev/null
}
newer() { cp "$next" usr/libexec/pilvi/pilvi-placement; sed -i 's/^PILVI_SYSTEM=.*/PILVI_SYSTEM=next/' usr/lib/pilvi/system; }
hand_over() { # FILE: it is /root/new.squashfs in the machine
  dd if="$1" of="$work/handover" bs=1M conv=notrunc status=none
  node "blockdev --flushbufs /dev/disk/by-id/virtio-handover && head -c $(stat -c %s "$1") /dev/disk/by-id/virtio-handover >/root/new.squashfs" || fail 'the handover'
}

systems() { node pilvi-upgrade --status; }
# Its schema's highest number; placement's database is below 16 MiB.
schema() { rm -rf "$work/p"; mkdir "$work/p"; node 'cd /var/lib/pilvi/placement && tar -c placement.sqlite*' | tar -x -C "$work/p" --exclude '*-shm'
  sqlite3 "$work/p/placement.sqlite" 'SELECT max(version) FROM schema_migrations'; }
ready() { await 600 node pilvi status --local --wait 300 >/dev/null || fail "not every daemon of the node is ready: $(node pilvi status)"; }
