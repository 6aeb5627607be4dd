#!/usr/bin/env bash
# ./dev demo: starts `postern dev` in a directory of its own, sends ten mails through it with curl, shows what came out, stops.
set -euo pipefail
postern=build/release/bin/postern
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$directory"' EXIT

"$postern" dev --data "$directory" >"$directory/greeting" 2>"$directory/log" &
server=$!
for _ in $(seq 200); do
  grep -q server.ready "$directory/log" && break
  kill -0 "$server" 2>/dev/null || { cat "$directory/log" >&2; exit 1; }
  sleep 0.1
done
port() { sed -n "s/.*\"$1\":\[\([0-9]*\).*/\1/p" "$directory/listening.json"; }

echo "Sending ten mails on port $(port submissions):"
for i in $(seq 10); do
  printf 'From: demo@demo.example\r\nTo: friend%s@example.net\r\nSubject: demo %s\r\n\r\nThis is mail %s.\r\n' "$i" "$i" "$i" |
    curl --silent --show-error --url "smtps://localhost:$(port submissions)" --cacert "$directory/ca.pem" \
      --user "demo@demo.example:$(cat "$directory/demo.password")" \
      --mail-from demo@demo.example --mail-rcpt "friend$i@example.net" --upload-file -
done
sandbox() { "$postern" --config "$directory/postern.toml" sandbox "$@"; }
for _ in $(seq 100); do [ "$(sandbox ls | wc -l)" -ge 10 ] && break; sleep 0.1; done
echo
echo "What would have been sent (postern sandbox ls):"
sandbox ls
id=$(sandbox ls | head -1 | cut -d' ' -f1)
echo
echo "One of them, signature checked (postern sandbox show $id):"
sandbox show "$id"
echo
echo "What happened to it (postern trace $id):"
"$postern" --config "$directory/postern.toml" trace "$id"
echo
echo "Metrics (http://127.0.0.1:$(port admin)/metrics):"
curl --silent "http://127.0.0.1:$(port admin)/metrics" | grep -E '^postern_(delivery_delivered_total|queue_writable|build_info)'
