# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of allinone and of its other libraries
# What is shown at the end and by --status.

write_clouds() { # clouds.yaml in the state directory: "pilvi" is the administrator, "pilvi-demo" the user
  local entry='  %s:\n    auth:\n      auth_url: %s\n      username: %s\n      password: %s\n      project_name: %s\n      user_domain_name: Default\n      project_domain_name: Default\n    region_name: RegionOne\n    identity_api_version: 3\n'
  (
    umask 077
    {
      echo 'clouds:'
      # shellcheck disable=SC2059
      printf "$entry" pilvi "${base[identity]}" admin "'${password[admin]}'" admin
      # shellcheck disable=SC2059
      [ -z "${password[demo]-}" ] || printf "$entry" pilvi-demo "${base[identity]}" demo "'${password[demo]}'" demo
    } >"$state/clouds.yaml.new"
    mv "$state/clouds.yaml.new" "$state/clouds.yaml"
  )
  hand_over "$state/clouds.yaml"
}

hand_over() { # FILE...: to the user who called sudo
  [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:$SUDO_GID" "$@"
}

daemon_table() { # unit, state, proportional set size
  # shellcheck disable=SC2016
  inside sh -c '
    printf "  %-26s %-10s %9s\n" daemon state "PSS MiB"
    for unit in $(systemctl list-unit-files --no-legend "pilvi-*.service" | cut -d" " -f1); do
      pid=$(systemctl show -P MainPID "$unit"); state=$(systemctl show -P ActiveState "$unit")
      [ "$(systemctl show -P Type "$unit")" = notify ] || continue
      pss=0; [ "$pid" = 0 ] || pss=$(awk "/^Pss:/ {print \$2}" "/proc/$pid/smaps_rollup")
      echo "${unit%.service} $state $pss"
    done | awk "{printf \"  %-26s %-10s %9.1f\n\", \$1, \$2, \$3 / 1024; sum += \$3}
      END {printf \"  %-26s %-10s %9.1f\n\", \"together\", \"\", sum / 1024}"'
}

summary() {
  echo
  echo 'The end of the first server'"'"'s console:'
  console_tail 8 | sed 's/^/  | /'
  echo
  daemon_table
  cat <<TEXT

  server      first ($server_id)
  addresses   $(get demo compute "/servers/$server_id" | jq -r '[.server.addresses[][].addr] | join(", ")')
  ssh         ssh -i $state/id_ed25519 root@$floating_ip
  APIs        ${base[identity]} (and image 9292, compute 8774, network 9696, placement 8778)
  clients     eval "\$($0 --env)"      clouds "pilvi" (administrator) and "pilvi-demo" in $state/clouds.yaml
TEXT
}
