/*
 * cmd_store.c - STORE and UID STORE: flags, or annotations.
 *
 * Spec: RFC 9051 6.4.6 and 6.4.9; UNCHANGEDSINCE and MODIFIED, RFC 7162 3.1.3; ANNOTATION, RFC
 * 5257 4.5.
 *
 * One STORE is one transaction: every message that passes UNCHANGEDSINCE changes, or none does.
 * No FLAGS are written here: the sync behind each command reports our changes with everyone
 * else's. .SILENT only marks our flags as known to the client; MODSEQ still goes out to those
 * who follow it. Annotations are stored as with .SILENT.
 */
#include "commands/annotation_text.h"
#include "commands/limit.h"
#include "commands/resync.h"
#include "imap/print.h"
#include "mailbox/txn.h"

static struct flag_change change_of(const struct imap_store_args *args)
{
    static const enum flag_op ops[] = {[IMAP_STORE_SET] = FLAG_OP_REPLACE,
                                       [IMAP_STORE_ADD] = FLAG_OP_ADD,
                                       [IMAP_STORE_REMOVE] = FLAG_OP_REMOVE};

    return (struct flag_change){.op = ops[args->op],
                                .flags = (uint8_t) (args->flags.bits & FLAGS_ALL),
                                .keywords = args->flags.keywords,
                                .n_keywords = args->flags.n_keywords};
}

/* RFC 7162 3.1.3: those left alone, as the client named them. */
static void say_modified(struct cmd *cmd, const struct uid_set *refused)
{
    AUTO(buf_done) struct buf text = {0}, code = {0};
    struct imap_runs runs;

    buf_init(&text, REPLY_MAX_BYTES);
    buf_init(&code, REPLY_MAX_BYTES);
    imap_runs_begin(&runs, &text);
    for (size_t i = 0; i < refused->n; i++) {
        for (uint64_t uid = refused->runs[i].first; uid <= refused->runs[i].last; uid++) {
            uint32_t seq = view_seq(cmd->session->view, (uint32_t) uid);

            if (seq != 0)
                imap_runs_add(&runs, cmd->uid ? (uint32_t) uid : seq);
        }
    }
    if (!imap_runs_end(&runs))
        return;
    imap_print_code_modified(&code, buf_slice(&text));
    reply_code_text(cmd->reply, buf_slice(&code));
}

/* RFC 7162 3.2.4: with the uid. */
static void say_modseq(struct cmd *cmd, const struct view_walk *walk, uint64_t modseq)
{
    struct imap_mode mode = cmd->session->mode;
    struct buf *out = cmd->reply->out;

    imap_print_fetch_open(out, walk->seq, walk->uid, mode);
    if (!mode.uidonly)
        buf_printf(out, "UID %u ", walk->uid);
    buf_printf(out, "MODSEQ (%llu))\r\n", (unsigned long long) modseq);
}

/* RFC 7162 3.1.3: the MODSEQ is told with .SILENT too. Those of uids that had the flags before
 * have the one that they had. */
static void say_modseqs(struct cmd *cmd, const struct uid_set *uids,
                        const struct uid_set *changed, uint64_t modseq)
{
    const struct mbox_view *view = cmd->session->view;

    for (size_t i = 0; i < uids->n; i++) {
        struct view_walk walk;

        view_walk_start(&walk, view, uids->runs[i].first);
        while (view_walk_next(&walk) && walk.uid <= uids->runs[i].last)
            say_modseq(cmd, &walk,
                       uid_set_contains(changed, walk.uid) ? modseq
                                                           : view_modseq(view, walk.index));
    }
}

/* With UNCHANGEDSINCE each that passed the test is told of, changed or not. */
static void say_silent(struct cmd *cmd, const struct uid_set *asked,
                       const struct uid_set *changed, const struct uid_set *refused,
                       uint64_t modseq)
{
    struct uid_set passed = *changed;

    if (!session_has_enabled(cmd->session, IMAP_CAP_CONDSTORE))
        return;
    if (cmd->args.store.has_unchangedsince)
        passed = uid_set_without(asked, refused, cmd->arena);
    say_modseqs(cmd, &passed, changed, modseq);
}

/* May the reader change all flags that the command names? What of a change is not permitted is
 * left out (RFC 4314 4), and then the client is told what there is, .SILENT or not. */
