# shellcheck shell=bash
# shellcheck disable=SC2154 # $work, $name, $here, $system: media
# Boxes for Vagrant: a node without a role, whose user vagrant signs in with the key that everybody knows, until the first `vagrant up` replaces it.

box_disk() { # $work/box.raw, made once
  local state=$work/box-state etc=$work/box-etc
  [ ! -e "$work/box.raw" ] || return 0
  mkdir -p "$state/etc/pilvi" "$state/etc/sudoers.d" "$state/home/vagrant/.ssh"
  : >"$state/etc/pilvi/configured"
  echo auto >"$state/etc/pilvi/volumes"
  echo pilvi >"$state/etc/hostname"
  unsquashfs -q -no-progress -d "$etc" "$system/system.squashfs" etc/passwd etc/group etc/shadow >/dev/null
  cp -p "$etc"/etc/{passwd,group,shadow} "$state/etc/"
  echo 'vagrant:x:1000:1000:Vagrant:/home/vagrant:/bin/bash' >>"$state/etc/passwd"
  echo 'vagrant:x:1000:' >>"$state/etc/group"
  echo 'vagrant:*:19000:0:99999:7:::' >>"$state/etc/shadow"
  echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$state/etc/sudoers.d/vagrant"
  chmod 440 "$state/etc/sudoers.d/vagrant"
  cp "$here/vagrant/insecure-key.pub" "$state/home/vagrant/.ssh/authorized_keys"
  chmod 700 "$state/home/vagrant/.ssh"
  chmod 600 "$state/home/vagrant/.ssh/authorized_keys"
  chown -R 1000:1000 "$state/home/vagrant"
  write_disk "$work/box.raw" "$state"
}

# What a box says of itself: no shared folder, as the system has none of the guest tools that they need.
box_file() { # FORMAT-LINE...
  echo 'Vagrant.configure("2") do |config|'
  echo '  config.vm.guest = :debian'
  echo '  config.vm.synced_folder ".", "/vagrant", disabled: true'
  [ $# = 0 ] || printf '  %s\n' "$@"
  echo 'end'
}

make_vagrant_libvirt() {
  box_disk
  mkdir -p "$work/libvirt"
  qemu-img convert -q -c -O qcow2 "$work/box.raw" "$work/libvirt/box.img"
  printf '{"provider": "libvirt", "format": "qcow2", "virtual_size": %d}\n' $((disk_mib / 1024)) >"$work/libvirt/metadata.json"
  box_file 'config.vm.provider(:libvirt) { |v| v.memory = 4096; v.cpus = 2; v.disk_bus = "virtio" }' >"$work/libvirt/Vagrantfile"
  pack "$work/$name-libvirt.box" "$work/libvirt" metadata.json Vagrantfile box.img
  made "$work/$name-libvirt.box"
}

make_vagrant_virtualbox() {
  box_disk
  mkdir -p "$work/virtualbox"
  stream_vmdk "$work/box.raw" "$work/box-disk1.vmdk"
  ovf "$name" box-disk1.vmdk >"$work/virtualbox/box.ovf"
  mv "$work/box-disk1.vmdk" "$work/virtualbox/"
  echo '{"provider": "virtualbox"}' >"$work/virtualbox/metadata.json"
  # VirtualBox gives every imported machine this address; Vagrant looks for it before it gives another.
  box_file 'config.vm.base_mac = "080027504C56"' >"$work/virtualbox/Vagrantfile"
  pack "$work/$name-virtualbox.box" "$work/virtualbox" metadata.json Vagrantfile box.ovf box-disk1.vmdk
  made "$work/$name-virtualbox.box"
}
