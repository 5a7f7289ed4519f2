"""An authenticator app: RFC 6238 as a person's phone does it, written apart from the server's."""

import base64
import hmac
import shutil
import struct
import subprocess
import time
import urllib.parse

STEP_SEC = 30


def code(secret, at=None):
    step = int(time.time() if at is None else at) // STEP_SEC
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), "sha1").digest()
    offset = mac[-1] & 15
    return "%06d" % ((struct.unpack(">I", mac[offset:offset + 4])[0] & 0x7FFFFFFF) % 1000000)


def judged(secret, at):
    """The same by oathtool, another hand's program, where it is installed."""
    if shutil.which("oathtool") is None:
        return None
    return subprocess.run(["oathtool", "--totp", "-b", "-N", "@%d" % at, secret], check=True, capture_output=True,
                          text=True).stdout.strip()


def read_uri(uri):
    """What an app takes from the QR code: label and parameters."""
    parts = urllib.parse.urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp"), uri
    return urllib.parse.unquote(parts.path[1:]), dict(urllib.parse.parse_qsl(parts.query))


class App:
    """Codes that were not shown before: each is of a later step than the last, within the server's window. It begins
    two steps back, so that three codes can be had at once; a fourth waits for its time."""

    def __init__(self, secret):
        self.secret = secret
        self.last = int(time.time()) // STEP_SEC - 2

    def next(self):
        now = int(time.time()) // STEP_SEC
        self.last = max(self.last + 1, now - 1)
        while self.last > int(time.time()) // STEP_SEC + 1:
            time.sleep(0.2)
        return code(self.secret, self.last * STEP_SEC)
