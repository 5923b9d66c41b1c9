# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with image-build's libraries
# For the tests that run against a whole cloud: image-build/allinone or image-build/lab in a state directory, machine and networks of its own.
set -Eeuo pipefail
shopt -s inherit_errexit

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$tests/../../image-build" && pwd)
export PILVI_STATE=${PILVI_TEST_STATE:-/var/lib/pilvi-test} PILVI_MACHINE=${PILVI_TEST_MACHINE:-pilvi-test}
export PILVI_EXTERNAL=${PILVI_TEST_EXTERNAL:-172.24.5.0/24}
state=$PILVI_STATE lab=$PILVI_STATE machine=$PILVI_MACHINE external=$PILVI_EXTERNAL transfer=${PILVI_TRANSFER:-}
[ "$(id -u)" = 0 ] || { echo 'the system tests need root'; exit 1; }

for library in step machine cloud report lab; do
  # shellcheck disable=SC1090
  . "$here/lib/$library.sh"
done
trap on_exit EXIT

failures=0 checks=0

check() { # WHAT COMMAND...: one expectation; a failed one is reported and the rest goes on
  local what=$1 output status=0
  shift
  checks=$((checks + 1))
  output=$("$@" 2>&1) || status=$?
  if [ $status = 0 ]; then
    echo "ok    $what"
  else
    failures=$((failures + 1))
    echo "FAIL  $what"
    printf '%s\n' "$output" | tail -n 15 | sed 's/^/      | /'
  fi
}

refuse() { ! "$@"; } # COMMAND...: the opposite

eventually() { # SECONDS COMMAND...: repeats it until it succeeds
  local end=$(($(now) + $1 * 1000))
  shift
  until "$@"; do
    [ "$(now)" -lt "$end" ] || return 1
    sleep 0.3
  done
}

verdict() { # ends the test
  echo "$checks checks, $failures failed"
  [ $failures = 0 ] || { echo "$failures of $checks checks failed" >"$state/log/reason"; exit 1; }
  exit 0
}

connect() { # signs in as the administrator and, where they are there, as the user demo; the cloud is one node or a lab
  begin "${0##*/}"
  if [ -d "$lab/controller" ]; then
    lab_settings
    machine=controller root=$lab/controller/root node_address=$controller
  else
    load_settings
  fi
  set_urls
  password[admin]=$(cat "$root/etc/pilvi/credentials/admin-password")
  login admin admin
  password[demo]=$(cat "$state/demo-password")
  login demo demo
  image_id=$(get admin image '/v2/images?name=pilvi-guest' | jq -r '[.images[] | select(.status == "active")][0].id')
  flavor_id=$(get admin compute /flavors | jq -r '.flavors[] | select(.name == "m1.nano") | .id')
  public_id=$(get admin network '/v2.0/networks?name=public' | jq -r '.networks[0].id')
}

make_tenant() { # NAME: a project and user of that name, signed in, with network 10.0.0.0/24, router and group ssh-and-ping
  local project role user
  password[$1]=test-$1-$RANDOM$RANDOM
  project=$(ensure admin identity /projects projects project "$1" '{domain_id: "default"}' "name=$1&domain_id=default")
  user=$(ensure admin identity /users users user "$1" '{domain_id: "default"}' "name=$1&domain_id=default")
  request admin PATCH identity "/users/$user" "$(secret=${password[$1]} jq -n '{user: {password: env.secret}}')" >/dev/null
  role=$(get admin identity '/roles?name=member' | jq -r '.roles[0].id')
  request admin PUT identity "/projects/$project/users/$user/roles/$role" >/dev/null
  login "$1" "$1"
  make_network "$1"
  make_security_group "$1"
  make_keypair "$1"
}

create_server() { # USER NAME NETWORK_ID [JSON]: prints the server's id; JSON: more members
  request "$1" POST compute /servers "$(jq -n --argjson more "${4:-{\}}" --arg name "$2" --arg image "$image_id" --arg flavor "$flavor_id" --arg network "$3" '{server: ({
    name: $name, imageRef: $image, flavorRef: $flavor, networks: [{uuid: $network}], key_name: "allinone",
    security_groups: [{name: "ssh-and-ping"}]} + $more)}')" | jq -r .server.id
}

server_status() { get "$1" compute "/servers/$2" | jq -r .server.status; } # USER ID

has_status() { # USER ID STATUS
  local status
  status=$(server_status "$1" "$2")
  echo "$status"
  [ "$status" = "$3" ]
}

server_gone() { # USER ID: the service answers, without it
  local servers
  servers=$(get "$1" compute /servers/detail) || return
  jq -e --arg id "$2" '[.servers[].id] | index($id) == null' <<<"$servers" >/dev/null
}

server_address() { get "$1" compute "/servers/$2" | jq -r '[.server.addresses[][] | select(.["OS-EXT-IPS:type"] == "fixed")][0].addr'; } # USER ID

add_floating_ip() { # USER SERVER_ID: prints the address
  local port
  port=$(get "$1" network "/v2.0/ports?device_id=$2" | jq -r '.ports[0].id')
  request "$1" POST network /v2.0/floatingips "{\"floatingip\": {\"floating_network_id\": \"$public_id\", \"port_id\": \"$port\"}}" |
    jq -r .floatingip.floating_ip_address
}

guest_at() { # ADDRESS COMMAND...: by ssh in the guest
  local floating_ip=$1
  shift
  guest_ssh "$@"
}

leaks() { # prints what pilvi doctor finds amiss; fails when it finds something
  inside pilvi doctor
}
