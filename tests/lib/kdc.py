"""A Kerberos realm for a test: krb5kdc on a port of 127.0.0.1, its own folder, nothing of this machine's configuration. And keytabs without one."""

import os
import shutil
import socket
import struct
import subprocess

from roost_server import Port, need, wait_for

AES256_SHA1, SRV_INST = 18, 3  # RFC 3962; RFC 4120 6.2


def write_keytab(path, realm, components, key, kvno=1):
    """One key of a service, in the format of MIT's keytabs (version 2)."""
    def counted(text):
        return struct.pack(">H", len(text)) + text.encode()

    entry = struct.pack(">H", len(components)) + counted(realm) + b"".join(counted(part) for part in components)
    entry += struct.pack(">IIBH", SRV_INST, 0, kvno, AES256_SHA1) + struct.pack(">H", len(key)) + key + struct.pack(">I", kvno)
    with open(path, "wb") as out:
        out.write(b"\x05\x02" + struct.pack(">i", len(entry)) + entry)


class Kdc:
    """with Kdc(folder, "EXAMPLE.ORG") as kdc: kdc.principal("anna", "secret"); kdc.keytab("imap/localhost", path)"""

    def __init__(self, folder, realm):
        self.folder, self.realm = folder, realm
        self.port = Port()
        self.process = None
        os.makedirs(folder, mode=0o755)
        self.environment = {**os.environ, "KRB5_CONFIG": self.path("krb5.conf"), "KRB5_KDC_PROFILE": self.path("kdc.conf"),
                            "KRB5RCACHENAME": "none:"}
        self.write("krb5.conf", "[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\ndns_lookup_realm = false\n"
                   "dns_canonicalize_hostname = false\nrdns = false\nudp_preference_limit = 1\n"
                   "[realms]\n%s = {\n kdc = 127.0.0.1:%d\n}\n[domain_realm]\nlocalhost = %s\n"
                   % (realm, realm, self.port.number, realm))
        self.write("kdc.conf", "[kdcdefaults]\nkdc_listen = \"\"\nkdc_tcp_listen = 127.0.0.1:%d\n"
                   "[realms]\n%s = {\n database_name = %s\n key_stash_file = %s\n acl_file = %s\n max_life = 10h\n}\n"
                   "[logging]\nkdc = FILE:%s\n"
                   % (self.port.number, realm, self.path("principals"), self.path("stash"), self.path("acl"), self.path("log")))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as out:
            out.write(text)

    def run(self, program, *words, **options):
        return subprocess.run([need(program, "krb5-kdc, krb5-admin-server or krb5-user"), *words],
                              **{"env": self.environment, "check": True, "capture_output": True, "text": True, **options})

    def __enter__(self):
        self.run("kdb5_util", "-r", self.realm, "-P", "master", "create", "-s")
        self.process = subprocess.Popen([need("krb5kdc", "krb5-kdc"), "-n", "-r", self.realm], env=self.environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, "the KDC answers")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("krb5kdc ended")
        try:
            socket.create_connection(("127.0.0.1", self.port.number), timeout=5).close()
            return True
        except OSError:
            return False

    def __exit__(self, *exc):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        self.port.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self, query):
        return self.run("kadmin.local", "-r", self.realm, "-q", query)

    def principal(self, name, password, *options):
        self.admin(" ".join(["addprinc", *options, "-pw", password, name]))

    def keytab(self, path, *services):
        """New random keys of these services, and a keytab of them."""
        for service in services:
            self.admin("addprinc -randkey " + service)
            self.admin("ktadd -k %s %s" % (path, service))

    def ticket(self, name, password, *options):
        """Logs in; gives the environment in which a client has that ticket."""
        cache = self.path("cache-" + name.replace("/", "-"))
        self.run("kinit", "-c", cache, *options, name, input=password + "\n")
        return {**self.environment, "KRB5CCNAME": "FILE:" + cache}
