# The host for pyinfra, from the variables that measure.py wrote.
import json
import os

with open(os.environ["BENCH_VARIABLES"]) as file:
    values = json.load(file)
vps = [
    (
        "127.0.0.1",
        {
            "ssh_port": int(values["port"]),
            "ssh_user": values["user"],
            "ssh_key": values["key"],
            "ssh_known_hosts_file": values["known_hosts"],
            "ssh_strict_host_key_checking": "yes",
            "image": values["image"],
        },
    )
]
