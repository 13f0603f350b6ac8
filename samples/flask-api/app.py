# An API behind access tokens (RFC 6750, RFC 9068) with PyJWT: ISSUER and AUDIENCE say whose and for whom.
# Debian: apt-get install python3-flask python3-jwt python3-cryptography    PyPI: flask, pyjwt[crypto]
import json
import os
import urllib.request
from functools import wraps

import jwt
from flask import Flask, g, jsonify, request

issuer = os.environ.get("ISSUER", "http://localhost:8016")
audience = os.environ.get("AUDIENCE", "https://api.example.com/notes")

with urllib.request.urlopen(issuer + "/.well-known/openid-configuration") as answer:
    keys = jwt.PyJWKClient(json.load(answer)["jwks_uri"])
tokens = jwt.PyJWT()


def require_scope(scope):
    def decorate(view):
        @wraps(view)
        def guarded(*args, **kwargs):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                return "", 401, {"WWW-Authenticate": "Bearer"}
            try:
                key = keys.get_signing_key_from_jwt(token.strip()).key
                access = tokens.decode_complete(token.strip(), key, algorithms=["ES256"], issuer=issuer, audience=audience, leeway=30,
                                                options={"require": ["exp", "iss", "aud", "sub", "client_id"]})
                if access["header"].get("typ") != "at+jwt":  # an ID token is not an access token
                    raise jwt.InvalidTokenError("typ")
            except jwt.PyJWTError as error:
                app.logger.warning("Refused: %r", error)  # the caller is not told what was wrong with it; you are
                return "", 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            if scope not in access["payload"].get("scope", "").split(" "):
                return "", 403, {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            g.caller = access["payload"]
            return view(*args, **kwargs)
        return guarded
    return decorate


app = Flask(__name__)


@app.get("/notes")
@require_scope("notes.read")
def read_notes():
    return jsonify(notes=["buy milk"], caller=g.caller["sub"])


@app.post("/notes")
@require_scope("notes.write")
def write_note():
    return jsonify(id=1), 201


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "5001")))
