// runc's own integration tests, with the programs that they call: `./dev setup` builds them from here.
// The versions are those of its own module's file.
module bulkhead.test/runc-suite

go 1.24.1

// suite: github.com/opencontainers/runc tests/cmd/...
// files: tests go.mod

require github.com/opencontainers/runc v1.3.6
