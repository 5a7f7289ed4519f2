"""The client's half of SCRAM (RFC 5802, RFC 7677) over AUTHENTICATE, from the text of the RFCs."""

import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data)


class Scram:
    """One exchange; what a test wants otherwise it changes between the steps."""

    def __init__(self, user, password, hash_name="sha256", gs2=b"n,,", authzid=None):
        self.password, self.hash_name = password.encode(), hash_name
        self.gs2 = gs2 if authzid is None else gs2[:-1] + b"a=" + authzid.encode() + b","
        self.nonce = b64(os.urandom(18))
        name = user.replace("=", "=3D").replace(",", "=2C").encode()
        self.bare = b"n=" + name + b",r=" + self.nonce
        self.binding = b""
        self.server_first = self.salt = b""

    def mac(self, key, data):
        return hmac.new(key, data, self.hash_name).digest()

    def first(self):
        return self.gs2 + self.bare

    def final(self, server_first):
        self.server_first = server_first
        fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
        assert fields[b"r"].startswith(self.nonce) and len(fields[b"r"]) > len(self.nonce) + 16, server_first
        self.salt = base64.b64decode(fields[b"s"], validate=True)
        iterations = int(fields[b"i"])
        assert iterations >= 4096, iterations
        salted = hashlib.pbkdf2_hmac(self.hash_name, self.password, self.salt, iterations)
        client_key = self.mac(salted, b"Client Key")
        stored_key = hashlib.new(self.hash_name, client_key).digest()
        without_proof = b"c=" + b64(self.gs2 + self.binding) + b",r=" + fields[b"r"]
        message = b",".join([self.bare, server_first, without_proof])
        self.signature = self.mac(self.mac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(client_key, self.mac(stored_key, message)))
        return without_proof + b",p=" + b64(proof)

    def is_server(self, server_final):
        return server_final == b"v=" + b64(self.signature)


def challenge(wire):
    """The octets of a "+" line, or None and the tagged line."""
    line = wire.line()
    while line.startswith(b"* "):
        line = wire.line()
    if line.startswith(b"+ "):
        return base64.b64decode(line[2:], validate=True), None
    return None, line.partition(b" ")[2]


def login(wire, scram, mechanism="SCRAM-SHA-256", initial=True, last=b""):
    """AUTHENTICATE; gives the tagged line without its tag."""
    if initial:
        wire.send(b"AUTHENTICATE %s %s" % (mechanism.encode(), b64(scram.first())))
    else:
        wire.send("AUTHENTICATE " + mechanism)
        said, line = challenge(wire)
        if said is None:
            return line
        assert said == b"", said
        wire.raw(b64(scram.first()) + b"\r\n")
    said, line = challenge(wire)
    if said is None:
        return line
    wire.raw(b64(scram.final(said)) + b"\r\n")
    said, line = challenge(wire)
    if said is None:
        return line
    assert scram.is_server(said), said
    wire.raw(last + b"\r\n")
    said, line = challenge(wire)
    assert said is None, said
    return line
