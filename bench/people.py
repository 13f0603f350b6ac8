# People for bench/run.sh: accounts, sessions and tokens of theirs, a line each on stdout.
#   people.py register URL COUNT            accounts at this server
#   people.py bodies COUNT                  the bodies with which they sign in over /api/identity
#   people.py tokens URL COUNT              their refresh tokens
#   people.py cookies URL COUNT             Cookie headers of sessions at this server, by its sign-in page
#   people.py cookies-stock URL COUNT       the same at stock OpenIddict
#   people.py access-token URL COOKIE       an access token, by a code flow
#   people.py flows URL COUNT COOKIE        nothing: so many code flows, one after another
#   people.py service-tokens URL COUNT      access tokens of the client bench
#   people.py copies URL FIRST LAST STEP    refresh and access tokens of the people that large.sql made of the first
#   people.py services FIRST LAST STEP      requests for tokens by the clients that it made
import base64
import concurrent.futures
import html
import http.client
import json
import os
import re
import sys
import urllib.parse

VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REDIRECT = "https://app.example.com/callback"


def email(i):
    return f"bench{i}@example.com"


def password(i):
    return f"a sound pass phrase {i}"


def credentials(i):
    return json.dumps({"email": email(i), "password": password(i)})


def send(method, path, body=None, headers=None, expected=(200,)):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    if response.status not in expected:
        sys.exit(f"{method} {path}: {response.status} {text[:300]}")
    return response, text


def cookies(response):
    return "; ".join(value.split(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie" and not re.match(r"[^=]+=;", value))


def register(i):
    send("POST", "/api/identity/register", credentials(i), {"Content-Type": "application/json"}, (200, 201))


def refresh_token(i):
    return json.loads(send("POST", "/api/identity/login", credentials(i), {"Content-Type": "application/json"})[1])["refreshToken"]


def cookie(i):
    page, text = send("GET", "/signin")
    token = html.unescape(re.search(r'name="__RequestVerificationToken"[^>]* value="([^"]+)"', text)[1])
    form = urllib.parse.urlencode({"Login": email(i), "Password": password(i), "__RequestVerificationToken": token})
    return cookies(send("POST", "/signin", form, {**FORM, "Cookie": cookies(page)}, (303,))[0])


def cookie_stock(i):
    return cookies(send("GET", f"/signin?user=bench{i}", expected=(200, 302))[0])


def access_token(session):
    query = urllib.parse.urlencode({"response_type": "code", "client_id": "bench-app", "redirect_uri": REDIRECT, "scope": "openid offline_access", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "nonce": "n"})
    location = send("GET", "/connect/authorize?" + query, headers={"Cookie": session}, expected=(302, 303))[0].headers["Location"]
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)["code"][0]
    form = urllib.parse.urlencode({"grant_type": "authorization_code", "client_id": "bench-app", "redirect_uri": REDIRECT, "code_verifier": VERIFIER, "code": code})
    return json.loads(send("POST", "/connect/token", form, FORM)[1])["access_token"]


def service_token(_):
    return json.loads(send("POST", "/connect/token", "grant_type=client_credentials&scope=api", {**FORM, "Authorization": "Basic " + basic("bench")})[1])["access_token"]


def copied(i):
    answer = json.loads(send("POST", "/api/identity/login", json.dumps({"email": f"person{i}@example.com", "password": password(1)}), {"Content-Type": "application/json"})[1])
    return answer["refreshToken"] + " " + answer["accessToken"]


def basic(client):
    return base64.b64encode(f"{client}:{os.environ['BENCH_SECRET']}".encode()).decode()


def numbers(first, last, step):
    return range(int(first), int(last) + 1, int(step))


MANY = {"copies": copied, "register": register, "tokens": refresh_token, "cookies": cookie, "cookies-stock": cookie_stock, "service-tokens": service_token}
what, url, *rest = sys.argv[1:]
if what == "services":
    print(*(f"{basic(f'client{i}')}\tgrant_type=client_credentials&scope=api" for i in numbers(url, *rest)), sep="\n")
elif what == "bodies":
    print(*map(credentials, range(1, int(url) + 1)), sep="\n")
elif what == "access-token":
    print(access_token(rest[0]))
elif what == "flows":
    for _ in range(int(rest[0])):
        access_token(rest[1])
else:
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        for line in threads.map(MANY[what], numbers(*rest) if len(rest) > 1 else numbers(1, rest[0], 1)):
            if line:
                print(line)
