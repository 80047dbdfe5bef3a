#!/usr/bin/env python3
"""Measures provision against its budgets: measure.py PROVISION [VENV]

PROVISION is the program; with VENV, a virtual environment that holds Ansible and pyinfra, these do the same work.
Called by run.sh, which makes ready what is needed. Everything happens on copies of the project that lead through
rttproxy.py to the lab's VPS, so that distances can be chosen. What is compared is measured in turns: absolute
times drift, ratios within one run do not.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RTTS = (0, 25, 50, 100)
COMPARED = (0, 50)
TURNS = 5
ENVIRONMENT = "lab"
# The file that is changed to see what one costs: a template of about 2 KB that is a file of its own on the host.
CHANGED = "stack/monitoring/alertmanager/alertmanager.yml.tera"

over_budget = 0


def fail(text):
    sys.exit(f"bench: {text}")


def line(what, figure, budget="", holds=None):
    """One line of the table."""
    global over_budget
    verdict = {None: "", True: "ok", False: "OVER"}[holds]
    over_budget += holds is False
    print(f"{what:<52} {figure:>14}   {budget:<12} {verdict}".rstrip(), flush=True)


def at_most(what, value, unit, most, digits=1):
    line(what, f"{value:.{digits}f}{unit}", f"≤ {most}{unit}", round(value, digits) <= most)


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"


def timed(command, **options):
    """Runs a command and gives its seconds and its output; ends the measurement when it fails."""
    begun = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)
    took = time.perf_counter() - begun
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-3000:]
        fail(f"exit code {done.returncode}: {' '.join(map(str, command))}\n{tail}")
    return took, done.stdout


def slope(points):
    """Least squares: how much y grows with each x."""
    xs, ys = zip(*points)
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x in xs)


def field(text, name):
    found = re.findall(rf"^ +{name}: *(\S+)$", text, re.MULTILINE)
    if len(found) != 1:
        fail(f"inventory/{ENVIRONMENT}.yml: one `{name}:` expected, {len(found)} found")
    return found[0]


class Proxy:
    def __init__(self, address, port):
        command = [sys.executable, str(ROOT / "bench/rttproxy.py"), f"{address}:{port}", *map(str, RTTS)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if len(words) != len(RTTS):
            fail("the proxy did not start")
        self.ports = dict(zip(RTTS, words))

    def counts(self):
        """Connections, bytes sent and bytes received since the last call."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(int(word) for word in self.process.stdout.readline().split())

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Project:
    """A copy of the project whose host is a port of the proxy."""

    def __init__(self, folder, port, inventory, known_hosts, identity_file):
        self.folder = folder
        for name in ("stack", "inventory", "secrets"):
            shutil.copytree(ROOT / name, folder / name)
        for name, value in (("address", "127.0.0.1"), ("port", port), ("identity_file", identity_file)):
            inventory = re.sub(rf"^( +{name}: *)\S+$", rf"\g<1>{value}", inventory, flags=re.MULTILINE)
        (folder / f"inventory/{ENVIRONMENT}.yml").write_text(inventory)
        self.known_hosts = folder / f"inventory/{ENVIRONMENT}.known_hosts"
        self.known_hosts.write_text(
            "".join(f"[127.0.0.1]:{port} {line.split(' ', 1)[1]}\n" for line in known_hosts.splitlines() if line)
        )


