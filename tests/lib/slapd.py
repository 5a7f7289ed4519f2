"""A slapd of one's own: folder, certificates, entries, a port on loopback.

Its authority's certificate is in ca.pem; "wrong.pem" is one that names another host, signed by
the same authority.
"""

import os
import shutil
import subprocess
import tempfile

from roost_server import Port, end_process, wait_for

PROGRAM = "/usr/sbin/slapd"
SUFFIX = "dc=example,dc=org"
ADMIN = "cn=admin," + SUFFIX
READER = "cn=roost," + SUFFIX
READER_PASSWORD = "reader's own"

CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCertificateFile {folder}/{certificate}.pem
TLSCertificateKeyFile {folder}/server.key
allow bind_anon_dn
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw secret
directory {folder}/db
overlay memberof
memberof-group-oc groupOfNames
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,{suffix}" by dn.exact="{reader}" read by * none
access to * by dn.exact="{reader}" read by self read by * none
"""


def entry(dn, **attributes):
    lines = ["dn: " + dn]
    for name, values in attributes.items():
        for value in values if isinstance(values, list) else [values]:
            lines.append("%s: %s" % (name, value))
    return "\n".join(lines) + "\n\n"


def person(uid, password, folder="people", **more):
    return entry("uid=%s,ou=%s,%s" % (uid, folder, SUFFIX), objectClass="inetOrgPerson", uid=uid,
                 cn=uid, sn=uid, userPassword=password, **more)


def base_entries():
    text = entry(SUFFIX, objectClass=["dcObject", "organization"], dc="example", o="Example")
    for folder in ("people", "groups", "hidden"):
        text += entry("ou=%s,%s" % (folder, SUFFIX), objectClass="organizationalUnit", ou=folder)
    return text + entry(READER, objectClass=["organizationalRole", "simpleSecurityObject"],
                        cn="roost", userPassword=READER_PASSWORD)


class Slapd:
    def __init__(self, entries, certificate="server"):
        self.folder = tempfile.mkdtemp(prefix="roost-slapd-", dir="/tmp")
        self.ports = [Port(), Port()]
        self.port, self.tls_port = (port.number for port in self.ports)
        self.process = None
        os.mkdir(os.path.join(self.folder, "db"))
        self.make_certificates()
        self.configure(certificate)
        self.run(["slapadd", "-f", self.path("slapd.conf")], base_entries() + entries)

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def run(command, text=None):
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError("%s: %s%s" % (command[0], done.stdout, done.stderr))

    def openssl(self, *arguments):
        self.run(["openssl"] + list(arguments))

    def make_certificates(self):
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        for ca in ("ca", "other_ca"):
            self.openssl("req", "-x509", *ec, "-keyout", self.path(ca + ".key"), "-out",
                         self.path(ca + ".pem"), "-subj", "/CN=" + ca, "-days", "30")
        self.openssl("req", *ec, "-keyout", self.path("server.key"), "-out",
                     self.path("server.csr"), "-subj", "/CN=directory")
        for name, names in (("server", "IP:127.0.0.1,DNS:localhost"), ("wrong", "DNS:elsewhere")):
            with open(self.path("ext"), "w", encoding="ascii") as ext:
                ext.write("subjectAltName=" + names + "\n")
            self.openssl("x509", "-req", "-in", self.path("server.csr"), "-CA",
                         self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial",
                         "-out", self.path(name + ".pem"), "-days", "30", "-extfile",
                         self.path("ext"))

    def configure(self, certificate):
        with open(self.path("slapd.conf"), "w", encoding="ascii") as conf:
            conf.write(CONF.format(folder=self.folder, suffix=SUFFIX, admin=ADMIN, reader=READER,
                                   certificate=certificate))

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-d", "0", "-f", self.path("slapd.conf"), "-h",
             "%s %s" % (self.uri(), self.uri(tls=True))],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, "slapd answers")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("slapd ended")
        done = subprocess.run(["ldapwhoami", "-x", "-H", self.uri(), "-D", READER, "-w",
                               READER_PASSWORD], capture_output=True, check=False)
        return done.returncode == 0

    def uri(self, tls=False):
        return "ldaps://127.0.0.1:%d" % self.tls_port if tls else "ldap://127.0.0.1:%d" % self.port

    def add(self, ldif):
        """By LDAP: overlays see it."""
        self.run(["ldapadd", "-x", "-H", self.uri(), "-D", ADMIN, "-w", "secret"], ldif)

    def stop(self):
        end_process(self.process)

    def close(self):
        self.stop()
        for port in self.ports:
            port.close()
        shutil.rmtree(self.folder, ignore_errors=True)
