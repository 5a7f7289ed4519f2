/* test_command.c - each command's grammar: a row per form, and a row per near miss. */
// links: imap
#include "imap/command.h"
#include "imap/print.h"
#include "lib/test.h"

static const struct imap_mode rev1 = {0};
static const struct imap_mode rev2 = {.rev2 = true};
static const struct imap_mode utf8 = {.utf8_accept = true};

static enum rc parse(const char *text, struct imap_mode mode, imap_parse_fn *fn,
                     struct arena *arena, struct imap_cmd *cmd, struct err *err)
{
    struct imap_text whole = {.text = slice_from_str(text)};
    enum rc rc = imap_parse_head(&whole, mode, arena, cmd, err);

    return rc ? rc : imap_parse_args(cmd, fn, err);
}

struct row {
    imap_parse_fn *fn;
    const char *text;
    enum rc rc;
};

// clang-format off
static const struct row rows[] = {
    {imap_parse_none, "a NOOP", RC_OK},
    {imap_parse_none, "a NOOP ", RC_SYNTAX},
    {imap_parse_none, " NOOP", RC_SYNTAX},
    {imap_parse_none, "+ NOOP", RC_SYNTAX},
    {imap_parse_none, "a+b NOOP", RC_SYNTAX},
    {imap_parse_none, "a]b NOOP", RC_OK},
    {imap_parse_none, "a{ NOOP", RC_SYNTAX},
    {imap_parse_none, "a", RC_SYNTAX},
    {imap_parse_none, "", RC_SYNTAX},
    {imap_parse_none, "a  NOOP", RC_SYNTAX},
    {imap_parse_none, "a UID", RC_SYNTAX},
    {imap_parse_none, "a UID NOOP", RC_OK}, /* whether it has such a form knows the dispatcher */

    {imap_parse_login, "a LOGIN joe pw", RC_OK},
    {imap_parse_login, "a LOGIN \"j\\\\\\\"e\" \"\"", RC_OK},
    {imap_parse_login, "a LOGIN {3}\r\njoe {2}\r\npw", RC_OK},
    {imap_parse_login, "a LOGIN joe]x p]w", RC_OK},
    {imap_parse_login, "a LOGIN joe", RC_SYNTAX},
    {imap_parse_login, "a LOGIN joe pw x", RC_SYNTAX},
    {imap_parse_login, "a LOGIN joe  pw", RC_SYNTAX},
    {imap_parse_login, "a LOGIN j(e pw", RC_SYNTAX},
    {imap_parse_login, "a LOGIN \"j\\oe\" pw", RC_SYNTAX}, /* only \ and " are escaped */
    {imap_parse_login, "a LOGIN \"joe pw", RC_SYNTAX},
    {imap_parse_login, "a LOGIN j\xc3\xbc pw", RC_SYNTAX},
    {imap_parse_login, "a LOGIN \"j\xc3\xbc\" pw", RC_SYNTAX}, /* 8-bit in a quoted string */
    {imap_parse_login, "a LOGIN ~{3}\r\njoe pw", RC_SYNTAX}, /* literal8 */
    {imap_parse_login, "a LOGIN {4}\r\njoe", RC_SYNTAX},

    {imap_parse_authenticate, "a AUTHENTICATE PLAIN", RC_OK},
    {imap_parse_authenticate, "a AUTHENTICATE PLAIN AGpvZQBwdw==", RC_OK},
    {imap_parse_authenticate, "a AUTHENTICATE PLAIN =", RC_OK},
    {imap_parse_authenticate, "a AUTHENTICATE PLAIN ", RC_SYNTAX},
    {imap_parse_authenticate, "a AUTHENTICATE PLAIN AGpvZQBwdw", RC_SYNTAX},
    {imap_parse_authenticate, "a AUTHENTICATE PLAIN \"AGpv\"", RC_SYNTAX},
    {imap_parse_authenticate, "a AUTHENTICATE", RC_SYNTAX},

    {imap_parse_enable, "a ENABLE UTF8=ACCEPT CONDSTORE", RC_OK},
    {imap_parse_enable, "a ENABLE", RC_SYNTAX},
    {imap_parse_enable, "a ENABLE X ", RC_SYNTAX},
    {imap_parse_enable, "a ENABLE \"X\"", RC_SYNTAX},

    {imap_parse_id, "a ID NIL", RC_OK},
    {imap_parse_id, "a ID ()", RC_OK},
    {imap_parse_id, "a ID (\"name\" \"x\" \"os\" NIL)", RC_OK},
    {imap_parse_id, "a ID (\"name\")", RC_SYNTAX},
    {imap_parse_id, "a ID (name \"x\")", RC_SYNTAX},
    {imap_parse_id, "a ID (\"name\" x)", RC_SYNTAX},
    {imap_parse_id, "a ID", RC_SYNTAX},
    {imap_parse_id, "a ID (\"1234567890123456789012345678901\" NIL)", RC_SYNTAX}, /* 31 octets */

    {imap_parse_select, "a SELECT INBOX", RC_OK},
    {imap_parse_select, "a SELECT INBOX (CONDSTORE)", RC_OK},
    {imap_parse_select, "a SELECT INBOX ()", RC_OK},
    {imap_parse_select, "a SELECT INBOX (CONDSTORE FOO)", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX CONDSTORE", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1))", RC_OK},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1:4,9))", RC_OK},
    {imap_parse_select, "a SELECT INBOX (CONDSTORE QRESYNC (7 1 (1,3 2,9)))", RC_OK},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1:4 (1:2 2,9)))", RC_OK},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1:4 (1:2 2)))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1:*))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 $))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 9,4:1))", RC_OK}, /* a set, in any order */
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1:4 (4:1 1:4)))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1:4 (1:2 4,1)))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1 1 ))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC (7 1) QRESYNC (7 1))", RC_SYNTAX},
    {imap_parse_select, "a SELECT INBOX (QRESYNC)", RC_SYNTAX},
    {imap_parse_select, "a SELECT", RC_SYNTAX},
    {imap_parse_select, "a SELECT \"\"", RC_INVALID},
    {imap_parse_select, "a SELECT a//b", RC_INVALID},
    {imap_parse_select, "a SELECT a/", RC_INVALID},
    {imap_parse_select, "a SELECT a%", RC_SYNTAX},
    {imap_parse_select, "a SELECT \"a%\"", RC_OK},

    {imap_parse_create, "a CREATE a/b/", RC_OK},
    {imap_parse_create, "a CREATE /", RC_INVALID},
    {imap_parse_create, "a CREATE a//", RC_INVALID},
    {imap_parse_create, "a CREATE a (USE (\\Drafts \\Sent))", RC_OK},
    {imap_parse_create, "a CREATE a (USE ())", RC_OK},
    {imap_parse_create, "a CREATE a (USE (Drafts))", RC_SYNTAX},
    {imap_parse_create, "a CREATE a (USE \\Drafts)", RC_SYNTAX},
    {imap_parse_create, "a CREATE a (USE (\\Drafts) USE (\\Sent))", RC_SYNTAX},
    {imap_parse_create, "a CREATE a (FOO)", RC_SYNTAX},

    {imap_parse_mailbox, "a DELETE ..", RC_OK}, /* names are no paths */
    {imap_parse_mailbox, "a DELETE \"a b\"", RC_OK},
    {imap_parse_mailbox, "a DELETE a b", RC_SYNTAX},
    {imap_parse_rename, "a RENAME a b/", RC_OK},
    {imap_parse_rename, "a RENAME a/ b", RC_INVALID},
    {imap_parse_rename, "a RENAME a", RC_SYNTAX},

    {imap_parse_list, "a LIST \"\" \"\"", RC_OK},
    {imap_parse_list, "a LIST \"\" *", RC_OK},
    {imap_parse_list, "a LIST a/ %/b*", RC_OK},
    {imap_parse_list, "a LIST () \"\" *", RC_OK},
    {imap_parse_list, "a LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (a b \"c d\")", RC_OK},
    {imap_parse_list, "a LIST (RECURSIVEMATCH) \"\" *", RC_SYNTAX},
    {imap_parse_list, "a LIST (REMOTE RECURSIVEMATCH) \"\" *", RC_SYNTAX},
    {imap_parse_list, "a LIST (FOO) \"\" *", RC_SYNTAX},
    {imap_parse_list, "a LIST \"\" * RETURN ()", RC_OK},
    {imap_parse_list, "a LIST \"\" * RETURN (CHILDREN STATUS (MESSAGES SIZE) SPECIAL-USE)", RC_OK},
    {imap_parse_list, "a LIST \"\" * RETURN (STATUS (MESSAGES) CHILDREN STATUS (SIZE) CHILDREN)", RC_OK},
    {imap_parse_list, "a LIST \"\" * RETURN (METADATA (/private/a /private/b) METADATA (/private/c))", RC_OK},
    {imap_parse_list, "a LIST \"\" * RETURN (STATUS)", RC_SYNTAX},
    {imap_parse_list, "a LIST \"\" * RETURN (STATUS ())", RC_SYNTAX},
    {imap_parse_list, "a LIST \"\" * (CHILDREN)", RC_SYNTAX},
    {imap_parse_list, "a LIST \"\" ()", RC_SYNTAX},
    {imap_parse_list, "a LIST * \"\"", RC_SYNTAX}, /* a reference is a mailbox */
    {imap_parse_list, "a LIST \"\"", RC_SYNTAX},
    {imap_parse_list, "a LIST \"\" &AO*", RC_OK}, /* no modified UTF-7: ignored (RFC 9051 6.3.9) */
    {imap_parse_lsub, "a LSUB \"\" *", RC_OK},
    {imap_parse_lsub, "a LSUB \"\" (a)", RC_SYNTAX},
    {imap_parse_lsub, "a LSUB \"\" * RETURN ()", RC_SYNTAX},

    {imap_parse_status, "a STATUS x (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)", RC_OK},
    {imap_parse_status, "a STATUS x (RECENT HIGHESTMODSEQ APPENDLIMIT)", RC_OK},
    {imap_parse_status, "a STATUS x ()", RC_SYNTAX},
    {imap_parse_status, "a STATUS x MESSAGES", RC_SYNTAX},
    {imap_parse_status, "a STATUS x (MESSAGE)", RC_SYNTAX},
    {imap_parse_status, "a STATUS x (MESSAGESX)", RC_SYNTAX},
    {imap_parse_status, "a STATUS x (MESSAGES )", RC_SYNTAX},

    {imap_parse_append, "a APPEND x {2}\r\nhi", RC_OK},
    {imap_parse_append, "a APPEND x (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {2}\r\nhi", RC_OK},
    {imap_parse_append, "a APPEND x () {2}\r\nhi (\\Seen k) ~{2+}\r\nho", RC_OK},
    {imap_parse_append, "a APPEND x UTF8 (~{2}\r\nhi)", RC_OK},
    {imap_parse_append, "a APPEND x UTF8 ({2}\r\nhi)", RC_SYNTAX},
    {imap_parse_resetkey, "a RESETKEY", RC_OK},
    {imap_parse_resetkey, "a RESETKEY x", RC_OK},
    {imap_parse_resetkey, "a RESETKEY x INTERNAL X-1.2", RC_OK},
    {imap_parse_resetkey, "a RESETKEY ", RC_SYNTAX},
    {imap_parse_resetkey, "a RESETKEY x ", RC_SYNTAX},
    {imap_parse_resetkey, "a RESETKEY x IN_TERNAL", RC_SYNTAX},
    {imap_parse_genurlauth, "a GENURLAUTH \"x\" INTERNAL y internal", RC_OK},
    {imap_parse_genurlauth, "a GENURLAUTH", RC_SYNTAX},
    {imap_parse_genurlauth, "a GENURLAUTH x", RC_SYNTAX},
    {imap_parse_genurlauth, "a GENURLAUTH x \"INTERNAL\"", RC_SYNTAX},
    {imap_parse_genurlauth, "a GENURLAUTH x INTERNAL y", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH x (y) (z BODY BODYPARTSTRUCTURE) (q binary)", RC_OK},
    {imap_parse_urlfetch, "a URLFETCH", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH ()", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH (x BODY", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH (x BODY BINARY)", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH (x BODYPARTSTRUCTURE BODYPARTSTRUCTURE)", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH (x  BODY)", RC_SYNTAX},
    {imap_parse_urlfetch, "a URLFETCH x  y", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (TEXT {2}\r\nhi)", RC_OK},
    {imap_parse_append, "a APPEND x (\\Seen) catenate (url /a text ~{0}\r\n URL {2+}\r\n/b) {2}\r\nhi", RC_OK},
    {imap_parse_append, "a APPEND x CATENATE (UTF8 (~{2}\r\nhi) URL \"/a\") CATENATE (URL \"/b\")", RC_OK},
    {imap_parse_append, "a APPEND x CATENATE ()", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (TEXT \"hi\")", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (TEXT {2}\r\nhi", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE TEXT {2}\r\nhi", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (URL)", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (URL  /a)", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (URL /a  TEXT {2}\r\nhi)", RC_SYNTAX},
    {imap_parse_append, "a APPEND x CATENATE (FILE /a)", RC_SYNTAX},
    {imap_parse_append, "a APPEND x", RC_SYNTAX},
    {imap_parse_append, "a APPEND x \"hi\"", RC_SYNTAX},
    {imap_parse_append, "a APPEND x {2}\r\nhi ", RC_SYNTAX},
    {imap_parse_append, "a APPEND x {2}\r\nhi{2}\r\nho", RC_SYNTAX},
    {imap_parse_append, "a APPEND x \"17-Jul-1996 02:44:25 -0700\" (\\Seen) {2}\r\nhi", RC_SYNTAX},
    {imap_parse_append, "a APPEND x \"1-Jul-1996 02:44:25 -0700\" {2}\r\nhi", RC_SYNTAX},
    {imap_parse_append, "a APPEND x (\\Recent) {2}\r\nhi", RC_SYNTAX},

    {imap_parse_fetch, "a FETCH 1 FLAGS", RC_OK},
    {imap_parse_fetch, "a FETCH 1 (EMAILID THREADID SAVEDATE PREVIEW)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 PREVIEW (LAZY)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 (PREVIEW (LAZY) UID) (CHANGEDSINCE 7)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 PREVIEW (CHANGEDSINCE 7)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 7)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 (PREVIEW (EAGER))", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 (UID) (CHANGEDSINCE 7 VANISHED)", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH $ (UID FLAGS)", RC_OK},
    {imap_parse_fetch, "a FETCH 1:* ALL", RC_OK},
    {imap_parse_fetch, "a FETCH 1 (ALL)", RC_SYNTAX}, /* a macro stands alone */
    {imap_parse_fetch, "a FETCH 1 ()", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 FLAGS UID", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[]", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BODY []", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY.PEEK", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[HEADER.FIELDS (A \"b c\")]<0.10>", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BODY[HEADER.FIELDS ()]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[HEADER.FIELDS]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[HEADER.FIELDS.NOT (a)]", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BODY[HEADER.FIELDS (\"a]\" b] c {2}\r\n]] d)]", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BODY[1.2.MIME]", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BODY[MIME]", RC_SYNTAX}, /* MIME is of a part */
    {imap_parse_fetch, "a FETCH 1 BODY[1.]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[0]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[1.0]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[01]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[1HEADER]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[]<0>", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BODY[]<0.0>", RC_SYNTAX}, /* nz-number */
    {imap_parse_fetch, "a FETCH 1 BODYSTRUCTURE[]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BINARY[1.2]<0.4>", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BINARY.PEEK[]", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BINARY[1.TEXT]", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BINARY", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 BINARY.SIZE[1]", RC_OK},
    {imap_parse_fetch, "a FETCH 1 BINARY.SIZE[1]<0.4>", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 RFC822.PEEK", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 FLAGS (CHANGEDSINCE 5)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 FLAGS (CHANGEDSINCE 0)", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775807)", RC_OK},
    {imap_parse_fetch, "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1 FLAGS ()", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1, FLAGS", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH FLAGS", RC_SYNTAX},

    {imap_parse_store, "a STORE 1 FLAGS \\Seen", RC_OK},
    {imap_parse_store, "a STORE 1 +FLAGS.SILENT (\\Seen k)", RC_OK},
    {imap_parse_store, "a STORE 1 -FLAGS \\Seen \\Deleted", RC_OK},
    {imap_parse_store, "a STORE 1 FLAGS ()", RC_OK},
    {imap_parse_store, "a STORE 1 FLAGS", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 FLAGS.QUIET ()", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 + FLAGS ()", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 FLAGS (\\Recent)", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 FLAGS (\\Foo)", RC_INVALID},
    {imap_parse_store, "a STORE 1 FLAGS (\\*)", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 FLAGS (a b]", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 (UNCHANGEDSINCE 0) FLAGS ()", RC_OK},
    {imap_parse_store, "a STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS ()", RC_SYNTAX},
    {imap_parse_store, "a STORE 1 () FLAGS ()", RC_SYNTAX},

    {imap_parse_copy, "a COPY 1:3 x", RC_OK},
    {imap_parse_copy, "a COPY 1:3", RC_SYNTAX},
    {imap_parse_copy, "a COPY x 1:3", RC_SYNTAX},
    {imap_parse_expunge, "a EXPUNGE", RC_OK},
    {imap_parse_expunge, "a EXPUNGE 1", RC_SYNTAX},
    {imap_parse_expunge, "a UID EXPUNGE 1:4,$", RC_SYNTAX},
    {imap_parse_expunge, "a UID EXPUNGE $", RC_OK},
    {imap_parse_expunge, "a UID EXPUNGE", RC_SYNTAX},

    {imap_parse_search, "a SEARCH ALL", RC_OK},
    {imap_parse_search, "a SEARCH TEXT \"na\xc3\xafve\"", RC_OK},
    {imap_parse_search, "a SEARCH CHARSET ISO-8859-1 TEXT \"na\xefve\"", RC_OK},
    {imap_parse_search, "a SEARCH TEXT \"na\xefve\"", RC_SYNTAX},
    {imap_parse_search, "a SEARCH TEXT \"a\nb\"", RC_SYNTAX},
    {imap_parse_sort, "a SORT (DATE) UTF-8 TEXT \"na\xc3\xafve\"", RC_OK},
    {imap_parse_getquota, "a GETQUOTA \"\"", RC_OK},
    {imap_parse_getquota, "a GETQUOTA !partition/sda4", RC_OK},
    {imap_parse_getquota, "a GETQUOTA", RC_SYNTAX},
    {imap_parse_getquota, "a GETQUOTA a b", RC_SYNTAX},
    {imap_parse_setquota, "a SETQUOTA \"#user/alice\" (STORAGE 510)", RC_OK},
    {imap_parse_setquota, "a SETQUOTA x ()", RC_OK},
    {imap_parse_setquota, "a SETQUOTA x (STORAGE 9223372036854775807 X-Y 0)", RC_OK},
    {imap_parse_setquota, "a SETQUOTA x (STORAGE 9223372036854775808)", RC_SYNTAX},
    {imap_parse_setquota, "a SETQUOTA x (STORAGE -1)", RC_SYNTAX},
    {imap_parse_setquota, "a SETQUOTA x (STORAGE)", RC_SYNTAX},
    {imap_parse_setquota, "a SETQUOTA x (STORAGE 1 )", RC_SYNTAX},
    {imap_parse_setquota, "a SETQUOTA x STORAGE 1", RC_SYNTAX},
    {imap_parse_getmetadata, "a GETMETADATA \"\" /shared/comment", RC_OK},
    {imap_parse_getmetadata, "a GETMETADATA (DEPTH 1 MAXSIZE 9) INBOX (/private/a /shared/b)", RC_OK},
    {imap_parse_getmetadata, "a GETMETADATA INBOX (DEPTH 1) /private/a", RC_OK},
    {imap_parse_getmetadata, "a GETMETADATA INBOX", RC_SYNTAX},
    {imap_parse_getmetadata, "a GETMETADATA INBOX ()", RC_SYNTAX},
    {imap_parse_getmetadata, "a GETMETADATA () INBOX /private/a", RC_SYNTAX},
    {imap_parse_getmetadata, "a GETMETADATA INBOX /public/a", RC_SYNTAX},
    {imap_parse_setmetadata, "a SETMETADATA INBOX (/private/a NIL /private/b \"\")", RC_OK},
    {imap_parse_setmetadata, "a SETMETADATA INBOX (/private/a)", RC_SYNTAX},
    {imap_parse_setmetadata, "a SETMETADATA INBOX /private/a x", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY NONE", RC_OK},
    {imap_parse_notify, "a NOTIFY SET (personal none)", RC_OK},
    {imap_parse_notify, "a NOTIFY SET STATUS (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge)) (subtree (a \"b c\") (MailboxName))", RC_OK},
    {imap_parse_notify, "a NOTIFY SET (SELECTED-DELAYED (MessageExpunge FlagChange MessageNew AnnotationChange))", RC_OK},
    {imap_parse_notify, "a NOTIFY SET (mailboxes {1+}\r\nx (SubscriptionChange MailboxMetadataChange ServerMetadataChange))", RC_OK},
    {imap_parse_notify, "a NOTIFY SET (mailboxes (a//b) (MailboxName))", RC_OK}, /* no mailbox: ignored */
    {imap_parse_notify, "a NOTIFY SET (inboxes (MessageNew NewEvent))", RC_OK},  /* refused later, with NO */
    {imap_parse_notify, "a NOTIFY SET (inboxes (MessageNew))", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (selected (MessageNew MessageExpunge MailboxName))", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (selected none) (selected none)", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (selected (MessageNew () MessageExpunge))", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (selected (MessageNew (UID) MessageNew (UID) MessageExpunge))", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (personal (MessageNew (UID) MessageExpunge))", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (selected (MessageExpunge (UID) MessageNew))", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (selected-later none)", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (mailboxes () none)", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (subtree none)", RC_SYNTAX}, /* a mailbox "none", and no events */
    {imap_parse_notify, "a NOTIFY SET (subtree none none)", RC_OK},
    {imap_parse_notify, "a NOTIFY SET (personal ())", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET personal none", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (personal none)(inboxes none)", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET STATUS", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY NONE x", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY", RC_SYNTAX},
    {imap_parse_replace, "a REPLACE 4 x (\\Seen) {1+}\r\nx", RC_OK},
    {imap_parse_replace, "a REPLACE * x {1+}\r\nx", RC_OK},
    {imap_parse_replace, "a REPLACE 4:5 x {1+}\r\nx", RC_SYNTAX},
    {imap_parse_replace, "a REPLACE $ x {1+}\r\nx", RC_SYNTAX},
    {imap_parse_replace, "a REPLACE 4 x {1+}\r\nx {1+}\r\ny", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (PARTIAL 1:500 COUNT) ALL", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (PARTIAL -500:-400) ALL", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (PARTIAL 1:500 ALL) ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (PARTIAL 1:-5) ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (PARTIAL 1:*) ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (PARTIAL 0:5) ALL", RC_SYNTAX},
    {imap_parse_fetch, "a FETCH 1:9 (UID) (PARTIAL 1:5)", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (CONTEXT COUNT) ALL", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (UPDATE PARTIAL 1:9) ALL", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (UPDATE (UID BODY[HEADER.FIELDS (TO FROM)]) COUNT) ALL",
     RC_OK},
    {imap_parse_search, "a SEARCH RETURN (UPDATE (UID)) ALL", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (UPDATE ()) ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (UPDATE UPDATE) ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (UPDATES) ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT RETURN (UPDATE CONTEXT) (DATE) UTF-8 ALL", RC_OK},
    {imap_parse_sort, "a SORT RETURN (CONTEXT UPDATE (FLAGS)) (DATE) UTF-8 ALL", RC_OK},
    {imap_parse_cancelupdate, "a CANCELUPDATE \"B01\"", RC_OK},
    {imap_parse_cancelupdate, "a CANCELUPDATE \"B01\" \"\"", RC_OK},
    {imap_parse_cancelupdate, "a CANCELUPDATE", RC_SYNTAX},
    {imap_parse_cancelupdate, "a CANCELUPDATE B01", RC_SYNTAX},
    {imap_parse_cancelupdate, "a CANCELUPDATE \"B01\" ", RC_SYNTAX},
    {imap_parse_cancelupdate, "a CANCELUPDATE \"B01\"\"B02\"", RC_SYNTAX},
    {imap_parse_uidbatches, "a UIDBATCHES 500", RC_OK},
    {imap_parse_uidbatches, "a UIDBATCHES 4294967295 4294967295:1", RC_OK},
    {imap_parse_uidbatches, "a UIDBATCHES 4294967296", RC_SYNTAX},
    {imap_parse_uidbatches, "a UIDBATCHES 500 0:1", RC_SYNTAX},
    {imap_parse_uidbatches, "a UIDBATCHES 500 1:", RC_SYNTAX},
    {imap_parse_uidbatches, "a UIDBATCHES 500 1:2:3", RC_SYNTAX},
    {imap_parse_search, "a SEARCH UIDAFTER 1 UIDBEFORE 4294967295", RC_OK},
    {imap_parse_search, "a SEARCH UIDAFTER 1:2", RC_SYNTAX},
    {imap_parse_compress, "a COMPRESS deflate", RC_OK},
    {imap_parse_compress, "a COMPRESS LZ4", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FILTER on-the-road SEEN", RC_OK},
    {imap_parse_search, "a SEARCH FILTER a/b", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FILTER \"a\"", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FILTER", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH ALL", RC_OK},
    {imap_parse_esearch, "a ESEARCH RETURN (COUNT) CHARSET UTF-8 ALL", RC_OK},
    {imap_parse_esearch, "a ESEARCH IN (selected) ALL", RC_OK},
    {imap_parse_esearch, "a ESEARCH in (INBOXES personal Subscribed) return () unseen", RC_OK},
    {imap_parse_esearch, "a ESEARCH IN (mailboxes \"folder1\" subtree-one \"folder2\") subject \"chad\"", RC_OK},
    {imap_parse_esearch, "a ESEARCH IN (SUBTREE (a b) MAILBOXES c) RETURN (SAVE) 1:100", RC_OK},
    {imap_parse_esearch, "a ESEARCH IN (MAILBOXES a//b) ALL", RC_OK}, /* no mailbox can have that name */
    {imap_parse_esearch, "a ESEARCH", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (personal)", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN () ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (selected-delayed) ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (personal (x 1)) ALL", RC_SYNTAX}, /* no scope option is known */
    {imap_parse_esearch, "a ESEARCH IN (personal ) ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (personal x) ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (personal)ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (MAILBOXES) ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (MAILBOXES ()) ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN personal ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH RETURN () IN (personal) ALL", RC_SYNTAX},
    {imap_parse_esearch, "a ESEARCH IN (personal) IN (personal) ALL", RC_SYNTAX},
    {imap_parse_notify, "a NOTIFY SET (SUBTREE-ONE x NONE)", RC_SYNTAX}, /* of ESEARCH only */
    {imap_parse_sort, "a SORT (DATE) UTF-8 ALL", RC_OK},
    {imap_parse_sort, "a SORT (subject Reverse date REVERSE DISPLAYTO) \"utf-8\" 1:4 SEEN", RC_OK},
    {imap_parse_search, "a SEARCH FUZZY SUBJECT x FUZZY (OR BODY y SEEN)", RC_OK}, /* RFC 6203 7 */
    {imap_parse_search, "a SEARCH RETURN (RELEVANCY) NOT FUZZY 1:2", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (RELEVANCY) SUBJECT x", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FUZZY", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FUZZY ", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FUZZY(SUBJECT x)", RC_SYNTAX},
    {imap_parse_sort, "a SORT (RELEVANCY REVERSE SIZE) UTF-8 FUZZY TEXT x", RC_OK},
    {imap_parse_sort, "a SORT (REVERSE RELEVANCY) UTF-8 TEXT x", RC_SYNTAX},
    {imap_parse_comparator, "a COMPARATOR", RC_OK},
    {imap_parse_comparator, "a COMPARATOR \"cz;*\" i;basic", RC_OK}, /* RFC 5255 4.7 */
    {imap_parse_comparator, "a COMPARATOR -i;octet +i;octet default \"*\" \"a*;b=1.2\"", RC_OK},
    {imap_parse_comparator, "a COMPARATOR ", RC_SYNTAX},
    {imap_parse_comparator, "a COMPARATOR \"\"", RC_SYNTAX},
    {imap_parse_comparator, "a COMPARATOR -", RC_SYNTAX},
    {imap_parse_comparator, "a COMPARATOR --i;octet", RC_SYNTAX},
    {imap_parse_comparator, "a COMPARATOR \"a**\"", RC_SYNTAX}, /* RFC 4790 3.2 */
    {imap_parse_comparator, "a COMPARATOR ;a", RC_SYNTAX},
    {imap_parse_comparator, "a COMPARATOR a_b", RC_SYNTAX},
    {imap_parse_sort, "a SORT (ARRIVAL CC DISPLAYFROM FROM SIZE TO) X-NONE ALL", RC_OK}, /* NO [BADCHARSET] */
    {imap_parse_sort, "a SORT RETURN (MIN PARTIAL -1:-5) (DATE) UTF-8 ALL", RC_OK},
    {imap_parse_sort, "a SORT RETURN () (DATE) UTF-8 ALL", RC_OK},
    {imap_parse_sort, "a SORT RETURN (FOO) (DATE) UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (DATE) RETURN () UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (DATE) UTF-8", RC_SYNTAX},
    {imap_parse_sort, "a SORT (DATE) ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (DATE ) UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT () UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT DATE UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (REVERSE) UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (REVERSE REVERSE DATE) UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (BCC) UTF-8 ALL", RC_SYNTAX},
    {imap_parse_sort, "a SORT (DATE) CHARSET UTF-8 ALL", RC_SYNTAX},
    {imap_parse_thread, "a THREAD REFERENCES UTF-8 ALL", RC_OK},
    {imap_parse_thread, "a THREAD orderedsubject us-ascii SUBJECT x", RC_OK},
    {imap_parse_thread, "a THREAD REFS UTF-8 $", RC_OK},
    {imap_parse_thread, "a THREAD REFS UTF-8", RC_SYNTAX},
    {imap_parse_thread, "a THREAD X-NEW UTF-8 ALL", RC_SYNTAX},
    {imap_parse_thread, "a THREAD (REFS) UTF-8 ALL", RC_SYNTAX},
    {imap_parse_thread, "a THREAD RETURN () REFS UTF-8 ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH EMAILID Mx_-9 THREADID T1", RC_OK},
    {imap_parse_search, "a SEARCH EMAILID a+b", RC_SYNTAX},
    {imap_parse_search, "a SEARCH OLDER 1 YOUNGER 4294967295", RC_OK},
    {imap_parse_search, "a SEARCH OLDER 0", RC_SYNTAX},
    {imap_parse_search, "a SEARCH SAVEDBEFORE 1-Feb-1994 SAVEDATESUPPORTED", RC_OK},
    {imap_parse_search, "a SEARCH", RC_SYNTAX},
    {imap_parse_search, "a SEARCH ()", RC_SYNTAX},
    {imap_parse_search, "a SEARCH (ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH ALL)", RC_SYNTAX},
    {imap_parse_search, "a SEARCH FOO", RC_SYNTAX},
    {imap_parse_search, "a SEARCH ALLX", RC_SYNTAX},
    {imap_parse_search, "a SEARCH OR ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH NOT", RC_SYNTAX},
    {imap_parse_search, "a SEARCH OR SEEN NOT 1:4", RC_OK},
    {imap_parse_search, "a SEARCH SINCE 1-Feb-1994 BEFORE \"01-FEB-1995\"", RC_OK},
    {imap_parse_search, "a SEARCH SINCE 30-Feb-1994", RC_SYNTAX},
    {imap_parse_search, "a SEARCH SINCE 1-Feb-94", RC_SYNTAX},
    {imap_parse_search, "a SEARCH SINCE \"1-Feb-1994", RC_SYNTAX},
    {imap_parse_search, "a SEARCH SUBJECT {2+}\r\n\xc3\xbc", RC_OK},
    {imap_parse_search, "a SEARCH SUBJECT {1+}\r\n\xc3", RC_SYNTAX}, /* no UTF-8 */
    {imap_parse_search, "a SEARCH CHARSET ISO-8859-1 SUBJECT {1+}\r\n\xfc", RC_OK},
    {imap_parse_search, "a SEARCH CHARSET US-ASCII SUBJECT {1+}\r\n\xfc", RC_SYNTAX},
    {imap_parse_search, "a SEARCH CHARSET X-NONE SUBJECT {1+}\r\n\xfc", RC_OK}, /* NO [BADCHARSET] */
    {imap_parse_search, "a SEARCH CHARSET UTF-8", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN () ALL", RC_OK},
    {imap_parse_search, "a SEARCH RETURN (MIN MAX ALL COUNT SAVE) CHARSET UTF-8 ALL", RC_OK},
    {imap_parse_search, "a SEARCH CHARSET UTF-8 RETURN () ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN (FOO) ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH RETURN ALL", RC_SYNTAX},
    {imap_parse_search, "a SEARCH LARGER 9223372036854775807", RC_OK},
    {imap_parse_search, "a SEARCH LARGER 9223372036854775808", RC_SYNTAX},
    {imap_parse_search, "a SEARCH LARGER -1", RC_SYNTAX},
    {imap_parse_search, "a SEARCH HEADER Subject \"\"", RC_OK},
    {imap_parse_search, "a SEARCH HEADER Subject", RC_SYNTAX},
    {imap_parse_search, "a SEARCH KEYWORD \\Seen", RC_SYNTAX},
    {imap_parse_search, "a SEARCH UID 1,3:$", RC_SYNTAX},
    {imap_parse_search, "a SEARCH UID $ $", RC_OK},
    {imap_parse_search, "a SEARCH MODSEQ 0", RC_OK},
    {imap_parse_search, "a SEARCH MODSEQ \"/flags/\\\\draft\" all 62", RC_OK},
    {imap_parse_search, "a SEARCH MODSEQ \"/flags/\\\\recent\" all 62", RC_SYNTAX},
    {imap_parse_search, "a SEARCH MODSEQ \"/flags/$x\" 62", RC_SYNTAX},
    {imap_parse_search, "a SEARCH MODSEQ \"/other\" all 62", RC_SYNTAX},
};
// clang-format on

static void takes_the_grammar_and_nothing_else(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
        struct imap_cmd cmd;
        struct err err = {0};
        enum rc rc = parse(rows[i].text, rev1, rows[i].fn, arena, &cmd, &err);

        if (rc != rows[i].rc)
            fail_msg("%s: got %s (%s)", rows[i].text, rc_name(rc), err.text);
        assert_true((rc == RC_OK) == (err.text[0] == '\0'));
    }
}

static void an_error_says_where_and_why(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd;
    struct err err;

    (void) state;
    assert_int_equal(
        parse("a1 FETCH 1 (FLAGS FLOGS)", rev1, imap_parse_fetch, arena, &cmd, &err),
        RC_SYNTAX);
    assert_string_equal(err.text, "Expected a FETCH item at byte 19");
    assert_int_equal(parse("a1 NOOP x", rev1, imap_parse_none, arena, &cmd, &err), RC_SYNTAX);
    assert_string_equal(err.text, "Expected the end of the command at byte 8");
    assert_int_equal(
        parse("a1 SEARCH TEXT na\xc3\xafve", rev1, imap_parse_search, arena, &cmd, &err),
        RC_SYNTAX);
    assert_string_equal(err.text, "Expected 8-bit text only in a literal at byte 18");
}

static void a_tag_is_found_in_what_is_refused(void **state)
{
    (void) state;
    assert_slice_equal(imap_command_tag(SLICE("a1 (((")), SLICE("a1"));
    assert_int_equal(imap_command_tag(SLICE("a+ NOOP")).len, 0);
    assert_int_equal(imap_command_tag(SLICE("a1")).len, 0);
    assert_int_equal(imap_command_tag(SLICE("")).len, 0);
}

static void quoted_strings_are_utf8_once_enabled(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd;
    struct err err;

    (void) state;
    assert_int_equal(parse("a CREATE \"\xc3\xbc\"", rev1, imap_parse_create, arena, &cmd, &err),
                     RC_SYNTAX);
    assert_int_equal(parse("a CREATE \"\xc3\xbc\"", rev2, imap_parse_create, arena, &cmd, &err),
                     RC_OK);
    assert_int_equal(parse("a CREATE \"\xc3\"", rev2, imap_parse_create, arena, &cmd, &err),
                     RC_SYNTAX);
    /* RFC 9755: no CHARSET any more. */
    assert_int_equal(
        parse("a SEARCH CHARSET UTF-8 ALL", utf8, imap_parse_search, arena, &cmd, &err),
        RC_SYNTAX);
    assert_int_equal(
        parse("a SEARCH CHARSET UTF-8 ALL", rev2, imap_parse_search, arena, &cmd, &err), RC_OK);
}

/* Parse what must be right. */
static struct imap_cmd must_parse(const char *text, imap_parse_fn *fn, struct arena *arena)
{
    struct imap_cmd cmd = {0};
    struct err err = {0};

    if (parse(text, rev1, fn, arena, &cmd, &err))
        fail_msg("%s: %s", text, err.text);
    return cmd;
}

static void store_means_what_was_said(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd =
        must_parse("a1 uid store 2:* (UNCHANGEDSINCE 7) -flags.silent (\\SEEN $Junk $JUNK)",
                   imap_parse_store, arena);

    (void) state;
    assert_true(cmd.uid && cmd.args.store.silent && cmd.args.store.has_unchangedsince);
    assert_slice_equal(cmd.name, SLICE("store"));
    assert_int_equal(cmd.args.store.unchangedsince, 7);
    assert_int_equal(cmd.args.store.op, IMAP_STORE_REMOVE);
    assert_int_equal(cmd.args.store.flags.bits, IMAP_SEEN);
    assert_int_equal(cmd.args.store.flags.n_keywords, 1);
    assert_int_equal(cmd.args.store.set.set.ranges[0].last, SEQ_STAR);
}

static void fetch_means_what_was_said(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd =
        must_parse("a FETCH 1 (BODY.PEEK[3.1.HEADER.FIELDS (Date)]<5.9> UID) (CHANGEDSINCE 8)",
                   imap_parse_fetch, arena);
    const struct imap_fetch_item *item = &cmd.args.fetch.items[0];

    (void) state;
    assert_int_equal(cmd.args.fetch.n, 2);
    assert_int_equal(item->section.n_parts, 2);
    assert_int_equal(item->section.parts[0], 3);
    assert_int_equal(item->offset, 5);
    assert_int_equal(item->len, 9);
    assert_true(item->peek && item->partial);
    assert_slice_equal(item->section.fields[0], SLICE("Date"));
    assert_int_equal(cmd.args.fetch.kinds,
                     1u << IMAP_FETCH_BODY_SECTION | 1u << IMAP_FETCH_UID);
    assert_int_equal(cmd.args.fetch.changedsince, 8);
}

static void names_and_secrets_mean_what_was_said(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd;

    (void) state;
    cmd = must_parse("a CREATE x/y/ (USE (\\Junk \\Other))", imap_parse_create, arena);
    assert_slice_equal(cmd.args.create.mailbox.name, SLICE("x/y"));
    assert_int_equal(cmd.args.create.use, IMAP_USE_JUNK);
    assert_true(cmd.args.create.use_unsupported);

    cmd = must_parse("a AUTHENTICATE plain AGEAYg==", imap_parse_authenticate, arena);
    assert_int_equal(cmd.args.authenticate.initial.len, 4);
    assert_memory_equal(cmd.args.authenticate.initial.ptr, "\0a\0b", 4);

    cmd = must_parse("a LOGIN \"a\\\"b\\\\\" {0}\r\n", imap_parse_login, arena);
    assert_slice_equal(cmd.args.login.user, SLICE("a\"b\\"));
    assert_int_equal(cmd.args.login.password.len, 0);
}

static void search_means_what_was_said(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd;

    (void) state;
    cmd = must_parse("a SEARCH RETURN () ALL", imap_parse_search, arena);
    assert_int_equal(cmd.args.search.returns, IMAP_SEARCH_ALL);
    cmd = must_parse("a SEARCH CHARSET X-NONE ALL", imap_parse_search, arena);
    assert_true(cmd.args.search.bad_charset && cmd.args.search.key == NULL);
}

static void list_means_what_was_said(void **state)
{
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_cmd cmd =
        must_parse("a LIST (SUBSCRIBED) a/ (% &AOk-*) RETURN (STATUS (SIZE) CHILDREN)",
                   imap_parse_list, arena);
    const struct imap_list_args *list = &cmd.args.list;

    (void) state;
    assert_true(list->extended);
    assert_int_equal(list->select, IMAP_LIST_SUBSCRIBED);
    assert_int_equal(list->returns, IMAP_RETURN_STATUS | IMAP_RETURN_CHILDREN);
    assert_int_equal(list->status_items, IMAP_STATUS_SIZE);
    assert_int_equal(list->n_patterns, 2);
    assert_slice_equal(list->reference, SLICE("a/"));
    assert_slice_equal(list->patterns[1], SLICE("\xc3\xa9*"));
    cmd = must_parse("a LIST \"\" *", imap_parse_list, arena);
    assert_false(cmd.args.list.extended);
}

static void a_search_prints_as_it_is_understood(void **state)
{
    // clang-format off
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"a SEARCH ALL", "ALL"},
        {"a SEARCH new", "(RECENT UNSEEN)"},
        {"a SEARCH UNSEEN OLD UNKEYWORD x", "(UNSEEN OLD UNKEYWORD x)"},
        {"a SEARCH (FROM x (OR 1:2 NOT UID $))", "(FROM \"x\" OR 1:2 NOT UID $)"},
        {"a SEARCH CHARSET ISO-8859-1 BODY {1+}\r\n\xfc", "BODY \"\xc3\xbc\""},
        {"a SEARCH CHARSET KOI8-R BODY {1+}\r\n\xc1", "BODY \"\xd0\xb0\""},
        {"a SEARCH ON \"1-Jan-1970\" SENTSINCE 29-Feb-2000", "(ON 1-Jan-1970 SENTSINCE 29-Feb-2000)"},
        {"a SEARCH HEADER Message-ID <x> MODSEQ \"/flags/k\" priv 4",
         "(HEADER Message-ID \"<x>\" MODSEQ \"/flags/k\" priv 4)"},
    };
    // clang-format on

    (void) state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
        AUTO(buf_done) struct buf out = {0};
        struct imap_cmd cmd;
        struct err err = {0};

        buf_init(&out, 1 << 12);
        if (parse(cases[i].text, rev1, imap_parse_search, arena, &cmd, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        imap_print_search_key(&out, cmd.args.search.key);
        assert_slice_equal(buf_slice(&out), slice_from_str(cases[i].printed));
    }
}

static void a_message_is_named_by_its_literal(void **state)
{
    static const char text[] =
        "a APPEND {1+}\r\nx (\\Seen) {5}\r\n \" 1-Jan-2000 00:00:00 +0100\" ~{2+}\r\n";
    // clang-format off
    static const struct imap_literal literals[] = {
        {.at = 15, .len = 1, .nonsync = true},
        {.at = 30, .len = 5, .spooled = true},
        {.at = 67, .len = 2, .binary = true, .nonsync = true, .spooled = true},
    };
    // clang-format on
    AUTO(arena_freep) struct arena *arena = arena_new(COMMAND_ARENA_BYTES);
    struct imap_text whole = {slice_from_str(text), literals, COUNT(literals)};
    struct imap_append_args *append;
    struct imap_cmd cmd;
    struct err err = {0};

    (void) state;
    assert_int_equal(imap_parse_head(&whole, rev1, arena, &cmd, &err), RC_OK);
    if (imap_parse_args(&cmd, imap_parse_append, &err))
        fail_msg("%s", err.text);
    append = &cmd.args.append;
    assert_int_equal(append->n, 2);
    assert_int_equal(append->messages[0].literal, 1);
    assert_int_equal(append->messages[0].len, 5);
    assert_int_equal(append->messages[0].flags.bits, IMAP_SEEN);
    assert_false(append->messages[0].has_date);
    assert_int_equal(append->messages[1].literal, 2);
    assert_true(append->messages[1].binary && append->messages[1].has_date);
    assert_int_equal(append->messages[1].date.sec, 946684800 - 3600);
    assert_int_equal(append->messages[1].date.zone_minutes, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_grammar_and_nothing_else),
        cmocka_unit_test(an_error_says_where_and_why),
        cmocka_unit_test(a_tag_is_found_in_what_is_refused),
        cmocka_unit_test(quoted_strings_are_utf8_once_enabled),
        cmocka_unit_test(store_means_what_was_said),
        cmocka_unit_test(fetch_means_what_was_said),
        cmocka_unit_test(names_and_secrets_mean_what_was_said),
        cmocka_unit_test(search_means_what_was_said),
        cmocka_unit_test(list_means_what_was_said),
        cmocka_unit_test(a_search_prints_as_it_is_understood),
        cmocka_unit_test(a_message_is_named_by_its_literal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
