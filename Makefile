# Two commands for a fresh machine: make demo, make test. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help demo demo-down lab lab-down packages lint test test-all bench build

CARGO ?= cargo
LAB := tests/lab/lab.sh
# The demo and the tests run the same build.
PROVISION := target/debug/provision

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: packages ## A throw-away VPS, the whole stack on it, every check shown
	$(CARGO) build --locked --bins --examples
	$(LAB) up
	tests/demo.sh $(PROVISION)

demo-down: ## Remove everything that demo and tests made
	$(LAB) down

lab: packages ## Only the throw-away VPS
	$(LAB) up

packages:
	tests/packages.sh

lint: packages ## Formatting, clippy, shellcheck, actionlint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	tests/shellcheck.sh
	tests/actionlint.sh

test: lint ## All tests, the lab included
	tests/packages.sh browser
	$(CARGO) build --locked --bins --examples
	$(LAB) up
	PROVISION_LAB=1 $(CARGO) test --locked --lib --bins --examples --test it

test-all: test ## The long matrices as well
	PROVISION_LAB=all $(CARGO) test --locked --test it -- --include-ignored

bench: packages ## A deploy with nothing to change, in multiples of a cold `ssh host true`
	$(CARGO) build --locked --release
	$(LAB) up
	bench/run.sh target/release/provision

build: ## The release binary
	$(CARGO) build --locked --release