static bool is_permitted(const struct mbox_view *view, const struct imap_store_args *args)
{
    uint32_t rights = view_reader(view)->rights, asked = args->flags.bits;
    uint8_t allowed = rights_flags(rights);

    if (args->op == IMAP_STORE_SET)
        return allowed == FLAGS_ALL;
    return (asked & FLAGS_ALL & ~(uint32_t) allowed) == 0 &&
           (args->flags.n_keywords == 0 || (rights & RIGHT_WRITE) != 0);
}

/* Are all of them there? *out_known: those whose flags the client will know without being told.
 * FLAGS.SILENT says them all; +FLAGS and -FLAGS do if the client knew what was there before
 * (RFC 9051 6.4.6: a change from outside is told with .SILENT too). */
static enum rc look_at(struct cmd *cmd, struct mail_txn *txn, struct message_set *set,
                       uint32_t *out_limited, struct uid_set *out_known, struct err *err)
{
    const struct mbox_view *view = cmd->session->view;
    const struct imap_store_args *args = &cmd->args.store;
    const struct mbox *mbox;
    enum rc rc = txn_mailbox(txn, view_mbox_id(view), &mbox, err);

    if (rc)
        return rc;
    rc = message_set_check(set, mbox, err);
    if (!rc)
        limit_uids(cmd, mbox, cmd->session->message_limit, &set->uids, out_limited);
    if (rc)
        reply_code(cmd->reply, "EXPUNGEISSUED");
    else if (args->silent && !is_permitted(view, args))
        *out_known = (struct uid_set){NULL, 0};
    else if (args->silent && args->op != IMAP_STORE_SET)
        *out_known = view_flags_told(view, mbox, &set->uids, cmd->arena);
    else
        *out_known = set->uids;
    return rc;
}

static enum rc change_flags(struct cmd *cmd, struct mail_txn *txn, const struct uid_set *uids,
                            uint64_t since, struct uid_set *changed, struct uid_set *refused,
                            struct err *err)
{
    const struct flag_change change = change_of(&cmd->args.store);

    return txn_change_flags(txn, view_mbox_id(cmd->session->view), uids, &change, since,
                            cmd->arena, changed, refused, err);
}

static enum rc change_annotations(struct cmd *cmd, struct mail_txn *txn,
                                  const struct uid_set *uids, uint64_t since,
                                  struct uid_set *changed, struct uid_set *refused,
                                  struct err *err)
{
    enum annotation_limit limit = ANNOTATION_FITS;
    struct annotation_change change;
    enum rc rc;

    annotation_change_make(&cmd->args.store.annotations, cmd->arena, &change);
    rc = txn_annotate(txn, view_mbox_id(cmd->session->view), uids, &change, since, cmd->arena,
                      changed, refused, &limit, err);
    annotation_say_limit(cmd->reply, limit);
    return rc;
}

enum rc cmd_store(struct cmd *cmd, struct err *err)
{
    const struct imap_store_args *args = &cmd->args.store;
    bool annotates = args->annotations.n > 0;
    uint64_t since = args->has_unchangedsince ? args->unchangedsince : UNCHANGEDSINCE_NONE;
    struct session *session = cmd->session;
    AUTO(txn_abortp) struct mail_txn *txn = NULL;
    struct uid_set changed, refused, known;
    struct message_set set;
    uint32_t limited; /* RFC 9738 */
    uint64_t modseq;
    enum rc rc;

    rc = session_resolve(session, &args->set, cmd->uid, cmd->arena, &set, err);
    if (!rc && annotates)
        rc = annotation_parts_check(cmd, &set.uids, &args->annotations, err);
    if (rc)
        return rc;
    rc = txn_begin(view_account(session->view), &session->actor, &txn, err);
    if (rc)
        return rc;
    rc = look_at(cmd, txn, &set, &limited, &known, err);
    if (rc)
        return rc;
    rc = annotates ? change_annotations(cmd, txn, &set.uids, since, &changed, &refused, err)
                   : change_flags(cmd, txn, &set.uids, since, &changed, &refused, err);
    if (rc)
        return rc;
    modseq = txn_modseq(txn);
    rc = session_commit(session, &txn, err);
    if (rc)
        return rc;

    if (args->has_unchangedsince)
        condstore_enable(cmd);
    if (annotates)
        view_mark_annotated(session->view, modseq);
    if (args->silent) {
        view_mark_known(session->view, &known, modseq);
        say_silent(cmd, &set.uids, &changed, &refused, modseq);
    } else {
        view_report(session->view, &set.uids);
    }
    if (refused.n > 0)
        say_modified(cmd, &refused);
    limit_say(cmd, session->message_limit, limited);
    reply_ok(cmd->reply, refused.n > 0 ? "Conditional STORE failed" : "STORE completed");
    return RC_OK;
}