class Bench:
    def __init__(self, provision, venv, folder, proxy, inventory):
        self.provision = provision
        self.venv = venv
        self.folder = folder
        self.proxy = proxy
        self.inventory = inventory
        self.user = field(inventory, "user")
        self.key = (ROOT / field(inventory, "identity_file")).resolve()
        # No agent: whose keys somebody has loaded is not ours to measure.
        self.surroundings = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        known_hosts = (ROOT / f"inventory/{ENVIRONMENT}.known_hosts").read_text()
        self.projects = {
            rtt: Project(folder / f"rtt-{rtt}", port, inventory, known_hosts, self.key)
            for rtt, port in proxy.ports.items()
        }

    def deploy(self, rtt, expected=None):
        """Deploys over a distance: seconds, and the events. Fails when the outcome is not the expected one."""
        command = [self.provision, "-C", self.projects[rtt].folder, "--output", "json", "deploy", ENVIRONMENT]
        took, output = timed(command, env=self.surroundings)
        events = [json.loads(text) for text in output.splitlines()]
        outcomes = [event["outcome"] for event in events if event["event"] == "outcome"]
        if expected and outcomes != [expected]:
            fail(f"`{expected}` was expected of the deploy, it says {outcomes}")
        return took, events

    def ssh(self, rtt):
        """A cold `ssh host true`."""
        options = ("ControlMaster=no", "ControlPath=none", "BatchMode=yes", "IdentitiesOnly=yes",
                   "GlobalKnownHostsFile=none", f"UserKnownHostsFile={self.projects[rtt].known_hosts}")
        words = [word for option in options for word in ("-o", option)]
        command = ["ssh", "-F", "none", *words, "-i", self.key, "-p", self.proxy.ports[rtt], f"{self.user}@127.0.0.1", "true"]
        return timed(command, env=self.surroundings)[0]

    def in_turns(self, work, turns=TURNS):
        """Does each piece of work once a turn; the medians by name."""
        seconds = {name: [] for name in work}
        for _ in range(turns):
            for name, do in work.items():
                seconds[name].append(do())
        return {name: statistics.median(taken) for name, taken in seconds.items()}

    def near_and_far(self):
        self.deploy(0)
        self.proxy.counts()
        self.deploy(0, "unchanged")
        time.sleep(0.1)
        connections, sent, received = self.proxy.counts()
        work = {("deploy", rtt): lambda rtt=rtt: self.deploy(rtt, "unchanged")[0] for rtt in RTTS}
        work |= {("ssh", rtt): lambda rtt=rtt: self.ssh(rtt) for rtt in RTTS}
        self.medians = self.in_turns(work)
        for rtt in COMPARED:
            ssh, deploy = self.medians["ssh", rtt], self.medians["deploy", rtt]
            line(f"RTT {rtt} ms: ssh host true", ms(ssh))
            line(f"RTT {rtt} ms: deploy, nothing to change", ms(deploy))
            at_most(f"RTT {rtt} ms: ratio", deploy / ssh, " ×", 1.4 if rtt == 0 else 1.15, 2)
        trips = {name: slope([(rtt / 1000, self.medians[name, rtt]) for rtt in RTTS]) for name in ("deploy", "ssh")}
        at_most("round trips of that deploy", trips["deploy"], "", 9)
        line("round trips of ssh host true", f"{trips['ssh']:.1f}")
        line("that deploy's connections, bytes sent, received", f"{connections}, {sent}, {received}")

    def one_changed_file(self):
        changed = self.projects[0].folder / CHANGED
        before = changed.read_bytes()
        changed.write_bytes(before + f"# {time.time()}\n".encode())
        self.proxy.counts()
        try:
            self.deploy(0, "deployed")
            time.sleep(0.1)
            _, sent, received = self.proxy.counts()
        finally:
            changed.write_bytes(before)
            self.deploy(0)
        at_most(f"bytes sent for one changed file of {len(before)} bytes", sent / 1000, " KB", 12)
        line("bytes received for it", f"{received / 1000:.1f} KB")

    def offline(self):
        project = self.projects[0].folder
        medians = self.in_turns({
            "check": lambda: timed([self.provision, "-C", project, "check", ENVIRONMENT], env=self.surroundings)[0],
            "version": lambda: timed([self.provision, "--version"])[0],
        }, 4 * TURNS)
        at_most("check of the whole stack", medians["check"] * 1000, " ms", 50)
        at_most("provision --version", medians["version"] * 1000, " ms", 5)
        at_most("release binary", self.provision.stat().st_size / 1e6, " MB", 14)
        libraries = [text.split()[0].rsplit("/", 1)[-1] for text in timed(["ldd", self.provision])[1].splitlines()]
        # What glibc itself consists of, with gcc's unwinder.
        libc = r"(linux-(vdso|gate)|ld-linux[\w-]*|libc|libm|libgcc_s|libpthread|libdl|librt)\.so"
        others = [name for name in libraries if not re.match(libc, name)]
        line("shared libraries", " ".join(others) or "libc only", "libc only", not others)

    def peers(self):
        image = {name: field(self.inventory, name) for name in ("prometheus", "alertmanager", "node_exporter")}
        work = {}
        for rtt in COMPARED:
            port, known_hosts = self.proxy.ports[rtt], self.projects[rtt].known_hosts
            values = {"port": port, "user": self.user, "key": str(self.key), "known_hosts": str(known_hosts), "image": image}
            variables = self.folder / f"peers-{rtt}.json"
            variables.write_text(json.dumps(values))
            work["ansible", rtt] = lambda variables=variables: self.ansible(variables)
            work["pyinfra", rtt] = lambda variables=variables: self.pyinfra(variables)
        for rtt in COMPARED:
            work["deploy", rtt] = lambda rtt=rtt: self.deploy(rtt, "unchanged")[0]
        # The first run changes; it is the second that is asked for.
        work["ansible", 0]()
        work["pyinfra", 0]()
        medians = self.in_turns(work, 3)
        for rtt in COMPARED:
            for peer, least in (("ansible", 10), ("pyinfra", 4)):
                seconds = medians[peer, rtt]
                times = seconds / medians["deploy", rtt]
                line(f"RTT {rtt} ms: {peer}, nothing to change", ms(seconds))
                line(f"RTT {rtt} ms: {peer} over our deploy", f"{times:.1f} ×", f"≥ {least} ×", times >= least)

    def ansible(self, variables):
        values = json.loads(variables.read_text())
        # ControlPersist is Ansible's own default; each run begins without a master, as a deploy does.
        sockets = tempfile.mkdtemp(prefix="cp-", dir=self.folder)
        options = f"-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={values['known_hosts']}"
        surroundings = self.surroundings | {
            "ANSIBLE_CONFIG": str(ROOT / "bench/peers/ansible.cfg"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "ansible"),
            "ANSIBLE_SSH_ARGS": options,
        }
        took, output = timed(
            [self.venv / "bin/ansible-playbook", "-i", "127.0.0.1,", "-u", values["user"], "--private-key", values["key"],
             "-e", f"ansible_port={values['port']}", "-e", f"@{variables}", "-e", f"@{ROOT / 'bench/peers/secrets.yml'}",
             ROOT / "bench/peers/playbook.yml"],
            env=surroundings,
        )
        for control in Path(sockets).iterdir():
            timed(["ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={control}", "127.0.0.1"])
        if "failed=0" not in output:
            fail(f"Ansible:\n{output}")
        return took

    def pyinfra(self, variables):
        peers = ROOT / "bench/peers"
        surroundings = self.surroundings | {"BENCH_VARIABLES": str(variables), "PYTHONDONTWRITEBYTECODE": "1"}
        return timed([self.venv / "bin/pyinfra", "-y", peers / "inventory.py", peers / "deploy.py"],
                     env=surroundings, cwd=peers)[0]


def main():
    # Ended by a signal, we clean up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    provision = Path(sys.argv[1]).resolve()
    venv = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    os.environ["PROVISION_IDENTITY"] = str(ROOT / "tests/lab/.state/identity.txt")
    inventory = (ROOT / f"inventory/{ENVIRONMENT}.yml").read_text()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        proxy = Proxy(field(inventory, "address"), field(inventory, "port"))
        stack.callback(proxy.stop)
        bench = Bench(provision, venv, folder, proxy, inventory)
        bench.near_and_far()
        bench.one_changed_file()
        bench.offline()
        if venv:
            bench.peers()
    print(f"\n{over_budget} over budget" if over_budget else "\nall within budget")


if __name__ == "__main__":
    main()
