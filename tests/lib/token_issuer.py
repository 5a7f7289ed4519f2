"""An issuer of access tokens on this host, which the test plays: its keys, its answers, and what clients send of them."""

import base64
import http.server
import json
import os
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from idp_provider import give_to_idp, write_conf
from roost_server import DEADLINE_SEC

ISSUER = "https://id.example/"


def write_provider(folder, name, lines):
    """NAME.conf, for the idp process alone."""
    path = os.path.join(folder, name + ".conf")
    write_conf(path, lines)
    give_to_idp(path)


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Key:
    """A key of the issuer: RS256, or ES256."""

    def __init__(self, kid, alg):
        self.kid, self.alg = kid, alg
        self.private = rsa.generate_private_key(65537, 2048) if alg == "RS256" else \
            ec.generate_private_key(ec.SECP256R1())

    def public(self):
        numbers = self.private.public_key().public_numbers()
        if self.alg == "RS256":
            return {"kty": "RSA", "kid": self.kid, "n": base64url(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": base64url(numbers.x.to_bytes(32, "big")),
                "y": base64url(numbers.y.to_bytes(32, "big"))}

    def token(self, **claims):
        claims = {"iss": ISSUER, "aud": ["mail"], "email": "u1", "email_verified": True, "exp": int(time.time()) + 600, **claims}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (
            {"alg": self.alg, "typ": "JWT", "kid": self.kid}, claims))
        if self.alg == "RS256":
            signature = self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return text + "." + base64url(signature)


class Issuer(http.server.ThreadingHTTPServer):
    """The other server: what it knows of tokens, and what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = "http://127.0.0.1:%d" % self.server_port
        self.tokens = {}
        self.keys = []
        self.asked = []
        self.silent = threading.Event()  # while set, questions wait for the end of silence
        self.talks = threading.Event()
        self.answer = None  # (status, headers, body) instead of the right one
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.talks.set()
        self.shutdown()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        issuer = self.server
        issuer.asked.append((self.path, self.headers["Authorization"], None))
        if issuer.silent.is_set():
            issuer.talks.wait(DEADLINE_SEC)
        try:
            if issuer.answer is not None:
                self.reply(*issuer.answer)
                return
            keys = json.dumps({"keys": [key.public() for key in issuer.keys]}).encode()
            self.reply(200, {"Content-Type": "application/json"}, keys)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not wait

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = urllib.parse.parse_qs(body)
        issuer = self.server
        issuer.asked.append((self.path, self.headers["Authorization"], form))
        if issuer.silent.is_set():
            issuer.talks.wait(DEADLINE_SEC)
        try:
            if issuer.answer is not None:
                self.reply(*issuer.answer)
                return
            claims = issuer.tokens.get(form["token"][0], {"active": False})
            self.reply(200, {"Content-Type": "application/json"}, json.dumps(claims).encode())
        except (BrokenPipeError, ConnectionResetError):
            pass  # it did not wait


def oauthbearer(token, user=None, host="localhost"):
    start = "n,%s," % ("" if user is None else "a=" + user)
    return base64.b64encode(("%s\1host=%s\1port=993\1auth=Bearer %s\1\1" % (start, host, token)).encode()).decode()


def xoauth2(token, user):
    return base64.b64encode(("user=%s\1auth=Bearer %s\1\1" % (user, token)).encode()).decode()
