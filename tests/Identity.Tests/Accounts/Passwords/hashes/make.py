#!/usr/bin/env python3
"""Makes hashes.json: password hashes by other programs than ours, kept as test data.

Needs Debian's python3-bcrypt, python3-passlib, apache2-utils (htpasswd) and argon2 (the reference program).
Salts are random, so every run makes another file; the one in the repository was made on 2026-11-28.
"""
import base64, hashlib, json, os, struct, subprocess
import bcrypt
from passlib.hash import pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt as passlib_scrypt

PLAIN, UMLAUT, LONG = 'correct horse battery', 'Pässwörd ☃ tangerine', 'a' * 80
rows = []


def row(made_by, form, password, text):
    rows.append({'madeBy': made_by, 'form': form, 'password': password, 'hash': text})


def htpasswd(password, cost):
    return subprocess.check_output(['htpasswd', '-niBC', str(cost), 'u'], input=password, text=True).strip().split(':', 1)[1]


def argon2(password, *arguments):
    salt = base64.b32encode(os.urandom(10)).decode()
    return subprocess.check_output(['argon2', salt, *arguments, '-e'], input=password, text=True).strip()


def b64(data):
    return base64.b64encode(data).decode().rstrip('=')


def phc_pbkdf2(name, password, iterations, length):
    salt = os.urandom(16)
    return f'$pbkdf2-{name}$i={iterations},l={length}${b64(salt)}${b64(hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations, length))}'


def phc_scrypt(password, ln, r, p):
    salt = os.urandom(16)
    key = hashlib.scrypt(password.encode(), salt=salt, n=1 << ln, r=r, p=p, maxmem=1 << 28, dklen=32)
    return f'$scrypt$ln={ln},r={r},p={p}${b64(salt)}${b64(key)}'


def identity_v2(password):
    salt = os.urandom(16)
    return base64.b64encode(b'\0' + salt + hashlib.pbkdf2_hmac('sha1', password.encode(), salt, 1000, 32)).decode()


def identity_v3(prf, name, password, iterations):
    salt = os.urandom(16)
    return base64.b64encode(b'\1' + struct.pack('>III', prf, iterations, 16) + salt + hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations, 32)).decode()


def django(password, iterations):
    salt = base64.b32encode(os.urandom(10)).decode()
    return f'pbkdf2_sha256${iterations}${salt}$' + base64.b64encode(hashlib.pbkdf2_hmac('sha256', password.encode(), salt.encode(), iterations)).decode()


for password in (PLAIN, UMLAUT):
    row('htpasswd', 'bcrypt $2y$', password, htpasswd(password, 5))
    row('python bcrypt', 'bcrypt $2b$', password, bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode())
    row('python bcrypt', 'bcrypt $2a$', password, bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix=b'2a')).decode())
    row('argon2', 'argon2id', password, argon2(password, '-id', '-t', '2', '-k', '19456', '-p', '1'))
    row('argon2', 'argon2id of four lanes', password, argon2(password, '-id', '-t', '3', '-k', '8192', '-p', '4', '-l', '24'))
    row('argon2', 'argon2i', password, argon2(password, '-i', '-t', '3', '-k', '4096', '-p', '1'))
    row('python hashlib', 'PBKDF2 PHC, SHA-1', password, phc_pbkdf2('sha1', password, 10000, 20))
    row('python hashlib', 'PBKDF2 PHC, SHA-256', password, phc_pbkdf2('sha256', password, 20000, 32))
    row('python hashlib', 'PBKDF2 PHC, SHA-512', password, phc_pbkdf2('sha512', password, 10000, 64))
    row('passlib', 'PBKDF2, SHA-1', password, pbkdf2_sha1.using(rounds=5000).hash(password))
    row('passlib', 'PBKDF2, SHA-256', password, pbkdf2_sha256.using(rounds=29000).hash(password))
    row('passlib', 'PBKDF2, SHA-512', password, pbkdf2_sha512.using(rounds=25000).hash(password))
    row('python hashlib, as Django writes it', 'PBKDF2 of Django', password, django(password, 20000))
    row('python hashlib', 'scrypt PHC', password, phc_scrypt(password, 14, 8, 1))
    row('passlib', 'scrypt', password, passlib_scrypt.using(rounds=12, block_size=8, parallelism=2).hash(password))
    row('python hashlib, as ASP.NET Core Identity 2 writes it', 'Identity v2', password, identity_v2(password))
    row('python hashlib, as ASP.NET Core Identity 3 writes it', 'Identity v3, SHA-1', password, identity_v3(0, 'sha1', password, 1000))
    row('python hashlib, as ASP.NET Core Identity 3 writes it', 'Identity v3, SHA-256', password, identity_v3(1, 'sha256', password, 10000))
    row('python hashlib, as ASP.NET Core Identity 8 writes it', 'Identity v3, SHA-512', password, identity_v3(2, 'sha512', password, 100))

row('htpasswd', 'bcrypt of more than 72 bytes', LONG, htpasswd(LONG, 5))
row('argon2', 'argon2id of 80 bytes', LONG, argon2(LONG, '-id', '-t', '1', '-k', '1024', '-p', '1'))

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'hashes.json'), 'w', encoding='utf-8') as file:
    json.dump(rows, file, ensure_ascii=False, indent=2)
    file.write('\n')
