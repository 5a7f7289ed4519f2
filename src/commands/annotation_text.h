/*
 * annotation_text.h - annotations of one message as FETCH answers show them, and what STORE and
 * APPEND make of those they are given.
 *
 * Spec: RFC 5257 4.3 and 4.4. A name that was asked for is answered, with NIL and "0" if there
 * is none; a pattern is answered with the entries that have one of the values asked for. An
 * entry is said once, where it was asked for first.
 */
#ifndef ROOST_COMMANDS_ANNOTATION_TEXT_H
#define ROOST_COMMANDS_ANNOTATION_TEXT_H

#include "account/kept.h"
#include "commands/cmd.h"
#include "imap/list_match.h"

/* What a reader sees of a message: the own entries and everybody's, each by name. */
struct annotation_source {
    const struct annotation *own, *shared;
    size_t n_own, n_shared;
};

struct annotation_source annotation_source_of(const struct reader *reader,
                                              const struct mbox *mbox, uint32_t uid);
struct annotation_source annotation_source_of_kept(const struct reader *reader,
                                                   const struct kept_message *kept);

/* An item of FETCH, made ready to be asked of many messages. */
struct annotation_query {
    const struct imap_annotation_query *asked;
    struct list_pattern *patterns;
};
struct annotation_query annotation_query_make(const struct imap_annotation_query *asked,
                                              struct arena *arena);
/* "(/comment (value.priv NIL))". False, and nothing is written: no entry is to be said. */
bool annotation_text_list(const struct annotation_query *query,
                          const struct annotation_source *source, struct imap_mode mode,
                          struct buf *out);
/* " ANNOTATION (/comment)": names of what changed above since, but for what changed at this
 * modseq; nothing if there are none. */
void annotation_text_names(const struct annotation_source *source, uint64_t since,
                           uint64_t except, struct imap_mode mode, struct buf *out);

/* ---- annotation_change.c ---- */

/* In arena. */
void annotation_change_make(const struct imap_annotations *given, struct arena *arena,
                            struct annotation_change *out);
/* RFC 5257 3.2.1: RC_SYNTAX if an entry is about a part that one of these messages, of a loaded
 * mailbox, does not have. */
MUST_CHECK enum rc annotation_parts_check(struct cmd *cmd, const struct uid_set *uids,
                                          const struct imap_annotations *given,
                                          struct err *err);
/* The same of a message that is to come. */
MUST_CHECK enum rc annotation_stage_check(struct account *account,
                                          const struct body_stage *stage,
                                          const struct imap_annotations *given,
                                          struct err *err);
/* [ANNOTATE TOOBIG], [ANNOTATE TOOMANY]: RFC 5257 4.5. */
void annotation_say_limit(struct reply *reply, enum annotation_limit limit);

#endif
