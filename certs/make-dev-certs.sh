#!/usr/bin/env bash
# Makes a development CA and a certificate for localhost under certs/dev (never committed).
# Trust certs/dev/ca.crt in your browser or with NODE_EXTRA_CA_CERTS; delete the folder to start over.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p dev && cd dev
[ -f localhost.crt ] && { echo "certs/dev is there already."; exit 0; }
umask 077
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -days 825 -subj "/CN=Identity development CA" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.crt
openssl ecparam -name prime256v1 -genkey -noout -out localhost.key
openssl req -new -key localhost.key -subj "/CN=localhost" -out localhost.csr
openssl x509 -req -in localhost.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 397 -out localhost.crt -extfile <(
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n')
openssl pkcs12 -export -inkey localhost.key -in localhost.crt -certfile ca.crt -passout pass: -out localhost.pfx
rm localhost.csr
echo "Made certs/dev/{ca.crt,localhost.crt,localhost.key,localhost.pfx}."
