# shellcheck shell=bash
# shellcheck disable=SC2154 # $tree, $kernel_version: the scripts that build an image
# Making a ramdisk from an unpacked Debian tree ($tree) and a kernel in it ($kernel_version).

libraries() { # PROGRAM...: the loader and the shared libraries that the programs need, by their path in the tree
  local name path directory seen=" ld-linux-x86-64.so.2 "
  echo /lib64/ld-linux-x86-64.so.2
  while [ $# -gt 0 ]; do
    path=$1; shift
    for name in $(objdump -p "$tree$path" | awk '$1 == "NEEDED" {print $2}'); do
      [ "${seen/ $name /}" = "$seen" ] || continue
      seen+="$name "
      for directory in /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu; do
        [ -e "$tree$directory/$name" ] || continue
        echo "$directory/$name"
        set -- "$@" "$directory/$name"
      done
    done
  done
}

copy_programs() { # TARGET PROGRAM...: copies the programs and all that they need to run
  local target=$1 file; shift
  { printf '%s\n' "$@"; libraries "$@"; } | while read -r file; do install -D "$tree$file" "$target$file"; done
}

module_files() { # MODULE...: the files of the modules and of what they depend on, in load order
  local module
  for module; do
    modprobe -d "$tree" -S "$kernel_version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
  done | awk '!seen[$0]++'
}

pack_ramdisk() { # DIRECTORY: the ramdisk on standard output, the same bytes for the same files
  (cd "$1" && find . -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} + && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0)
}
