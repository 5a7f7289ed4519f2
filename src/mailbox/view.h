/*
 * view.h - a selected mailbox as one session was told of it: the numbering.
 *
 * A view keeps the greatest uid told, the modseq told, and sorted runs of uids that are
 * expunged but not told. A sequence number is the rank among the current messages up to the
 * greatest uid told and the untold expunges. So numbers are exact at all times, whatever other
 * sessions do (RFC 9051 2.3.1.2, 7.5.1).
 *
 * Between commands a view holds no version (view_park). A command begins with view_refresh,
 * which takes a version and moves what vanished since into the untold runs; it ends with
 * view_sync, which says what the client must hear. EXPUNGEs are told only if the command allows
 * it; while some are withheld, view_told_modseq stays below the lowest of them (RFC 7162 3.2).
 *
 * What a view shows of flags and MODSEQ is what its reader sees (access.h); a reader who loses
 * the right to read loses the view at the next refresh.
 *
 * A view belongs to one session, and one thread at a time. After RC_CONFLICT a command is run
 * again: take view_mark before it and view_rewind to it.
 */
#ifndef ROOST_MAILBOX_VIEW_H
#define ROOST_MAILBOX_VIEW_H

#include "mailbox/access.h"

struct mbox_view;

/* reader: the account that looks; 0 for the system. RC_NOT_FOUND, RC_DENIED, RC_CORRUPT. The
 * view is refreshed, and everything in it counts as told. It is read-only also where the reader
 * has no right to change anything. */
MUST_CHECK enum rc view_open(struct account *account, uint64_t reader, uint64_t own_position,
                             uint32_t mbox_id, bool read_only, struct mbox_view **out,
                             struct err *err);
/* The same for who asks only what a mailbox counts, as SELECT does: where that can be said
 * without the messages they stay in pages until the next view_refresh(). */
MUST_CHECK enum rc view_open_counts(struct account *account, uint64_t reader,
                                    uint64_t own_position, uint32_t mbox_id, bool read_only,
                                    struct mbox_view **out, struct err *err);
void view_close(struct mbox_view *view); /* NULL is allowed */

/* Take the version to work on. RC_NOT_FOUND: the mailbox was deleted, or the reader may no
 * longer read it, or so much of it was expunged since that the numbering is lost: the session
 * must end. */
MUST_CHECK enum rc view_refresh(struct mbox_view *view, uint64_t own_position, struct err *err);
/* The same for a command that names no message: where there is nothing to tell, messages that
 * lie in pages stay there, and only counts and view_sync() may be asked for. */
MUST_CHECK enum rc view_refresh_counts(struct mbox_view *view, uint64_t own_position,
                                       struct err *err);
/* Let go of the version. view_has_news still works. */
void view_park(struct mbox_view *view);
/* What a client may be told now, as bits. */
enum view_tell {
    VIEW_TELL_EXPUNGES = 1u << 0,
    VIEW_TELL_NEW = 1u << 1,   /* that there are more messages */
    VIEW_TELL_FLAGS = 1u << 2, /* what others changed; never without VIEW_TELL_NEW */
    VIEW_TELL_ALL = 7u,
    VIEW_TELL_ANNOTATIONS =
        1u << 3, /* with flags: also where nothing but annotations changed */
};
/* Would a refresh and sync that may tell this have something to say? Cheap; needs no version.
 */
bool view_has_news(const struct mbox_view *view, uint64_t own_position, unsigned tell);

/* Has the mailbox changes above this one, as the reader sees it? Needs no version. */
bool view_has_changed(const struct mbox_view *view, uint64_t own_position, uint64_t modseq);

/* May the reader no longer read the mailbox, as it is now? Needs no version. */
bool view_is_revoked(const struct mbox_view *view);

uint32_t view_mbox_id(const struct mbox_view *view);
struct account *view_account(const struct mbox_view *view);
bool view_is_read_only(const struct mbox_view *view);
/* Was it opened to be read only, whatever the reader's rights? */
bool view_is_examined(const struct mbox_view *view);
/* The version taken by view_refresh; borrowed until view_park or the next refresh. */
const struct acct_state *view_state(const struct mbox_view *view);
const struct mbox *view_mbox(const struct mbox_view *view);

/* How the view's owner looks at it, as of the last refresh. */
const struct reader *view_reader(const struct mbox_view *view);
/* Of the message at index of view_mbox, as the reader sees it. */
uint8_t view_flags(const struct mbox_view *view, uint32_t index);
uint64_t view_modseq(const struct mbox_view *view, uint32_t index);

/* ---- numbering ---- */

/* Messages as the client counts them. */
uint32_t view_count(const struct mbox_view *view);
/* Sequence number of the first message that the reader has not seen; 0: none. */
uint32_t view_first_unseen(const struct mbox_view *view);
/* Greatest uid the client knows to exist or to have existed; 0 if none. */
uint32_t view_last_uid(const struct mbox_view *view);
/* seq 1..view_count. */
uint32_t view_uid(const struct mbox_view *view, uint32_t seq);
/* 0: no such message in this session's numbering. */
uint32_t view_seq(const struct mbox_view *view, uint32_t uid);
/* Uids of seq first..last (cut to what is there) as runs of known uids, appended to builder. */
void view_seqs_to_uids(const struct mbox_view *view, uint32_t first, uint32_t last,
                       struct uid_set_builder *builder);
