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
    uint32_t all_id;              /* All's, 0: there is none */
    bool has_twins;               /* there is an All, or was: rows may have twins */
    struct sorted *by_id;         /* of struct mbox, by local id */
    struct sorted *by_name;       /* of struct name_item, in the order of mailbox_name_order */
    struct sorted *deleted;       /* of struct mbox, by local id */
    struct sorted *subscriptions; /* of struct name_item, by bytes */
    struct acct_rest *rest;
    struct page_ledger *ledger;
    struct acct_usage usage;
    struct acct_kept kept;
};

struct acct_rest *rest_new(void);
void rest_unref(struct acct_rest *rest);

/* The mailbox with this id in a fork, ours to change; there is one. */
struct mbox *state_own_mbox(struct acct_state *fork, uint32_t id);
/* The same among the deleted ones. */
struct mbox *state_own_deleted(struct acct_state *fork, uint32_t id);
/* Positions; false if there is none. */
bool state_find_mbox(const struct acct_state *state, uint32_t id, size_t *out_at);
/* Put a mailbox into both indexes, with its messages into the usage. Takes it over. */
void state_insert_mbox(struct acct_state *fork, struct mbox *mbox);
/* Count a mailbox into (or out of) usage and what is kept. */
void state_count_mbox(struct acct_state *fork, const struct mbox *mbox, bool in);
/* The same for a deleted one, all of which is kept. */
void state_count_deleted(struct acct_state *fork, const struct mbox *mbox, bool in);
/* Put a mailbox among the deleted ones, which are counted. Takes it over. */
void state_insert_deleted(struct acct_state *fork, struct mbox *mbox);
/* The deleted mailbox with this id, out of the state; the caller owns a reference. */
struct mbox *state_take_deleted(struct acct_state *fork, uint32_t id);
/* The same without the index by id. */
void state_insert_name(struct acct_state *fork, const struct mbox *mbox);

/* item_compare_fn: a uint32_t id and a mailbox; a struct slice and a mailbox name or
 * subscription. */
int compare_mbox_id(const void *key, const struct counted *item);
int compare_mailbox_name(const void *key, const struct counted *item);
int compare_subscription(const void *key, const struct counted *item);

/* apply_kept.c: what apply.c does of FORGET, RESTORE and the deletion of a mailbox. */
void apply_delete(struct acct_state *fork, const struct record_group *group,
                  const struct record_mailbox *r);
void apply_forget(struct acct_state *fork, const struct record_forget *r);
void apply_restore(struct acct_state *fork, const struct record_restore *r);
/* A mailbox gets this name: deleted ones that had it come back as others. */
void apply_name_given(struct acct_state *fork, struct slice name);
/* The index in dst's table of each keyword of src; UINT16_MAX where it lacks one. */
void map_keywords(const struct mbox *src, const struct mbox *dst, uint16_t map[KEYWORDS_MAX]);
/* Take a mailbox's name out of the index of names. */
void remove_name(struct acct_state *fork, struct slice name);

#endif
