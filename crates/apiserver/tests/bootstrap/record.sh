#!/bin/sh
# Asks a real kube-apiserver v1.35.4, just started, for the objects it makes by itself, and packs them into `data/bootstrap.zst`.
#
#     KUBECONFIG=… sh record.sh
#
# One object a line in the order of their revisions; uids and revisions are left out, times are `<now>` and days `<today>`.
# Needs curl, jq, kubectl (for the kubeconfig alone) and zstd.
set -eu
cd "$(dirname "$0")"
config=$(kubectl config view --raw --minify -o json)
server=$(echo "$config" | jq -r '.clusters[0].cluster.server')
token=$(echo "$config" | jq -r '.users[0].user.token')

while read -r api; do
    curl -sk -H "Authorization: Bearer $token" "$server/$api" | jq -c '
        (.apiVersion) as $version | (.kind | rtrimstr("List")) as $kind |
        .items[] | {apiVersion: $version, kind: $kind} + .'
done <<'LISTS' |
apis/apiregistration.k8s.io/v1/apiservices
apis/flowcontrol.apiserver.k8s.io/v1/flowschemas
apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations
apis/networking.k8s.io/v1/ipaddresses
apis/networking.k8s.io/v1/servicecidrs
apis/rbac.authorization.k8s.io/v1/clusterrolebindings
apis/rbac.authorization.k8s.io/v1/clusterroles
apis/rbac.authorization.k8s.io/v1/rolebindings
apis/rbac.authorization.k8s.io/v1/roles
apis/scheduling.k8s.io/v1/priorityclasses
api/v1/namespaces/kube-system/configmaps/?fieldSelector=metadata.name=kube-apiserver-legacy-service-account-token-tracking
LISTS
    jq -s -c '
        sort_by(.metadata.resourceVersion | tonumber) | .[] | del(.metadata.uid, .metadata.resourceVersion) |
        walk(if type != "string" then .
             elif test("^[0-9-]{10}T[0-9:.]+Z$") then "<now>"
             elif test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then "<today>"
             else . end)' |
    zstd -22 --ultra -q -f -o ../../data/bootstrap.zst
