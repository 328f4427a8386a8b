// The validation programs of the Open Container Initiative's runtime-tools: `./dev setup` builds them from here.
// The versions are those of its own module's file.
module bulkhead.test/runtime-tools

go 1.24.1

// suite: github.com/opencontainers/runtime-tools cmd/runtimetest validation/...
// files: rootfs-amd64.tar.gz

require github.com/opencontainers/runtime-tools v0.9.1-0.20251205004911-5e639034dcdc
