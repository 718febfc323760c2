#!/bin/sh
# Asks a real kube-apiserver v1.35.4 what it makes of each `*.in.json`, and which columns its tables have.
#
#     KUBECONFIG=… sh record.sh
#
# Creates are dry runs, but for Services, whose addresses a dry run does not allocate; those are deleted again.
# Needs curl, jq, kubectl (for the kubeconfig alone) and zstd.
set -eu
cd "$(dirname "$0")"
config=$(kubectl config view --raw --minify -o json)
server=$(echo "$config" | jq -r '.clusters[0].cluster.server')
token=$(echo "$config" | jq -r '.users[0].user.token')
ask() { curl -sk -H "Authorization: Bearer $token" "$@"; }

while read -r name path; do
    query='?dryRun=All'
    case $path in */services) query= ;; esac
    ask -X POST -H 'Content-Type: application/json' --data-binary "@$name.in.json" "$server$path$query" |
        jq -S 'del(.metadata.managedFields)' >"$name.out.json"
    case $path in */services) ask -X DELETE "$server$path/$(jq -r .metadata.name "$name.in.json")" >/dev/null ;; esac
    jq -e '.kind != "Status"' "$name.out.json" >/dev/null || { echo "$name: $(jq -r .message "$name.out.json")" >&2; }
done <paths.txt

data=../../data
accept='Accept: application/json;as=Table;v=v1;g=meta.k8s.io'
jq -c '.resources[] | select(.verbs | index("list"))' "$data/resources.json" | while read -r resource; do
    path=$(echo "$resource" | jq -r '(if .group == "" then "/api/" else "/apis/" + .group + "/" end) + .version + "/" + .name')
    ask -H "$accept" "$server$path" | jq -c --argjson of "$resource" '
        ($of | {group, version, kind}) + {columns: [.columnDefinitions[] | if .format == "" then del(.format) else . end]}'
done | jq -s -c . | zstd -19 -q -f -o "$data/columns.zst"
