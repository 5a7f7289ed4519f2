#include "commands/resync.h"

#include "imap/print.h"
#include "search/resolve.h"

#define VANISHED_LINE_RUNS 512u /* in one VANISHED answer */

void condstore_enable(struct cmd *cmd)
{
    struct session *session = cmd->session;

    if (session_has_enabled(session, IMAP_CAP_CONDSTORE))
        return;
    session->enabled |= IMAP_CAP_BIT(IMAP_CAP_CONDSTORE);
    if (session->state != SESSION_SELECTED)
        return;
    buf_str(cmd->reply->out, "* OK ");
    imap_print_code_number(cmd->reply->out, "HIGHESTMODSEQ", view_told_modseq(session->view));
    buf_byte(cmd->reply->out, ' ');
    imap_print_text_line(cmd->reply->out, "Highest", session->mode);
}

void resync_tagged_modseq(struct cmd *cmd)
{
    const struct session *session = cmd->session;
    AUTO(buf_done) struct buf code = {0};

    if (session->state != SESSION_SELECTED || !session_has_enabled(session, IMAP_CAP_CONDSTORE))
        return;
    buf_init(&code, REPLY_MAX_BYTES);
    imap_print_code_number(&code, "HIGHESTMODSEQ", view_told_modseq(session->view));
    reply_code_text(cmd->reply, buf_slice(&code));
}

/* ---- VANISHED ---- */

/* Those of a run that no message has. */
static void add_missing(const struct mbox *mbox, struct uid_run run,
                        struct uid_set_builder *missing)
{
    uint32_t at = mbox_lower_bound(mbox, run.first), n = mbox_counts(mbox)->messages;
    uint32_t from = run.first;

    for (; at < n && mbox_uid(mbox, at) <= run.last; at++) {
        uint32_t uid = mbox_uid(mbox, at);

        if (uid > from)
            uid_set_add_run(missing, from, uid - 1);
        if (uid == run.last)
            return;
        from = uid + 1;
    }
    uid_set_add_run(missing, from, run.last);
}

static struct uid_set all_missing(const struct mbox *mbox, const struct uid_set *among,
                                  struct arena *arena)
{
    struct uid_set_builder missing;

    uid_set_start(&missing, arena);
    for (size_t i = 0; i < among->n; i++)
        add_missing(mbox, among->runs[i], &missing);
    return uid_set_finish(&missing);
}

struct uid_set resync_vanished(const struct mbox_view *view, const struct uid_set *among,
                               uint64_t modseq, uint32_t above_uid, struct arena *arena)
{
    const struct mbox *mbox = view_mbox(view);
    const struct mbox_counts *counts = mbox_counts(mbox);
    uint32_t last = counts->uidnext - 1;
    const struct uid_run range = {above_uid + 1, last};
    const struct uid_set known = {&range, above_uid < last ? 1 : 0};
    struct uid_set asked = uid_set_common(among, &known, arena), gone, withheld;

    if (modseq < counts->expunged_below) {
        gone = all_missing(mbox, &asked, arena);
    } else {
        gone = mbox_expunged_since(mbox, modseq, last, arena);
        gone = uid_set_common(&gone, &asked, arena);
    }
    withheld = view_withheld(view, arena);
    return withheld.n > 0 ? uid_set_without(&gone, &withheld, arena) : gone;
}

bool resync_write_earlier(const struct uid_set *uids, size_t *told, struct reply *reply)
{
    while (*told < uids->n) {
        size_t end = MIN(*told + VANISHED_LINE_RUNS, uids->n);
        struct imap_runs runs;

        if (reply_is_full(reply))
            return false;
        buf_str(reply->out, "* VANISHED (EARLIER) ");
        imap_runs_begin(&runs, reply->out);
        for (; *told < end; (*told)++)
            imap_runs_add_range(&runs, uids->runs[*told].first, uids->runs[*told].last);
        (void) imap_runs_end(&runs);
        buf_str(reply->out, "\r\n");
    }
    return true;
}

/* ---- SELECT (QRESYNC ...) ---- */

/* The numbers of a set, one after the other. */
struct number_walk {
    const struct seqset *set;
    size_t range;
    uint32_t ahead;
};

static bool next_number(struct number_walk *walk, uint32_t *out)
{
    const struct seq_range *range;

    if (walk->range == walk->set->n)
        return false;
    range = &walk->set->ranges[walk->range];
    *out = range->first + walk->ahead;
    if (*out == range->last) {
        walk->range++;
        walk->ahead = 0;
    } else {
        walk->ahead++;
    }
    return true;
}

/* RFC 7162 3.2.5.2: up to the greatest uid whose sequence number is still the same, the client
 * knows what is gone. */
static uint32_t matched_uid(const struct mbox_view *view, const struct imap_qresync *asked)
{
    struct number_walk seqs = {.set = &asked->match_seqs}, uids = {.set = &asked->match_uids};
    uint32_t seq, uid, matched = 0, count = view_count(view);

    while (next_number(&seqs, &seq) && next_number(&uids, &uid) && seq <= count)
        if (view_uid(view, seq) == uid)
            matched = uid;
    return matched;
}

void resync_begin(const struct mbox_view *view, const struct imap_qresync *asked,
                  struct arena *arena, struct resync *out)
{
    static const struct seq_range everything = {1, UINT32_MAX};
    const struct seqset all = {&everything, 1};
    const struct seqset *known = asked->known.n > 0 ? &asked->known : &all;
    struct seqset sorted = imap_resolve_seqset(known, UINT32_MAX, arena); /* has no "*" */
    struct uid_set_builder uids;
    struct uid_set among;

    uid_set_start(&uids, arena);
    for (size_t i = 0; i < sorted.n; i++)
        uid_set_add_run(&uids, sorted.ranges[i].first, sorted.ranges[i].last);
    among = uid_set_finish(&uids);
    out->known = resolve_uids(view, known, arena);
    out->vanished =
        resync_vanished(view, &among, asked->modseq, matched_uid(view, asked), arena);
}
