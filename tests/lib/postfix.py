"""A Postfix of a test's own: Debian's master.cf, on a loopback port, below the folder of its Roost.

It is started and stopped by its own configuration folder, so that one that runs on this machine is left alone. Its programs are
chrooted to its queue, as Debian ships them; sockets that they use lie below that.
"""

import grp
import os
import pwd
import re
import subprocess
import sys

from roost_server import SKIPPED, Port, need

MASTER_CF = "/usr/share/postfix/master.cf.dist"
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
"""


def need_postfix():
    """Postfix's program, or the whole test is skipped and says so."""
    program = need("postfix", "postfix")
    if os.geteuid() != 0:
        print("skipped: Postfix starts as root only")
        sys.exit(SKIPPED)
    if not os.path.exists(MASTER_CF):
        print("skipped: postfix missing as Debian ships it (%s)" % MASTER_CF)
        sys.exit(SKIPPED)
    return program


class Postfix:
    """Folders and ports at first, so that the server's sockets can lie in the queue; then start(main_cf)."""

    def __init__(self, server):
        self.program = need_postfix()
        self.folder = os.path.join(server.folder, "postfix")
        self.config = os.path.join(self.folder, "etc")
        self.queue = os.path.join(self.folder, "spool")
        self.log_path = os.path.join(self.folder, "log")
        self.data = os.path.join(self.folder, "lib")
        self.port = Port()
        self.running = False
        for path in (self.folder, self.config, self.queue):
            os.mkdir(path, 0o755)
        os.mkdir(self.data, 0o700)
        os.chown(self.data, pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
        for name in ("postfix-files", "dynamicmaps.cf", "postfix-files.d", "dynamicmaps.cf.d"):
            os.symlink("/etc/postfix/" + name, os.path.join(self.config, name))

    def configure(self, main_cf, **words):
        """main_cf: more lines, with {queue} and the words given put in."""
        with open(MASTER_CF, encoding="utf-8") as text:
            master = text.read()
        master, n = re.subn(r"(?m)^smtp( +inet )", "127.0.0.1:%d\\1" % self.port.number, master)
        assert n == 1, "no smtp service in " + MASTER_CF
        assert re.search(r"(?m)^lmtp +unix +- +- +y ", master), "Debian's lmtp client is chrooted"
        with open(os.path.join(self.config, "master.cf"), "w", encoding="utf-8") as out:
            out.write(master)
        with open(os.path.join(self.config, "main.cf"), "w", encoding="utf-8") as out:
            out.write((MAIN_CF + main_cf).format(
                queue=self.queue, data=self.data, config=self.config, log=self.log_path, folder=self.folder, **words))
        # The folders below the queue, among them those that sockets lie in.
        self.command("check")

    def start(self):
        self.command("start")
        self.running = True

    def command(self, command):
        done = subprocess.run([self.program, "-c", self.config, command], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise AssertionError("postfix %s: %s%s%s" % (command, done.stdout, done.stderr, self.log()))

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as text:
                return text.read()
        except FileNotFoundError:
            return ""

    def close(self):
        if self.running:
            self.command("stop")
        self.port.close()
