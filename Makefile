# A thin layer over CMake: `cmake --preset release && cmake --build --preset release` does as well.

RUN := $(CURDIR)/build/run

all: deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release

# installs what is missing with the system's package manager
deps:
	@tools/deps.sh

deps-test:
	@tools/deps.sh test

# serves the demo line-up on http://localhost:5000/
run: all
	@mkdir -p $(RUN)
	AMPS_DEMO_DIR=$(CURDIR)/build/demo build/bin/amps serve --config etc/demo.yaml \
		--state-dir $(RUN)/state --runtime-dir $(RUN)/runtime

test: deps-test
	@tests/run.sh

bench: deps-test all
	@tests/bench/run.sh

# how soon a channel starts, beside the ffmpeg program
bench-start: deps-test all
	@/usr/bin/python3 tests/bench/starts.py

lint: deps-test
	@tests/run.sh lint

# each target searches for FUZZ_SECONDS (60)
fuzz: deps-test
	@tests/run.sh search

# what takes long: every kind of source, a hundred faults of each kind, everything at once, fuzzing,
# Debian 13
soak: deps-test
	@tests/run.sh soak search
	@tests/debian13.sh --demo

# builds and tests in a chroot of Debian 13, plays the demo line-up there; needs root
debian13: deps-test
	@tests/debian13.sh --demo

# every kind of source from its real sender, a minute each, as a table
sources: deps-test all
	@AMPS_BIN=$(CURDIR)/build/bin /usr/bin/python3 tests/system/sources.py

# build/dist/amps-VERSION.tar.gz, the same from the same commit
dist:
	@tools/dist.sh build/dist

# packages for this Debian or Ubuntu, in build/deb/
deb:
	@tools/deps.sh package
	@packaging/deb.sh build/deb

# source and binary packages for Fedora, in build/rpm/
rpm:
	@tools/deps.sh rpm
	@packaging/rpm.sh build/rpm

# the image amps-server, with docker
image:
	docker build -t amps-server .

# packages and the image: built twice, checked, installed, run under the unit, upgraded, purged; needs
# root and the registries of packages
test-packages: deps-test
	@tools/deps.sh package
	@tools/deps.sh rpm
	@tools/deps.sh engine
	@/usr/bin/python3 tests/packages/packages.py

install: all
	@cmake --install build

clean:
	rm -rf build

.PHONY: all deps deps-test run test bench bench-start lint fuzz soak debian13 sources dist deb rpm image test-packages install clean
