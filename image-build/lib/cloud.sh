# shellcheck shell=bash
# shellcheck disable=SC2154 # $state, $node_address, $external_prefix, $step_log: allinone and its other libraries
# The cloud's public API from this host: curl and jq. Every function works on what is there already.

declare -A token=() base=() password=()
image_id='' flavor_id='' public_id='' network_id='' group_id='' server_id='' floating_ip=''

set_urls() {
  base=([identity]=http://$node_address:5000/v3 [image]=http://$node_address:9292 [compute]=http://$node_address:8774/v2.1
    [network]=http://$node_address:9696 [placement]=http://$node_address:8778)
}

token_header() { printf 'header = "X-Auth-Token: %s"\n' "${token[$1]-}"; } # for curl's --config: not on a command line

request() { # USER METHOD SERVICE PATH [JSON]: prints the answer's body; a status of 400 or more ends the run with the service's reason
  local user=$1 method=$2 url=${base[$3]}$4 body=${5-} status answer
  answer=$(curl -sS --max-time 60 -X "$method" --config <(token_header "$user") -H 'OpenStack-API-Version: compute 2.79' \
    -H 'Content-Type: application/json' ${body:+--data-binary "$body"} -w '\n%{http_code}' "$url" 2>&1) || die "$method $url: $answer"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  printf '%s %s %s\n%s\n' "$method" "$url" "$status" "$answer" >>"$step_log"
  [ "$status" -lt 400 ] || die "$method $url answered $status: $(jq -r '.. | .message? // empty' <<<"$answer" 2>/dev/null | head -n 1)"
  printf '%s' "$answer"
}

get() { request "$1" GET "$2" "$3"; }

login() { # USER PROJECT: a token for the user, scoped to the project
  local body headers
  body=$(secret=${password[$1]} jq -n --arg user "$1" --arg project "$2" '{auth: {
    identity: {methods: ["password"], password: {user: {name: $user, domain: {id: "default"}, password: env.secret}}},
    scope: {project: {name: $project, domain: {id: "default"}}}}}')
  headers=$(curl -sS --max-time 30 -o "$step_log" -D - -H 'Content-Type: application/json' --data-binary @- \
    "${base[identity]}/auth/tokens" <<<"$body" 2>&1) || die "no token for $1: $headers"
  token[$1]=$(sed -n 's/^[Xx]-[Ss]ubject-[Tt]oken: *\([^\r]*\).*/\1/p' <<<"$headers")
  [ -n "${token[$1]}" ] || die "no token for $1: $(head -n 1 <<<"$headers")"
}

ensure() { # USER SERVICE PATH COLLECTION SINGULAR NAME JSON [QUERY]: prints the id of the object of that name, made where it is missing
  local user=$1 service=$2 path=$3 collection=$4 singular=$5 name=$6 json=$7 query=${8-} id
  id=$(get "$user" "$service" "$path${query:+?$query}" |
    jq -r --arg c "$collection" --arg n "$name" '[.[$c][] | select(.name == $n)][0].id // empty')
  if [ -z "$id" ]; then
    id=$(request "$user" POST "$service" "$path" "$(jq -n --arg s "$singular" --arg n "$name" "{(\$s): ({name: \$n} + $json)}")" |
      jq -r --arg s "$singular" '.[$s].id')
  fi
  printf '%s' "$id"
}

