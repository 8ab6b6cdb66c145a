#!/bin/sh
# What else would be in three terminals: the service, a consumer, and somebody who asks. The service dies when it has charged
# and has not answered yet. It needs DATABASE_URL and NATS_URL, Go and Node.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
service='' consumer=''
trap 'kill $service $consumer 2>/dev/null || :; wait; rm -r "$work"' EXIT
export PORT="${PORT:-9000}" JOURNAL="$work/charges.ndjson"
go -C ../.. build -o "$work/" ./cmd/consumer ./cmd/publisher
PATH="$work:$PATH"
tenant=$(consumer seed | sed -n 's/^TENANT ID *//p') # found again: dev exec has made it

CRASH=yes node server.mjs &
service=$!
consumer run --metrics-listen 127.0.0.1:0 &
consumer=$!

ask() { publisher publish --type cards.charge --tenant "$tenant" --request-id order-7 --input '{"order_id": 7, "cents": 4200}' "$@"; }
ask
wait $service || echo "the service has died"
node server.mjs &
service=$!
ask --wait # whoever is not sure asks again: it is the same request
echo "charges: $(wc -l <"$JOURNAL")"
