#!/bin/sh
# A walk through the API with curl, on the server that `make demo` left running; the README quotes it.
# Usage, in the project's directory: sh docs/walkthrough.sh [http://127.0.0.1:8000]
set -eu
API="${1:-http://127.0.0.1:8000}/api/v1"
flask() { .venv/bin/python -m flask "$@"; }
export FIELDMERGE_TENANT=demo

# --- Two people of the demo company: a rep with a phone, and her manager at a desk.
PASSWORD='green tea at seven'
hire() { flask user list | grep -q "^$1	" || echo "$PASSWORD" | flask user create "$@" --password-stdin; }
hire mina --name 한미나 --role rep --territory SEOUL-GANGNAM
hire jun --name 박준 --role manager --territory CAPITAL

cd "$(mktemp -d)" # for the answers

# --- Log in. A device is registered with it; tokens belong to the device.
it() { python3 -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
log_in() {
  curl -sS --fail-with-body "$API/auth/login" -H 'Content-Type: application/json' -d '{
    "tenant": "demo", "login": "'"$1"'", "password": "'"$PASSWORD"'",
    "device": {"name": "'"$2"'", "platform": "web", "app_version": "1.0.0"}}' | it 'it["access_token"]'
}
PHONE=$(log_in mina "Mina's phone")
DESK=$(log_in jun "Jun's desk")
ask() { # ask TOKEN PATH [curl's options]: one request, with JSON both ways
  token=$1 path=$2; shift 2
  curl -sS --fail-with-body -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$API$path" "$@"
}

# --- First sync: no cursor. Everything that Mina's phone may hold comes in pages, until has_more is false.
#     A user of a moment ago may have to ask twice: has_more is true until the server has sequenced who they are.
first() { ask "$PHONE" /sync -d '{"schema_version": 1, "cursor": null, "limit": 10000}' > first.json; }
until first && [ "$(it 'it["has_more"]' < first.json)" = False ]; do sleep 1; done
it '"{} records, more: {}".format(len(it["changes"]), it["has_more"])' < first.json
TERRITORY=$(it 'next(c["id"] for c in it["changes"] if c["entity"] == "territory")' < first.json)

# --- A new customer, made on the phone. Id and mutation id are minted there; n counts what the phone has done.
uuid() { python3 -c 'import uuid; print(uuid.uuid4())'; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
CUSTOMER=$(uuid)
ask "$PHONE" /sync -d '{"schema_version": 1, "cursor": "'"$(it 'it["cursor"]' < first.json)"'", "mutations": [
  {"id": "'"$(uuid)"'", "n": 1, "entity": "account", "record_id": "'"$CUSTOMER"'", "op": "create",
   "fields": {"name": "가람상사", "legal_name": "(주)가람", "territory_id": "'"$TERRITORY"'"},
   "occurred_at": "'"$(now)"'", "age_ms": 60000}]}' > made.json
it 'it["verdicts"][0]["status"], it["verdicts"][0]["version"]' < made.json

# --- Mina loses the network. Meanwhile the office changes the customer's legal name.
ask "$DESK" "/accounts/$CUSTOMER" -X PATCH -H 'If-Match: "1"' -d '{"legal_name": "(주)가람홀딩스"}' > office.json

# --- Offline, Mina has changed the legal name as well, and added a phone number. Back in the network she pushes
#     both, with the version and the value that she saw; the answer has verdicts, and what else is new.
ask "$PHONE" /sync -d '{"schema_version": 1, "cursor": "'"$(it 'it["cursor"]' < made.json)"'", "mutations": [
  {"id": "'"$(uuid)"'", "n": 2, "entity": "account", "record_id": "'"$CUSTOMER"'", "op": "update",
   "base_version": 1, "base": {"legal_name": "(주)가람", "phone": null},
   "fields": {"legal_name": "(주)가람그룹", "phone": "+82-2-555-0100"},
   "occurred_at": "'"$(now)"'", "age_ms": 30000}]}' > pushed.json
it 'it["verdicts"][0]["status"], it["verdicts"][0]["fields"]' < pushed.json

# --- The phone number was merged; a legal name is for a person to decide. The conflict inbox has all three.
CONFLICT=$(it 'it["verdicts"][0]["conflict_id"]' < pushed.json)
ask "$DESK" "/conflicts/$CONFLICT" > conflict.json
it '{side: it[side] for side in ("base", "mine", "theirs")}' < conflict.json

# --- Jun decides that the office's name stays: "theirs", as seen from Mina's phone. If-Match names the state of
#     the item that he looked at; had somebody been faster, the answer would be 412.
ask "$DESK" "/conflicts/$CONFLICT/resolution" -H "If-Match: \"$(it 'it["version"]' < conflict.json)\"" \
  -d '{"choice": "theirs", "reason": "등기부 확인"}' | it 'it["state"], it["choice"], it["reason"]'

# --- The history of the customer: who, what, when it happened, on which device.
ask "$DESK" "/accounts/$CUSTOMER/history" | it '"\n".join("{} {}: {}".format(
  e["occurred_at"] or e["recorded_at"], e["actor"]["name"],
  [(f["field"], f["new"], f["outcome"]) for f in e["fields"]][:2]) for e in it["items"])'