register_image() { # DIRECTORY: the guest image, public; another build replaces the one registered under the same name
  local key=${1##*/} found id
  found=$(get admin image '/v2/images?name=pilvi-guest')
  id=$(jq -r --arg key "$key" '[.images[] | select(.status == "active" and .pilvi_guest_build == $key)][0].id // empty' <<<"$found")
  if [ -z "$id" ]; then
    id=$(request admin POST image /v2/images "$(jq -n --arg key "$key" '{name: "pilvi-guest", disk_format: "qcow2",
      container_format: "bare", visibility: "public", min_ram: 96, min_disk: 1, pilvi_guest_build: $key}')" | jq -r .id)
    curl -sS --fail-with-body -X PUT --config <(token_header admin) -H 'Content-Type: application/octet-stream' \
      -T "$1/guest.qcow2" "${base[image]}/v2/images/$id/file" >>"$step_log" 2>&1 || die 'the image was not taken'
    jq -r --arg id "$id" '.images[] | select(.id != $id) | .id' <<<"$found" | while read -r old; do
      request admin DELETE image "/v2/images/$old" >/dev/null
    done
  fi
  image_id=$id
}

make_flavors() {
  local name ram disk vcpus have
  have=$(get admin compute /flavors | jq -r '.flavors[].name')
  while read -r name ram disk vcpus; do
    grep -qxF "$name" <<<"$have" || request admin POST compute /flavors \
      "{\"flavor\": {\"name\": \"$name\", \"ram\": $ram, \"disk\": $disk, \"vcpus\": $vcpus}}" >/dev/null
  done <<'TABLE'
m1.nano 128 1 1
m1.tiny 512 1 1
m1.small 2048 20 1
m1.medium 4096 40 2
m1.large 8192 80 4
TABLE
  flavor_id=$(get admin compute /flavors | jq -r '.flavors[] | select(.name == "m1.nano") | .id')
}

make_project() { # project and user "demo", as an administrator makes them
  local project role user_id
  [ -s "$state/demo-password" ] || (umask 077; head -c 18 /dev/urandom | base64 | tr '+/' '-_' >"$state/demo-password")
  password[demo]=$(cat "$state/demo-password")
  project=$(ensure admin identity /projects projects project demo '{domain_id: "default"}' 'name=demo&domain_id=default')
  user_id=$(ensure admin identity /users users user demo '{domain_id: "default"}' 'name=demo&domain_id=default')
  role=$(get admin identity '/roles?name=member' | jq -r '.roles[0].id')
  request admin PUT identity "/projects/$project/users/$user_id/roles/$role" >/dev/null
  # The password in the state directory is the one that counts: a state directory that was lost gets a new one.
  if ! (login demo demo) >/dev/null 2>&1; then
    request admin PATCH identity "/users/$user_id" "$(secret=${password[demo]} jq -n '{user: {password: env.secret}}')" >/dev/null
  fi
  login demo demo
}

make_external_network() {
  public_id=$(ensure admin network /v2.0/networks networks network public \
    '{"router:external": true, "provider:network_type": "flat", "provider:physical_network": "public"}' name=public)
  ensure admin network /v2.0/subnets subnets subnet public "$(jq -n --arg id "$public_id" --arg p "$external_prefix" '{network_id: $id,
    ip_version: 4, cidr: "\($p).0/24", gateway_ip: "\($p).1", enable_dhcp: false,
    allocation_pools: [{start: "\($p).10", end: "\($p).250"}]}')" "network_id=$public_id" >/dev/null
}

make_network() { # [USER]: the user's network, subnet and a router with a gateway on the external network
  local user=${1:-demo} subnet router
  network_id=$(ensure "$user" network /v2.0/networks networks network "$user" '{}' "name=$user")
  subnet=$(ensure "$user" network /v2.0/subnets subnets subnet "$user" \
    "{network_id: \"$network_id\", ip_version: 4, cidr: \"10.0.0.0/24\"}" "network_id=$network_id")
  router=$(ensure "$user" network /v2.0/routers routers router "$user" "{external_gateway_info: {network_id: \"$public_id\"}}" "name=$user")
  if ! get "$user" network "/v2.0/ports?device_id=$router" | jq -e --arg id "$subnet" '[.ports[].fixed_ips[].subnet_id] | index($id)' >/dev/null; then
    request "$user" PUT network "/v2.0/routers/$router/add_router_interface" "{\"subnet_id\": \"$subnet\"}" >/dev/null
  fi
}

make_security_group() { # [USER]: ssh and ping from everywhere
  local user=${1:-demo} have rule
  group_id=$(ensure "$user" network /v2.0/security-groups security_groups security_group ssh-and-ping \
    '{description: "ssh and ping from everywhere"}' name=ssh-and-ping)
  have=$(get "$user" network "/v2.0/security-group-rules?security_group_id=$group_id&direction=ingress")
  for rule in '{"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}' '{"protocol": "icmp"}'; do
    jq -e --argjson rule "$rule" 'any(.security_group_rules[]; contains($rule))' <<<"$have" >/dev/null ||
      request "$user" POST network /v2.0/security-group-rules "$(jq -n --argjson rule "$rule" --arg id "$group_id" \
        '{security_group_rule: ({direction: "ingress", ethertype: "IPv4", security_group_id: $id} + $rule)}')" >/dev/null
  done
}

