/* state_parts.h - what an account's version is made of; for the files of account/ only. */
#ifndef ROOST_ACCOUNT_STATE_PARTS_H
#define ROOST_ACCOUNT_STATE_PARTS_H

#include "account/mbox.h"
#include "account/sorted.h"
#include "account/state.h"

/* What is small and seldom changes: copied whole. */
struct acct_rest {
    struct counted counted;
    struct page_ref page;
    struct text_pair *metadata;
    size_t n_metadata;
    struct quota_limit *quotas; /* by resource, in byte order */
    size_t n_quotas;
    struct xfer_entry *xfers; /* as they came */
    size_t n_xfers;
};

/* The numbers given to pages: one counter for all versions of an account in this process. Only
 * the calls of pages.h touch it, one at a time. */
struct page_ledger {
    struct counted counted;
    uint64_t next_number;
};

struct acct_state {
    struct counted counted;
    uint64_t id, position, modseq, next_body_id;
    uint32_t next_mailbox_id;
    struct sorted *by_id;         /* of struct mbox, by local id */
    struct sorted *by_name;       /* of struct name_item, in the order of mailbox_name_order */
    struct sorted *subscriptions; /* of struct name_item, by bytes */
    struct acct_rest *rest;
    struct page_ledger *ledger;
    struct acct_usage usage;
};

struct acct_rest *rest_new(void);
void rest_unref(struct acct_rest *rest);

/* The mailbox with this id in a fork, ours to change; there is one. */
struct mbox *state_own_mbox(struct acct_state *fork, uint32_t id);
/* Positions; false if there is none. */
bool state_find_mbox(const struct acct_state *state, uint32_t id, size_t *out_at);
/* Put a mailbox into both indexes, with its messages into the usage. Takes it over. */
void state_insert_mbox(struct acct_state *fork, struct mbox *mbox);
/* The same without the index by id. */
void state_insert_name(struct acct_state *fork, const struct mbox *mbox);

/* item_compare_fn: a uint32_t id and a mailbox; a struct slice and a mailbox name or
 * subscription. */
int compare_mbox_id(const void *key, const struct counted *item);
int compare_mailbox_name(const void *key, const struct counted *item);
int compare_subscription(const void *key, const struct counted *item);

#endif
