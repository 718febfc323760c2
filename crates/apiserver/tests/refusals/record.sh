#!/bin/sh
# Asks a real kube-apiserver v1.35.4 why it refuses each `*.in.json`; all are dry runs.
#
#     KUBECONFIG=… sh record.sh
#
# Needs curl, jq and kubectl (for the kubeconfig alone).
set -eu
cd "$(dirname "$0")"
config=$(kubectl config view --raw --minify -o json)
server=$(echo "$config" | jq -r '.clusters[0].cluster.server')
token=$(echo "$config" | jq -r '.users[0].user.token')

while read -r name path; do
    curl -sk -H "Authorization: Bearer $token" -X POST -H 'Content-Type: application/json' \
        --data-binary "@$name.in.json" "$server$path?dryRun=All" |
        jq -S '{code, reason, message}' >"$name.out.json"
done <paths.txt
