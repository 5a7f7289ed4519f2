"""A CA of a test's own, by the openssl command line: client certificates, each as it should be but for one thing."""

import os
import subprocess

from roost_server import need

GOOD = {
    "basicConstraints": "critical,CA:FALSE",
    "keyUsage": "critical,digitalSignature",
    "extendedKeyUsage": "clientAuth",
    "subjectKeyIdentifier": "hash",
    "authorityKeyIdentifier": "keyid",
}
CA = {
    "basicConstraints": "critical,CA:TRUE",
    "keyUsage": "critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier": "hash",
}


class Authority:
    """In its own folder; everything is a PEM file there, NAME.pem and NAME.key."""

    def __init__(self, folder):
        self.openssl = need("openssl", "openssl")
        self.folder = folder
        self.n = 0
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *words, stdin=None):
        done = subprocess.run([self.openssl, *words], capture_output=True, cwd=self.folder, input=stdin)
        if done.returncode != 0:
            raise AssertionError("openssl %s: %s" % (" ".join(words), done.stderr.decode(errors="replace")))
        return done.stdout

    def key(self, name, kind="EC"):
        options = {"EC": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                   "RSA-1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]}[kind]
        self.run("genpkey", *options, "-out", name + ".key")

    def make(self, name, issuer, extensions, days="30", digest="sha256", key="EC", subject=None, dates=None):
        """A certificate NAME, signed by issuer (its own name: self-signed). extensions: {name: value}."""
        if not os.path.exists(self.path(name + ".key")):
            self.key(name, key)
        with open(self.path(name + ".cnf"), "w", encoding="utf-8") as out:
            out.write("[req]\ndistinguished_name = dn\n[dn]\n[ext]\n")
            out.writelines("%s = %s\n" % item for item in extensions.items())
        self.n += 1
        request = ["req", "-new", "-key", name + ".key", "-subj", subject or "/CN=" + name, "-config", name + ".cnf",
                   "-out", name + ".csr"]
        self.run(*request)
        sign = ["-signkey", name + ".key"] if issuer == name else ["-CA", issuer + ".pem", "-CAkey", issuer + ".key"]
        if dates is None:
            self.run("x509", "-req", "-in", name + ".csr", *sign, "-set_serial", str(1000 + self.n), "-days", days,
                     "-" + digest, "-extfile", name + ".cnf", "-extensions", "ext", "-out", name + ".pem")
        else:
            self.by_dates(name, issuer, dates)
        return name

    def by_dates(self, name, issuer, dates):
        """x509 knows no start; ca does."""
        with open(self.path("dates.cnf"), "w", encoding="ascii") as out:
            out.write("[ca]\ndefault_ca = x\n[x]\ndatabase = dates.txt\nnew_certs_dir = .\ndefault_md = sha256\npolicy = p\n"
                      "unique_subject = no\nrand_serial = yes\n[p]\ncommonName = supplied\n")
        open(self.path("dates.txt"), "w", encoding="ascii").close()
        self.run("ca", "-batch", "-notext", "-config", "dates.cnf", "-in", name + ".csr", "-cert", issuer + ".pem", "-keyfile",
                 issuer + ".key", "-startdate", dates[0], "-enddate", dates[1], "-extfile", name + ".cnf", "-extensions", "ext",
                 "-out", name + ".pem")

    def client(self, name, issuer="inner", user="anna@example.org", change=None, **options):
        """As it should be, but for `change`: an extension's other value, or None to leave it out."""
        if options.get("key", "EC") == "EC":  # one key does for all: what counts is the certificate
            if not os.path.exists(self.path("client.key")):
                self.key("client")
            os.symlink("client.key", self.path(name + ".key"))
        extensions = {**GOOD, "subjectAltName": "email:" + user, **(change or {})}
        return self.make(name, issuer, {key: value for key, value in extensions.items() if value is not None}, **options)

    def crl(self, name, issuer, revoked=(), days=30, dates=None):
        """A revocation list NAME.crl of what issuer signed."""
        with open(self.path(name + ".db"), "w", encoding="ascii") as out:
            for cert in revoked:
                serial = self.run("x509", "-in", cert + ".pem", "-noout", "-serial").decode().strip().split("=")[1]
                out.write("R\t400101000000Z\t250101000000Z\t%s\tunknown\t/CN=x\n" % serial)
        with open(self.path(name + ".number"), "w", encoding="ascii") as out:
            out.write("01\n")
        with open(self.path(name + ".crl.cnf"), "w", encoding="ascii") as out:
            out.write("[ca]\ndefault_ca = x\n[x]\ndatabase = %s.db\ncrlnumber = %s.number\ndefault_md = sha256\n"
                      "crl_extensions = e\n[e]\nauthorityKeyIdentifier = keyid\n" % (name, name))
        when = ["-crldays", str(days)] if dates is None else ["-crl_lastupdate", dates[0], "-crl_nextupdate", dates[1]]
        self.run("ca", "-gencrl", "-config", name + ".crl.cnf", "-cert", issuer + ".pem", "-keyfile", issuer + ".key",
                 *when, "-out", name + ".crl")
        return name + ".crl"

    def bundle(self, out, *names):
        with open(self.path(out), "wb") as to:
            for name in names:
                with open(self.path(name), "rb") as pem:
                    to.write(pem.read())
        return self.path(out)