make_keypair() { # [USER]: the key pair lives in the state directory
  local user=${1:-demo} public found
  [ -s "$state/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C pilvi-allinone -f "$state/id_ed25519"
  hand_over "$state"/id_ed25519{,.pub}
  public=$(cat "$state/id_ed25519.pub")
  found=$(get "$user" compute /os-keypairs | jq -r '.keypairs[].keypair | select(.name == "allinone") | .public_key')
  if [ "${found%$'\n'}" != "$public" ]; then
    [ -z "$found" ] || request "$user" DELETE compute /os-keypairs/allinone >/dev/null
    request "$user" POST compute /os-keypairs "$(jq -n --arg k "$public" '{keypair: {name: "allinone", public_key: $k}}')" >/dev/null
  fi
}

user_data() {
  cat <<'SCRIPT'
#!/bin/sh
echo "user-data: $(hostname) has started"
echo "$(hostname)" >/root/user-data-ran
SCRIPT
}

make_server() { # [NAME]: the server of that name; one that failed is made anew, one that is off is started
  local name=${1:-first} server status
  server=$(get demo compute /servers/detail | jq -c --arg name "$name" '[.servers[] | select(.name == $name)][0] // {}')
  server_id=$(jq -r '.id // empty' <<<"$server")
  status=$(jq -r '.status // empty' <<<"$server")
  case $status in
    ERROR)
      request demo DELETE compute "/servers/$server_id" >/dev/null
      await 300 'deleting the failed server' server_is_gone
      server_id=
      ;;
    SHUTOFF) request demo POST compute "/servers/$server_id/action" '{"os-start": null}' >/dev/null ;;
  esac
  [ -n "$server_id" ] || server_id=$(request demo POST compute /servers "$(jq -n --arg name "$name" --arg image "$image_id" --arg flavor "$flavor_id" \
    --arg network "$network_id" --arg group ssh-and-ping --arg data "$(user_data | base64 -w 0)" '{server: {name: $name, imageRef: $image,
      flavorRef: $flavor, networks: [{uuid: $network}], key_name: "allinone", security_groups: [{name: $group}],
      user_data: $data}}')" | jq -r .server.id)
}

server_is_gone() { [ "$(get demo compute /servers/detail | jq --arg id "$server_id" '[.servers[] | select(.id == $id)] | length')" = 0 ]; }

server_is_active() { # prints the state as progress; a server that failed ends the run with the fault's message
  local server
  server=$(get demo compute "/servers/$server_id" | jq -c .server)
  case $(jq -r .status <<<"$server") in
    ACTIVE) ;;
    ERROR) echo "ERROR: $(jq -r '.fault.message // "no reason given"' <<<"$server")"; return 3 ;;
    *) jq -r '"\(.status) \(.["OS-EXT-STS:task_state"] // "")"' <<<"$server"; return 1 ;;
  esac
}

make_floating_ip() {
  local port found id
  port=$(get demo network "/v2.0/ports?device_id=$server_id" | jq -r '.ports[0].id')
  found=$(get demo network /v2.0/floatingips)
  floating_ip=$(jq -r --arg p "$port" '[.floatingips[] | select(.port_id == $p)][0].floating_ip_address // empty' <<<"$found")
  [ -z "$floating_ip" ] || return 0
  id=$(jq -r '[.floatingips[] | select(.port_id == null)][0].id // empty' <<<"$found")
  if [ -n "$id" ]; then
    request demo PUT network "/v2.0/floatingips/$id" "{\"floatingip\": {\"port_id\": \"$port\"}}"
  else
    request demo POST network /v2.0/floatingips "{\"floatingip\": {\"floating_network_id\": \"$public_id\", \"port_id\": \"$port\"}}"
  fi >"$state/floating-ip.json"
  floating_ip=$(jq -r .floatingip.floating_ip_address "$state/floating-ip.json")
}

guest_ssh() { # COMMAND...: in the server at $floating_ip; an address may belong to another server than last time, so no host key is kept
  ssh -i "$state/id_ed25519" -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o LogLevel=ERROR "root@$floating_ip" "$@"
}

ssh_answers() { # prints the console's last line as progress
  guest_ssh true >/dev/null 2>&1 && return 0
  console_tail 1
  return 1
}

console_tail() { # LINES
  request demo POST compute "/servers/$server_id/action" "{\"os-getConsoleOutput\": {\"length\": $1}}" | jq -r .output | tr -d '\r\000' | tail -n "$1"
}

check_guest() { # [NAME]: what a guest must have got: its name, its user's script, its metadata, its way out
  guest_ssh "set -e
    n=0; until [ -s /var/lib/guest/instance ] || [ \$n = 600 ]; do n=\$((n + 1)); sleep 0.2; done
    test \"\$(hostname)\" = ${1:-first}
    test \"\$(cat /root/user-data-ran)\" = ${1:-first}
    wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json | grep -q $server_id
    wget -q -O - http://169.254.169.254/latest/meta-data/instance-id | grep -q '^i-'
    ping -c 3 -W 5 $external_prefix.1 >/dev/null" >>"$step_log" 2>&1
}
