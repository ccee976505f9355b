#!/bin/sh
# Makes what the services prove themselves with: a private CA, a certificate for each plane, a token for each kind of
# peer. What is there is left as it is, but certificates older than eleven of their thirteen months are replaced;
# services take new files without a restart.
#
#   IDENTITIES           folder with authority, orchestrator, inference, edge and operator; each is one mount
#   ORCHESTRATOR_HOSTS   names and addresses the planes are reached at, separated by spaces
#   INFERENCE_HOSTS
set -eu
umask 027

root=${IDENTITIES:-/identities}
authority=$root/authority
renew_after_days=330
cd "$authority"

issue() { # NAME HOSTS OPTION: a certificate and its key, unless there is a young one
  [ -z "$(find . -name "$1.crt" -mtime "-$renew_after_days")" ] || return 0
  name=$1 hosts=$2 use=$3
  set --
  for host in $hosts; do set -- "$@" --host "$host"; done
  voice-orchestrator certs issue "$name" --dir "$authority" --force "$use" "$@" >/dev/null
  echo "made the certificate of $name, for $hosts"
}

token() { # NAME: a token, unless there is one
  [ ! -f "$1.token" ] || return 0
  voice-orchestrator certs token "$1" --dir "$authority" >/dev/null
  echo "made the token of $1"
}

give() { # FOLDER NAME: standard input becomes this file of this folder; left alone where nothing is new
  staged=$(mktemp "$root/$1/.$2.XXXXXX")
  cat >"$staged"
  chmod 0640 "$staged"
  if cmp -s "$staged" "$root/$1/$2"; then rm "$staged"; else mv "$staged" "$root/$1/$2"; fi
}

if [ ! -f ca.crt ]; then
  voice-orchestrator certs init --dir "$authority" >/dev/null
  echo "made the CA"
fi
issue orchestrator "${ORCHESTRATOR_HOSTS:-orchestrator localhost 127.0.0.1}" --both
issue inference "${INFERENCE_HOSTS:-inference localhost 127.0.0.1}" --server
token edge
token operator
token orchestrator

for folder in orchestrator inference edge operator; do give "$folder" ca.crt <ca.crt; done
# The key first: a certificate without its key is of no use to whoever reads in between.
for name in orchestrator inference; do
  give "$name" "$name.key" <"$name.key"
  give "$name" "$name.crt" <"$name.crt"
done
cat edge.token operator.token | give orchestrator tokens
cat orchestrator.token operator.token | give inference tokens
give orchestrator inference-token <orchestrator.token
give edge token <edge.token
give operator token <operator.token
# Prometheus and curl want the secret alone.
cut -d: -f2 operator.token | tr -d '\n' | give operator bearer
