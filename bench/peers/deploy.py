# The work of playbook.yml for pyinfra.
from pathlib import Path

import yaml
from pyinfra import host
from pyinfra.operations import files, server

here = Path(__file__).parent
folder = "/opt/bench/pyinfra"
port = 19190
values = yaml.safe_load((here / "secrets.yml").read_text())
values |= {"image": host.data.image, "prometheus_port": port}

files.directory(name="The folder", path=folder, mode="755", _sudo=True)
for source in sorted((here / "monitoring").glob("*.yml")):
    files.template(
        name=f"The file {source.name}", src=str(source), dest=f"{folder}/{source.name}", mode="644", _sudo=True, **values
    )
server.shell(
    name="The containers",
    commands=[f"docker compose -p bench-pyinfra -f {folder}/docker-compose.yml up -d"],
    _sudo=True,
)
server.shell(
    name="All targets are up",
    commands=[
        "for turn in $(seq 60); do "
        f"up=$(curl -s http://127.0.0.1:{port}/api/v1/targets | grep -o '\"health\":\"up\"' | wc -l); "
        '[ "$up" -eq 3 ] && exit 0; sleep 1; done; exit 1'
    ],
)
