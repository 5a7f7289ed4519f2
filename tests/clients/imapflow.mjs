// imapflow's calls against a server; each must be understood. Port, certificate, password and the folder it is
// installed in by environment; what was done is looked at by nightly_imapflow.py.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { ImapFlow } = createRequire(process.env.MODULES + '/')('imapflow');

const message = n =>
    `From: Sender <sender@example.org>\r\nTo: reader@example.org\r\nSubject: message ${n}\r\n` +
    `Message-ID: <${n}@example.org>\r\n\r\nline of message ${n}\r\n`;

// What is sent and received, to see which extensions are in use.
const wire = [];
const note = entry => wire.push(
    [entry.t ?? '', entry.cid ?? '', entry.src ?? '', entry.msg ?? '',
        entry.compress ? '' : Buffer.from(entry.data ?? '', 'base64').toString().trim()].filter(part => part !== '').join(' '));

// What never comes: the last that was said, and by whom it was asked for, instead of a test that hangs.
const DEADLINE_MS = 240 * 1000, SHOWN = 60;
setTimeout(() => {
    console.error('still waiting after %d s; the last of the wire:\n%s', DEADLINE_MS / 1000, wire.slice(-SHOWN).join('\n'));
    process.exit(1);
}, DEADLINE_MS).unref();

function client(options) {
    return new ImapFlow({
        host: 'localhost', port: Number(process.env.PORT), secure: true,
        auth: { user: 'u1', pass: process.env.PASSWORD },
        tls: { ca: readFileSync(process.env.CERTIFICATE) },
        logger: { trace: note, debug: note, info: note, warn: note, error: note }, logRaw: true, ...options,
    });
}

async function all(iterator) {
    const out = [];
    for await (const item of iterator) out.push(item);
    return out;
}

const event = (emitter, name) => new Promise(resolve => emitter.once(name, resolve));

async function write(imap) {
    const uids = [];
    for (let n = 1; n <= 5; n++) {
        const { uid, uidValidity } = await imap.append('INBOX', message(n), n === 2 ? ['\\Flagged'] : []);
        assert(uid > 0 && uidValidity > 0n);
        uids.push(uid);
    }
    return uids;
}

async function read(imap, uids) {
    const rows = await all(imap.fetch('1:*', {
        uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true, size: true, threadId: true,
        source: true }));
    assert.deepEqual(rows.map(row => row.uid), uids);
    rows.forEach((row, i) => {
        assert.equal(row.envelope.subject, `message ${i + 1}`);
        assert.equal(row.source.toString(), message(i + 1));
        assert.equal(row.size, message(i + 1).length);
        assert.equal(row.bodyStructure.type, 'text/plain');
        assert(row.modseq > 0n, 'CONDSTORE: modseq');
        assert(row.emailId && row.threadId, 'OBJECTID');
    });
    assert.equal(new Set(rows.map(row => row.emailId)).size, 5);
    assert.deepEqual(await imap.search({ subject: 'message 4' }, { uid: true }), [uids[3]]);
    assert.deepEqual(await imap.search({ emailId: rows[2].emailId }, { uid: true }), [uids[2]]);
    const { content } = await imap.download(String(uids[0]), '1', { uid: true });
    assert.equal((await all(content)).join(''), 'line of message 1\r\n');
    return rows;
}

async function mailboxes(imap) {
    const special = Object.fromEntries((await imap.list()).filter(box => box.specialUse).map(box => [box.specialUse, box.path]));
    assert.deepEqual(special, { '\\Inbox': 'INBOX', '\\Drafts': 'Drafts', '\\Sent': 'Sent', '\\Junk': 'Junk',
        '\\Trash': 'Trash', '\\Archive': 'Archive' });
    assert.equal((await imap.mailboxCreate('Work')).created, true);
    assert.match((await imap.status('Work', { messages: true, highestModseq: true })).highestModseq.toString(), /^[1-9]/);
}

// Another session changes flags, appends and expunges; this one hears of both, with modseq and uids, while in IDLE.
async function hear(imap, other, uids) {
    const flags = event(imap, 'flags');
    const idle = imap.idle();
    await other.messageFlagsAdd(String(uids[0]), ['\\Seen', '$Label1'], { uid: true });
    const told = await flags;
    assert.deepEqual([told.uid, [...told.flags].sort()], [uids[0], ['$Label1', '\\Seen']]);
    assert(told.modseq > 0n);
    const exists = event(imap, 'exists');
    await other.append('INBOX', message(6));
    assert.equal((await exists).count, 6);
    const gone = event(imap, 'expunge');
    await other.messageDelete(String(uids[4]), { uid: true });
    assert.deepEqual((({ uid, vanished }) => [uid, vanished])(await gone), [uids[4], true]);
    await imap.noop(); // ends IDLE
    await idle;
}

const imap = client({ qresync: true });
const other = client({ qresync: true });
await imap.connect();
for (const name of ['CONDSTORE', 'QRESYNC', 'IDLE', 'COMPRESS=DEFLATE', 'OBJECTID', 'SPECIAL-USE'])
    assert(imap.capabilities.has(name) || name.startsWith('COMPRESS'), name);
assert(imap.enabled.has('QRESYNC') && imap.enabled.has('CONDSTORE'));
assert.equal(imap.serverInfo.name, 'Roost');
await mailboxes(imap);
const uids = await write(imap);
await imap.mailboxOpen('INBOX');
assert(imap.mailbox.highestModseq > 0n && imap.mailbox.noModseq !== true);
assert(imap.mailbox.mailboxId, 'OBJECTID: mailbox');
const rows = await read(imap, uids);
const start = imap.mailbox.highestModseq, validity = imap.mailbox.uidValidity;

await other.connect();
await other.mailboxOpen('INBOX');
await hear(imap, other, uids);
assert.equal((await other.messageMove(String(uids[3]), 'Archive', { uid: true })).uidMap.size, 1);
assert.equal((await other.messageCopy(String(uids[0]), 'Work', { uid: true })).uidMap.size, 1);
await imap.noop(); // the expunge is told
const changed = await all(imap.fetch('1:*', { flags: true }, { changedSince: start }));
assert(changed.some(row => row.uid === uids[0]) && !changed.some(row => row.uid === uids[1]), 'changedSince');

// A third session comes back with what was known at the start (QRESYNC).
const third = client({ qresync: true });
const vanished = [];
third.on('expunge', entry => vanished.push(entry.uid));
await third.connect();
await third.mailboxOpen('INBOX', { changedSince: start, uidValidity: validity });
await third.noop();
assert.deepEqual(vanished.sort((a, b) => a - b), [uids[3], uids[4]]);

const moved = await all((await third.mailboxOpen('Archive'), third.fetch('1:*', { uid: true })));
assert.equal(moved[0].emailId, rows[3].emailId);
assert(wire.some(line => /COMPRESS/.test(line)), 'COMPRESS is used');
for (const session of [imap, other, third]) await session.logout();
