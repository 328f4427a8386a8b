// Reads Grafana dashboards by Grafana's own published schema: `./dev setup` builds it from here for
// tests/integration/dashboard.bats.
module bulkhead.test/dashboard

go 1.26

tool bulkhead.test/dashboard

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
