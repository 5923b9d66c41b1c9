# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # $source_dir, $build, $debs: the commands of image-build

make_packages() { # DIRECTORY: builds this source tree and its packages, as steps; their files are `debs` afterwards
  begin 'build dependencies'
  watched "$source_dir/packaging/dependencies" --install
  finish
  begin 'build'
  build=${build:-$source_dir/build-release}
  [ -e "$build/build.ninja" ] || (cd "$source_dir" && watched cmake --preset release)
  watched nice cmake --build "$build" --target daemons/all metadata-server/all
  finish "$build"
  begin 'packages'
  watched "$source_dir/packaging/build-debs" "$build" "$1"
  mapfile -t debs < <(printf '%s\n' "$1"/*.deb)
  finish "${#debs[@]} in $1"
}