/* Expunged, but the client has not heard: FETCH by sequence number may still name it. */
bool view_is_withheld(const struct mbox_view *view, uint32_t uid);
bool view_has_withheld(const struct mbox_view *view);
struct uid_set view_withheld(const struct mbox_view *view, struct arena *arena);

/* Walk the messages the client knows, in uid order, with their sequence number and their index
 * in view_mbox. Withheld ones are left out; O(1) a step. */
struct view_walk {
    const struct mbox_view *view;
    uint32_t seq, uid, index; /* of the current message */
    uint32_t next_index;
    size_t hidden_at;
    uint32_t hidden_seen;    /* withheld messages before the current one */
    struct chunk_view chunk; /* the columns the current message lies in; n == 0: none yet */
    uint32_t chunk_start;
};
/* From the first message with uid >= from_uid. */
void view_walk_start(struct view_walk *walk, const struct mbox_view *view, uint32_t from_uid);
bool view_walk_next(struct view_walk *walk);
/* To the next message as view_walk_next(), and on over those that lie behind it in the same
 * chunk, up to last_uid and with none withheld between: *out_n of them, with walk->seq, uid and
 * index those of the first, each of the others' one more (but the uid), and their columns from
 * view_walk_row() on in walk->chunk. */
bool view_walk_stretch(struct view_walk *walk, uint32_t last_uid, uint32_t *out_n);
static inline uint32_t view_walk_row(const struct view_walk *walk)
{
    return walk->index - walk->chunk_start;
}
/* To the message of this uid, behind the one the walk stands on; false: the client knows none.
 * A step where it is the next one. */
bool view_walk_to(struct view_walk *walk, uint32_t uid);
/* Pass over whole chunks, from where the walk stands, in which nothing is above this modseq. */
void view_walk_skip_unchanged(struct view_walk *walk, uint64_t modseq);

/* Of the messages that are there and that the client knows the greatest uid; 0: none. */
uint32_t view_greatest_uid(const struct mbox_view *view);

bool view_is_recent(const struct mbox_view *view, uint32_t uid);
/* All that are; in arena. */
struct uid_set view_recent(const struct mbox_view *view, struct arena *arena);
/* The uids that are, from this one on: the first run that ends there or behind it. Where there
 * is none, a run that no uid is in. O(runs). */
struct uid_run view_recent_from(const struct mbox_view *view, uint32_t uid);
uint32_t view_recent_count(const struct mbox_view *view);

/* ---- telling ---- */

/* Those of uids whose flags in mbox, a newer version, are those the client was told. */
struct uid_set view_flags_told(const struct mbox_view *view, const struct mbox *mbox,
                               const struct uid_set *uids, struct arena *arena);
/* Own changes that the client knows without being told (.SILENT): sync leaves them out unless
 * somebody changed the message again since. Not for messages that somebody changed before, and
 * the client has not heard of it: sync would leave out that too. */
void view_mark_known(struct mbox_view *view, const struct uid_set *uids, uint64_t modseq);
/* Annotations of this modseq are the client's own, and not to be told. */
void view_mark_annotated(struct mbox_view *view, uint64_t modseq);
/* The client was told the flags of these messages as they are in view_mbox: sync leaves them
 * out unless they changed since that version. */
void view_mark_told(struct mbox_view *view, const struct uid_set *uids);
/* Have sync tell the flags of these messages, changed or not (STORE without .SILENT). */
void view_report(struct mbox_view *view, const struct uid_set *uids);

struct view_changes {
    const uint32_t
        *expunged_seqs; /* in the order to be sent; each counts after those before it */
    const uint32_t *expunged_uids; /* the same messages' uids */
    size_t n_expunged;
    bool exists_changed; /* say EXISTS (and RECENT) */
    uint32_t exists, recent;
    uint32_t first_new_uid;       /* messages from here on are told of by this EXISTS */
    const uint32_t *changed_uids; /* flags to be told, ascending */
    size_t n_changed;
    uint64_t since;      /* what changed was told up to this modseq before */
    uint64_t own_modseq; /* annotations of this modseq are the client's own; 0: none */
};
/*
 * What to tell now; the view counts it as told. tell: bits of enum view_tell. Without the bit
 * new messages stay unknown, and have no number; changes of flags stay to be told, but for
 * those of view_report(). A non-empty answer lives in arena. The order on the wire: EXPUNGEs,
 * EXISTS, RECENT, FETCHes.
 */
void view_sync(struct mbox_view *view, unsigned tell, struct arena *arena,
               struct view_changes *out);
/* Does the client know of everything but changes of flags? */
bool view_is_counted(const struct mbox_view *view);

/* HIGHESTMODSEQ as this session may be told it: below all that is there and was not told. */
uint64_t view_told_modseq(const struct mbox_view *view);

struct view_mark;
struct view_mark *view_mark(const struct mbox_view *view, struct arena *arena);
void view_rewind(struct mbox_view *view, const struct view_mark *mark);

#endif
