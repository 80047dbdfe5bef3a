#!/bin/sh
# Deploys the stack to the lab's VPS and shows that it runs. Argument: the program.
set -eu
cd "$(dirname "$0")/.."
provision=$1
PROVISION_IDENTITY=tests/lab/.state/identity.txt
export PROVISION_IDENTITY

echo
echo "== provision deploy lab"
"$provision" deploy lab
echo
echo "== provision deploy lab, once more: nothing to change"
"$provision" deploy lab >/dev/null
echo "nothing was touched"
echo
tests/lab/lab.sh status
echo
echo "Grafana: run \`PROVISION_IDENTITY=$PROVISION_IDENTITY $provision tunnel lab\` and open http://127.0.0.1:3001"
echo "  user admin, password: \`PROVISION_IDENTITY=$PROVISION_IDENTITY $provision secrets view lab grafana_admin_password\`"
echo "\`make demo-down\` removes everything again."
echo
echo "== provision verify lab"
"$provision" verify lab
