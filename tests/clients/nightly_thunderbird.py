"""Thunderbird over TLS: open, offline sync, flag, move, delete, work without the network, save a draft, new mail."""

import base64
import os
import ssl
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from roost_server import PASSWORD, Server, sample, wait_for
from thunderbird import Thunderbird

ACCOUNT = """
const [port, certificate, password] = arguments;
Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService).rememberValidityOverride(
    "localhost", port, {}, Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
    .constructX509FromBase64(certificate), false);
const server = MailServices.accounts.createIncomingServer("u1", "localhost", "imap");
server.port = port;
server.socketType = Ci.nsMsgSocketType.SSL;
server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
server.password = password;
const identity = MailServices.accounts.createIdentity();
identity.email = "u1@example.org";
const account = MailServices.accounts.createAccount();
account.incomingServer = server;
account.addIdentity(identity);
MailServices.accounts.defaultAccount = account;
server.performExpand(null);
"""

# What the scripts below have in common; `stopped` waits for an operation of Thunderbird.
MAIL = """
const server = MailServices.accounts.defaultAccount.incomingServer;
const folder = flag => server.rootFolder.getFolderWithFlags(flag);
const inbox = folder(Ci.nsMsgFolderFlags.Inbox);
const headers = () => [...inbox.messages];
const message = n => headers().find(header => header.subject === "message " + n);
const stopped = start => new Promise((resolve, reject) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
    OnStartRunningUrl() {}, OnStopRunningUrl(url, code) { code ? reject(code) : resolve(); },
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
    onStopCopy(code) { code ? reject(code) : resolve(); } }));
"""

DRAFT = """
const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
params.type = Ci.nsIMsgCompType.New;
params.format = Ci.nsIMsgCompFormat.PlainText;
params.identity = MailServices.accounts.defaultAccount.defaultIdentity;
params.composeFields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
params.composeFields.to = "reader@example.org";
params.composeFields.subject = "message 7";
params.composeFields.body = "a draft\\n";
MailServices.compose.OpenComposeWindowWithParams(null, params);
"""
COMPOSER = """
const composer = [...Services.wm.getEnumerator("msgcompose")].find(window =>
    window.gMsgCompose?.editor && window.document.readyState === "complete" && window.gWindowLocked === false);
"""


class ThunderbirdDay(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.close)
        for number in range(1, 6):
            self.server.deliver("u1", sample(number))
        home = os.path.join(self.server.folder, "home")
        os.mkdir(home, 0o700)
        self.program = Thunderbird(home, {})
        self.program.__enter__()
        self.addCleanup(self.program.__exit__)

    def mail(self, script, *args):
        return self.program.run(MAIL + script, *args)

    def holds(self, mailbox, want):
        """What Thunderbird has done it may send when it likes; with flags that were changed offline it sends $MDNSent."""
        def got():
            flags = self.server.flags("u1", mailbox)
            return {number: sorted(set(flags[number]) - {"$MDNSent"}) for number in flags}

        wait_for(lambda: got() == want, lambda: "%s holds %r: %r" % (mailbox, want, got()))

    def test_a_day_of_mail(self):
        with open(self.server.certificate, encoding="ascii") as pem:
            certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(pem.read())).decode()
        self.program.run(ACCOUNT, self.server.imaps_port, certificate, PASSWORD)
        self.program.until(MAIL + "return inbox !== null && folder(Ci.nsMsgFolderFlags.Archive) !== null "
                           "&& folder(Ci.nsMsgFolderFlags.Drafts) !== null;")
        self.program.until(MAIL + "inbox.updateFolder(null); return headers().length === 5;")

        # Every message comes for the time without network.
        self.mail("inbox.setFlag(Ci.nsMsgFolderFlags.Offline);"
                  "await stopped(listener => inbox.downloadAllForOffline(listener, null));")
        self.program.until(MAIL + "return headers().every(header => header.flags & Ci.nsMsgMessageFlags.Offline "
                           "&& header.offlineMessageSize > 0);")
        self.mail("inbox.markMessagesRead([message(2)], true); inbox.markMessagesFlagged([message(3)], true);")
        self.mail("await stopped(listener => MailServices.copy.copyMessages(inbox, [message(4)], "
                  "folder(Ci.nsMsgFolderFlags.Archive), true, listener, null, false));")
        self.mail("await stopped(listener => inbox.deleteMessages([message(5)], null, false, true, listener, false));")
        self.holds("INBOX", {1: [], 2: ["\\Seen"], 3: ["\\Flagged"]})
        self.assertEqual(list(self.server.flags("u1", "Archive")), [4])
        self.assertEqual(list(self.server.flags("u1", "Trash")), [5])

        # Without the network it reads and changes; back online it sends what it did and hears what was done.
        self.mail("Services.io.offline = true; inbox.markMessagesFlagged([message(1)], true);")
        with self.server.wire("u1") as other:
            other.ok("SELECT INBOX")
            other.ok("STORE 2 +FLAGS (\\Deleted)")
            other.ok("EXPUNGE")
            self.assertEqual(self.server.flags("u1", "INBOX"), {1: [], 3: ["\\Flagged"]})
        self.mail("Services.io.offline = false;"
                  "Cc['@mozilla.org/messenger/offline-manager;1'].getService(Ci.nsIMsgOfflineManager)"
                  ".goOnline(false, true, null);")
        self.holds("INBOX", {1: ["\\Flagged"], 3: ["\\Flagged"]})
        self.server.deliver("u1", sample(6))
        self.program.until(MAIL + "inbox.updateFolder(null); "
                           "return headers().map(header => header.subject).sort().join() === "
                           "'message 1,message 3,message 6';")

        self.program.run(DRAFT)
        self.program.until(COMPOSER + "if (composer) await composer.SaveAsDraft(); return !!composer;")
        self.program.until(COMPOSER + "return !!composer?.gMsgCompose.compFields.draftId;")
        self.assertEqual(list(self.server.flags("u1", "Drafts")), [7])
        with self.server.wire("u1") as other:
            other.ok("EXAMINE Drafts")
            self.assertIn(b"\\Draft", other.ok("FETCH 1 (FLAGS)")[0])
            self.assertIn(b"a draft\r\n", other.ok("FETCH 1 (BODY.PEEK[1])")[0])
        self.holds("INBOX", {1: ["\\Flagged"], 3: ["\\Flagged"], 6: []})


if __name__ == "__main__":
    unittest.main(verbosity=2)
