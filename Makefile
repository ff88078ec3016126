# caisson: `make` builds bin/caisson, one file with everything in it. `make demo` shows it, `make test` tests it; both do
# all their set-up themselves on Debian and Ubuntu.

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=

VERSION := $(shell cat VERSION)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DATE    := $(shell git log -1 --format=%cs 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)

B        := .build
PAYLOAD  := internal/payload/files
RUNC_VERSION := $(shell awk '$$1 == "github.com/opencontainers/runc" || $$2 == "github.com/opencontainers/runc" {print $$NF}' packaging/runc/go.mod | head -n 1)
PAYLOAD_ARGS = caisson-engine=$(B)/caisson-engine=$(VERSION) runc=$(B)/runc=$(RUNC_VERSION) caisson-init=$(B)/caisson-init=$(VERSION)

.PHONY: all payload lint demo test faults machines bench install clean setup setup-build force
all: bin/caisson

# Go decides what is to be built anew; make only orders the steps.
bin/caisson: payload force
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS) -X main.commit=$(COMMIT) -X main.date=$(DATE)' -o $@ ./cmd/caisson

payload: $(B)/runc force
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(B)/caisson-engine ./cmd/caisson-engine
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(B)/caisson-init ./cmd/caisson-init
	$(GO) run ./internal/payload/mkpayload -o $(PAYLOAD) $(PAYLOAD_ARGS)

# runc is C and Go, with seccomp, in one static file.
$(B)/runc: packaging/runc/go.mod packaging/runc/go.sum packaging/runc/tools.go
	@mkdir -p $(B)
	@packaging/setup.sh build
	cd packaging/runc && CGO_ENABLED=1 $(GO) build -trimpath -tags 'seccomp netgo osusergo' \
		-ldflags '-s -w -extldflags -static' -o $(CURDIR)/$@ github.com/opencontainers/runc

# Not built anew: `sudo make install` needs no Go.
install:
	@test -x bin/caisson || { echo 'bin/caisson is missing: run `make` first' >&2; exit 1; }
	install -D -m 0755 bin/caisson $(DESTDIR)$(PREFIX)/bin/caisson

demo: bin/caisson
	@packaging/setup.sh demo
	@examples/demo.sh bin/caisson

test: bin/caisson
	@packaging/setup.sh test
	@packaging/test.sh short

faults: bin/caisson
	@packaging/setup.sh test
	@packaging/test.sh faults

machines: bin/caisson
	@packaging/setup.sh machines
	@packaging/test.sh machines

bench: bin/caisson
	@packaging/setup.sh bench
	@packaging/test.sh bench

lint:
	@packaging/lint.sh

clean:
	rm -rf bin $(B)
	find $(PAYLOAD) -type f ! -name README -delete

force:
