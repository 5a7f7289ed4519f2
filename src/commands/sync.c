#include "commands/sync.h"

#include "commands/flags_text.h"
#include "commands/reply.h"

#define VANISHED_LINE_UIDS ((size_t) 16384) /* in one VANISHED answer */

static void write_number_line(struct buf *out, uint32_t number, const char *word)
{
    buf_str(out, "* ");
    buf_u64(out, number);
    buf_byte(out, ' ');
    buf_str(out, word);
    buf_str(out, "\r\n");
}

static void write_flags(const struct session *session, struct flags_text *text, uint32_t uid,
                        bool with_uid, struct buf *out)
{
    const struct mbox *mbox = view_mbox(session->view);
    uint32_t index, seq = view_seq(session->view, uid);
    bool follows = session_has_enabled(session, IMAP_CAP_CONDSTORE);
    bool uidonly = session->mode.uidonly;
    struct imap_flags_line line;

    if (seq == 0 || !mbox_find(mbox, uid, &index))
        return;
    line = (struct imap_flags_line){
        .uidonly = uidonly,
        .seq = uidonly ? uid : seq,
        /* RFC 9051 7.5.2, RFC 7162 3.2.4: what nobody asked for has the UID */
        .uid = !uidonly && (with_uid || session->mode.rev2 || follows) ? uid : 0,
        .bits = flags_text_bits(text, index, uid),
        .keywords = flags_text_keywords(text, index),
        .modseq = follows ? flags_text_modseq(text, index) : 0,
    };
    imap_print_flags_line(out, &line);
}

/* RFC 7162 3.2.10, RFC 9586 3.4: in the place of EXPUNGE once QRESYNC or UIDONLY is enabled.
 * One line, from *told on. */
static void write_vanished(const struct view_changes *changes, size_t *told, struct buf *out)
{
    size_t end = MIN(*told + VANISHED_LINE_UIDS, changes->n_expunged);
    struct imap_runs runs;

    buf_str(out, "* VANISHED ");
    imap_runs_begin(&runs, out);
    for (; *told < end; (*told)++)
        imap_runs_add(&runs, changes->expunged_uids[*told]);
    (void) imap_runs_end(&runs);
    buf_str(out, "\r\n");
}

bool sync_write(const struct session *session, const struct view_changes *changes, size_t *told,
                bool with_uid, bool may_pause, struct buf *out)
{
    size_t end = changes->n_expunged + 1 + changes->n_changed;
    bool vanish = session_has_enabled(session, IMAP_CAP_QRESYNC) || session->mode.uidonly;
    struct flags_text text;

    while (vanish && *told < changes->n_expunged &&
           !(may_pause && out->len >= REPLY_PAUSE_BYTES))
        write_vanished(changes, told, out);
    if (vanish && *told < changes->n_expunged)
        return false;
    flags_text_init(&text, session->view, session->mode);
    for (; *told < end && !(may_pause && out->len >= REPLY_PAUSE_BYTES); (*told)++) {
        if (*told < changes->n_expunged) {
            write_number_line(out, changes->expunged_seqs[*told], "EXPUNGE");
        } else if (*told == changes->n_expunged) {
            if (changes->exists_changed)
                write_number_line(out, changes->exists, "EXISTS");
            if (changes->exists_changed && !session->mode.rev2)
                write_number_line(out, changes->recent, "RECENT");
        } else {
            write_flags(session, &text, changes->changed_uids[*told - changes->n_expunged - 1],
                        with_uid, out);
        }
    }
    flags_text_done(&text);
    return *told == end;
}
