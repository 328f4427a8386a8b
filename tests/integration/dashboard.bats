#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The dashboard for Grafana, by the schema that Grafana publishes. What its expressions name is in tests/kata/node.bats.

bats_require_minimum_version 1.5.0

load lib

TOOL=${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}/dashboard
DASHBOARD=$BATS_TEST_DIRNAME/../../deploy/grafana/bulkhead.json

setup_file() {
    workspace_make
}

teardown_file() {
    workspace_remove
}

setup() {
    [ -x "$TOOL" ] || skip "needs Grafana's schema, which ./dev setup builds where there is Go"
}

# refused EXPRESSION TEXT: the dashboard that sed(1) makes of it is not taken, and TEXT says why.
refused() {
    sed "$1" "$DASHBOARD" >"$WORK/wrong.json"
    run -1 "$TOOL" "$WORK/wrong.json"
    [[ $output == *"$2"* ]] || { echo "no '$2' in: $output"; return 1; }
}

@test "Grafana's schema knows all of the dashboard; panels have places and numbers of their own" {
    run -0 "$TOOL" "$DASHBOARD"
    [ "$output" = "" ]
}

@test "what Grafana would not take is found" {
    refused 's/"gridPos"/"gridPosition"/' "unexpected field 'gridPosition'"
    refused 's/"expr"/"expression"/' "targets[0].expr: required field is missing"
    refused 's/"refresh": 2/"refresh": "2"/' "cannot unmarshal string"
    refused 's/"id": 2,/"id": 1,/' "its id 1 is taken"
    refused 's/"h": 6/"h": 7/' "is in the place of"
    # shellcheck disable=SC2016  # Grafana's variable
    refused 's/"uid": "${datasource}"/"uid": "mine"/' "another data source"
    refused 's/"type": "table"/"type": "list"/' 'kind "list" is not one of those'
}
