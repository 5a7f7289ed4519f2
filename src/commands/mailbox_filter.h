/*
 * mailbox_filter.h - is a mailbox among those that a command means?
 *
 * Spec: RFC 5465 6, RFC 7377 2.2. Of names alone: who may see what is asked elsewhere
 * (visible.h, notify_rows.c), and SELECTED is the session's to know.
 */
#ifndef ROOST_COMMANDS_MAILBOX_FILTER_H
#define ROOST_COMMANDS_MAILBOX_FILTER_H

#include "imap/args.h"

/* A copy in arena, its names in order, as the functions below want them. */
struct imap_mailbox_filter mailbox_filter_keep(const struct imap_mailbox_filter *filter,
                                               struct arena *arena);

/* Is a mailbox of this name, as the session knows it, meant? SELECTED means none. */
bool mailbox_filter_means(const struct imap_mailbox_filter *filter, struct slice name,
                          bool subscribed);
/* May one whose name is top, or lies below it, be meant? top is of others' mailboxes;
 * subscribed: names of such, in order. */
bool mailbox_filter_may_mean(const struct imap_mailbox_filter *filter, struct slice top,
                             const struct slice *subscribed, size_t n_subscribed);
/* May any of others' mailboxes be meant? */
bool mailbox_filter_means_others(const struct imap_mailbox_filter *filter);

#endif
