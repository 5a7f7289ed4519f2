/*
 * outline.h - what a version shows of an account apart from messages, kept on its own; and what
 * differs between two versions.
 *
 * Whoever was told of an account at some version, and must say later what has become different,
 * keeps no version: that would hold all messages it reaches. It keeps the outline
 * (subscriptions and the account's entries) and, for each mailbox it cares for, the mailbox's
 * info. Both are small, immutable and shared by all versions in which they are the same.
 *
 * Names and entries are compared in order; the work is linear in the lists only where these are
 * not the same object.
 */
#ifndef ROOST_ACCOUNT_OUTLINE_H
#define ROOST_ACCOUNT_OUTLINE_H

#include "account/state.h"

/* The mailbox's info, which lives until it is let go. */
const struct mbox_info *mbox_info_hold(const struct mbox *mbox);
void mbox_info_release(const struct mbox_info *info); /* NULL is allowed */

struct acct_outline;
struct acct_outline *acct_outline_new(const struct acct_state *state);
void acct_outline_free(struct acct_outline *outline); /* NULL is allowed */
/* What of it is as base has it becomes what mine has. */
void acct_outline_follow(struct acct_outline *outline, const struct acct_state *base,
                         const struct acct_state *mine);

/* Texts that differ; they live in the arena. */
struct text_list {
    const struct slice *texts;
    size_t n;
};

/* Names that are subscribed to in one of the two only, in byte order. */
struct text_list acct_outline_subscriptions(const struct acct_outline *old,
                                            const struct acct_state *state,
                                            struct arena *arena);
/* The account's entries that have another value, or are in one of the two only. */
struct text_list acct_outline_metadata(const struct acct_outline *old,
                                       const struct acct_state *state, struct arena *arena);
/* The same of a mailbox's entries. */
struct text_list mbox_info_metadata(const struct mbox_info *old, const struct mbox_info *info,
                                    struct arena *arena);

/*
 * Ids of mailboxes of which anything differs, ascending, those in one of the two only among
 * them: the first max of them into ids. Returns how many there are; more than max: max + 1. The
 * work is that of the directory's leaves, and of the mailboxes in leaves that differ.
 */
size_t acct_changed_mailboxes(const struct acct_state *old, const struct acct_state *state,
                              uint32_t *ids, size_t max);
/* Is anything of the subscriptions or the account's entries another? */
bool acct_lists_differ(const struct acct_state *old, const struct acct_state *state);

/* In order of ids. at < acct_mailbox_count. */
const struct mbox *acct_mailbox_by_id_at(const struct acct_state *state, size_t at);

#endif
