// The Go that builds the other tools where there is none, or an older one: a module, which Debian's Go can fetch.
module bulkhead.test/toolchain

go 1.19

require golang.org/toolchain v0.0.1-go1.26.8.linux-amd64
