"""Postfix as Debian ships it, its LMTP client chrooted: over a unix socket inside the chroot, and over TCP.

An instance of its own, with Debian's master.cf, on loopback ports; started and stopped by its own configuration
folder, so that one that runs on this machine is left alone.
"""

import grp
import os
import pwd
import re
import smtplib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import SKIPPED, Port, Server, need, wait_for

POSTFIX = need("postfix", "postfix")
MASTER_CF = "/usr/share/postfix/master.cf.dist"
SOCKET = "private/roost-lmtp"  # below the queue folder, which is the chroot
if os.geteuid() != 0:
    print("skipped: Postfix starts as root only")
    sys.exit(SKIPPED)
if not os.path.exists(MASTER_CF):
    print("skipped: postfix missing as Debian ships it (%s)" % MASTER_CF)
    sys.exit(SKIPPED)

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
meta_directory = {config}
maillog_file = {log}
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example.org
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
biff = no
virtual_mailbox_domains = unix.example.org, tcp.example.org
virtual_mailbox_maps = static:all
transport_maps = inline:{{ unix.example.org=lmtp:unix:{socket}, tcp.example.org=lmtp:inet:127.0.0.1:{lmtp} }}
"""


class Postfix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.folder = os.path.join(cls.server.folder, "postfix")
        cls.config = os.path.join(cls.folder, "etc")
        cls.queue = os.path.join(cls.folder, "spool")
        cls.log_path = os.path.join(cls.folder, "log")
        cls.port = Port()
        cls.addClassCleanup(cls.port.close)
        cls.configure()
        # The socket as docs/clients.md says for Debian.
        cls.server.set(lmtp=["127.0.0.1:%d" % cls.server.lmtp_port,
                             "unix:" + os.path.join(cls.queue, SOCKET)],
                       lmtp_owner="postfix", lmtp_group="postfix", lmtp_mode="0600")
        cls.server.start()
        cls.postfix("start")
        cls.addClassCleanup(cls.postfix, "stop")

    @classmethod
    def configure(cls):
        owner = pwd.getpwnam("postfix").pw_uid
        for path in (cls.folder, cls.config, cls.queue):
            os.mkdir(path, 0o755)
        data = os.path.join(cls.folder, "lib")
        os.mkdir(data, 0o700)
        os.chown(data, owner, grp.getgrnam("postfix").gr_gid)
        with open(MASTER_CF, encoding="utf-8") as text:
            master = text.read()
        master, n = re.subn(r"(?m)^smtp( +inet )", "127.0.0.1:%d\\1" % cls.port.number, master)
        assert n == 1, "no smtp service in " + MASTER_CF
        assert re.search(r"(?m)^lmtp +unix +- +- +y ", master), "Debian's lmtp client is chrooted"
        with open(os.path.join(cls.config, "master.cf"), "w", encoding="utf-8") as out:
            out.write(master)
        with open(os.path.join(cls.config, "main.cf"), "w", encoding="utf-8") as out:
            out.write(MAIN_CF.format(queue=cls.queue, data=data, config=cls.config,
                                     log=cls.log_path, folder=cls.folder, socket=SOCKET,
                                     lmtp=cls.server.lmtp_port))
        for name in ("postfix-files", "dynamicmaps.cf"):
            os.symlink("/etc/postfix/" + name, os.path.join(cls.config, name))
        for name in ("postfix-files.d", "dynamicmaps.cf.d"):
            os.symlink("/etc/postfix/" + name, os.path.join(cls.config, name))
        # The folders below the queue, among them the one that the socket lies in.
        cls.postfix("check")

    @classmethod
    def postfix(cls, command):
        done = subprocess.run([POSTFIX, "-c", cls.config, command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise AssertionError("postfix %s: %s%s%s" % (command, done.stdout, done.stderr, cls.log()))

    @classmethod
    def log(cls):
        try:
            with open(cls.log_path, encoding="utf-8", errors="replace") as text:
                return text.read()
        except FileNotFoundError:
            return ""

    def submit(self, sender, recipients, subject):
        message = ("From: <%s>\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@relay.example.org>\r\n\r\n"
                   "Hello.\r\n.\r\nA dot stood alone.\r\n" % (
                       sender, ", ".join(recipients), subject, subject.replace(" ", "-")))
        with smtplib.SMTP("127.0.0.1", self.port.number, timeout=60) as smtp:
            smtp.sendmail(sender, recipients, message)

    def idle(self, user):
        client = self.server.wire(user)
        self.addCleanup(client.close)
        client.ok("SELECT INBOX")
        return client, client.idle()

    def newest(self, client, tag):
        """What the IDLE of a client was told of, fetched."""
        line = client.line()
        self.assertTrue(line.endswith(b" EXISTS"), line)
        client.done(tag)
        return b"".join(client.ok("FETCH * BODY.PEEK[]"))

    def arrives(self, domain):
        client, tag = self.idle("u1")
        subject = "to " + domain
        self.submit("somebody@unix.example.org", ["u1@" + domain], subject)
        message = self.newest(client, tag)
        self.assertIn(b"Subject: " + subject.encode(), message)
        self.assertIn(b"\r\nHello.\r\n.\r\nA dot stood alone.\r\n", message)
        self.assertTrue(b"Return-Path: <somebody@unix.example.org>\r\n" in message, message)
        self.assertEqual(message.count(b"Return-Path:"), 1)
        self.assertIn(b"Delivered-To: u1@" + domain.encode(), message)

    def test_over_the_socket_inside_the_chroot(self):
        self.arrives("unix.example.org")

    def test_over_tcp(self):
        self.arrives("tcp.example.org")

    def test_an_unknown_user_bounces(self):
        client, tag = self.idle("u3")
        self.submit("u3@unix.example.org", ["nobody@unix.example.org"], "to nobody")
        bounce = self.newest(client, tag)
        self.assertIn(b"Return-Path: <>\r\n", bounce)
        self.assertRegex(bounce, rb"550[- ]5\.1\.1")
        self.assertIn(b"Final-Recipient: rfc822; nobody@unix.example.org", bounce)

    def test_each_recipient_has_its_own_reply(self):
        names = ["u4@unix.example.org", "u5@unix.example.org", "nobody2@unix.example.org"]
        idles = [self.idle(user) for user in ("u4", "u5")]
        self.submit("u2@unix.example.org", names, "to three")
        for client, tag in idles:
            self.assertIn(b"Subject: to three", self.newest(client, tag))

        def replies():
            found = re.findall(r"to=<(u4|u5|nobody2)@unix\.example\.org>.* status=(\w+) \((?:host [^ ]+ said: )?([^)]*)",
                               self.log())
            return found if len(found) >= 3 else None

        found = wait_for(replies, self.log)
        self.assertEqual(sorted((who, status) for who, status, _ in found),
                         [("nobody2", "bounced"), ("u4", "sent"), ("u5", "sent")])
        for who, _, text in found:
            self.assertRegex(text, "550 5.1.1" if who == "nobody2" else "250 2[.]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
