"""A token endpoint as OAuth 2 has them (RFC 6749, client credentials): signed tokens for whoever knows the secret.

It runs in a thread of the supervisor. `POST /token` takes the client's id and secret as Basic credentials and answers
with a token of five minutes; the scopes `lifetime:SECONDS` and `audience:NAME` ask for another lifetime and for another
audience than the broker's. `GET /issued/CLIENT` says how many tokens a client was given.
"""

import base64
import binascii
import collections
import http.server
import json
import threading
import time
from urllib.parse import parse_qs

import certificates

SECRET = "oauth-secret-1234"
AUDIENCE, ISSUER = "kafka", "tidegate-tests"
LIFETIME = 300


class Tokens:
    """An endpoint that serves until the process ends."""

    def __init__(self, key):
        self.key = key
        self.issued = collections.Counter()
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                self.answer(*tokens.grant(self.path.partition("?")[0], self.headers.get("Authorization", ""), parse_qs(body)))

            def do_GET(self):
                self.answer(200, {"issued": tokens.issued[self.path.removeprefix("/issued/")]})

            def answer(self, status, content):
                content = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def grant(self, path, authorization, fields):
        """The status and the answer to a request for a token."""
        if path != "/token" or fields.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        client, secret = credentials(authorization)
        if secret != SECRET:
            return 401, {"error": "invalid_client", "error_description": "no client has this id and this secret"}
        asked = dict(word.split(":", 1) for word in fields.get("scope", [""])[0].split() if ":" in word)
        lifetime = int(asked.get("lifetime", LIFETIME))
        self.issued[client] += 1
        token = self.token(client, lifetime, asked.get("audience", AUDIENCE))
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}

    def token(self, subject, lifetime, audience):
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "kid": certificates.KEY_ID}
        claims = {"sub": subject, "iss": ISSUER, "aud": audience, "iat": now, "exp": now + lifetime, "scope": "kafka"}
        text = ".".join(certificates.base64url(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{certificates.base64url(certificates.signature(self.key, text))}"


def credentials(authorization):
    try:
        client, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return client, secret
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
