# Two commands for a fresh machine: make demo, make test. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help demo demo-down lab programs lab-images packages lint audit sbom test test-lab test-others test-all fuzz bench build

CARGO ?= cargo
LAB := tests/lab/lab.sh
# The demo and the tests run the same build.
PROVISION := target/debug/provision

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: packages ## A throw-away VPS, the whole stack on it, every check shown
	$(MAKE) --jobs=2 programs lab-images
	$(LAB) up
	tests/demo.sh $(PROVISION)

demo-down: ## Remove everything that demo and tests made
	$(LAB) down

lab: packages ## Only the throw-away VPS
	$(LAB) up

# What takes processors, and beside it what mostly waits for packages.
programs: packages
	$(CARGO) build --locked --bins --examples

lab-images: packages
	$(LAB) images

packages:
	tests/packages.sh

lint: packages ## Formatting, clippy, shellcheck, actionlint, what the program is made of
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	tests/shellcheck.sh
	tests/actionlint.sh
	tests/supply-chain.sh

audit: packages ## Known weaknesses of dependencies; fetches the database of rustsec.org
	tests/supply-chain.sh advisories

sbom: ## target/provision.cdx.json: what the program is made of, in CycloneDX
	tests/supply-chain.sh sbom

# The tests of the lab have one VPS between them and wait most of their time: clippy and all others run beside them.
test: packages ## All tests, the lab included, and lint
	tests/packages.sh browser
	$(MAKE) --jobs=2 programs lab-images
	$(LAB) up
	$(MAKE) --jobs=3 test-lab test-others lint IT="$$(tests/program.sh)"

# The program of the integration tests. Run by itself it holds no lock of cargo's.
IT = $(shell tests/program.sh)

test-lab:
	$(IT) --test-threads=2 lab::

test-others:
	$(IT) --skip lab::
	$(CARGO) test --locked --lib --bins --examples

test-all: test ## The long matrices as well
	$(IT) --test-threads=1 --ignored --nocapture

# All that we did not write, changed again and again (src/fuzz.rs): each target for FUZZ_SECONDS, one beside another.
FUZZ_SECONDS ?= 600
fuzz: ## Fuzz what reads answers and files, FUZZ_SECONDS=600 a target
	PROVISION_FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --locked --lib -- --nocapture fuzz no_answer_of_a_service_breaks no_file_breaks

bench: packages ## A deploy with nothing to change, in multiples of a cold `ssh host true`
	$(CARGO) build --locked --release
	$(LAB) up
	bench/run.sh target/release/provision

build: ## The release binary
	$(CARGO) build --locked --release
