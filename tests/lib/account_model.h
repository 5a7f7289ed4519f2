/*
 * account_model.h - an account as slow, obvious arrays: the oracle for src/account.
 *
 * model_apply() does what docs/formats/records.md says a record does, by walking everything.
 * model_compare() asks a version everything state.h lets one ask, and fails the test where the
 * answers differ. A model can be copied whole, to be compared with its version again later.
 */
#ifndef ROOST_TESTS_ACCOUNT_MODEL_H
#define ROOST_TESTS_ACCOUNT_MODEL_H

#include "account/kept.h"
#include "account/state.h"
#include "lib/test.h"

struct model_message {
    uint32_t uid;
    uint8_t flags;
    uint64_t keywords[KEYWORD_WORDS];
    uint64_t modseq;
    struct msg_cold cold;
};

struct model_expunge {
    uint32_t uid;
    uint64_t modseq;
};

struct model_private {
    uint64_t reader;
    struct overlay_row row;
};

/* An entry beside a message, kept ones' among them; entries are named "/n0" to "/n7". */
struct model_annotation {
    uint32_t uid;
    uint64_t reader;
    uint8_t name;
    bool is_nil;
    char value[8];
    uint64_t modseq;
};

struct model_mbox {
    uint32_t id;
    char name[32];
    struct object_id mailboxid;
    uint32_t uidvalidity, uidnext, special_use, first_recent;
    uint64_t highestmodseq, expunged_below;
    char keywords[KEYWORDS_MAX][8];
    size_t n_keywords;
    char acl[8][8], metadata[8][8]; /* by number of the entry; empty: none */
    struct model_message *messages; /* by uid */
    size_t n_messages;
    struct model_expunge *expunges; /* in the order they came */
    size_t n_expunges;
    struct model_private *privates; /* in no order */
    size_t n_privates;
    struct model_annotation *annotations; /* in no order */
    size_t n_annotations;
    struct kept_message *kept; /* the oldest first */
    size_t n_kept;
    struct mbox_end end; /* of a deleted one */
};

#define MODEL_MAILBOXES 200
#define MODEL_NAMES_MAX 16

/* A message of All, and where it lives. */
struct model_twin {
    uint32_t all_uid, mbox, uid;
    int64_t savedate; /* when it came into All */
};

struct model {
    uint64_t modseq, next_body_id;
    uint32_t next_mailbox_id;
    struct model_mbox *mboxes; /* by id */
    size_t n_mboxes;
    struct model_mbox *deleted; /* in the order they went */
    size_t n_deleted;
    bool subscribed[MODEL_NAMES_MAX]; /* "s0", "s1" ... */
    uint64_t quota[MODEL_NAMES_MAX];  /* "q0" ...; 0: unlimited */
    char metadata[8][8];
    size_t n_xfers;
    uint32_t all_id;          /* 0: there is no All */
    struct model_twin *twins; /* by mailbox and uid */
    size_t n_twins;
};

struct model *model_new(void);
struct model *model_copy(const struct model *model);
void model_free(struct model *model);
struct model_mbox *model_mbox(struct model *model, uint32_t id);
void model_apply(struct model *model, const struct record_group *group,
                 const struct record *record);

/* account_model_all.c: All, after each record; and what only it has. */
bool model_counts(const struct model *model, const struct model_mbox *mbox);
void model_follow_all(struct model *model, const struct record *record);
/* NULL: the message is not in All. */
const struct model_twin *model_twin(const struct model *model, uint32_t mbox, uint32_t uid);
void model_compare_twins(const struct model *model, const struct acct_state *state);
void model_add_expunge(struct model_mbox *mbox, uint32_t uid, uint64_t modseq);
/* The same keywords, by name, in another mailbox's table. */
void model_translate(const struct model_mbox *src, const struct model_mbox *dst,
                     const uint64_t from[KEYWORD_WORDS], uint64_t to[KEYWORD_WORDS]);

/* Sets the bits of keywords in out. */
void model_set_keywords(const uint16_t *keywords, size_t n, uint64_t out[KEYWORD_WORDS]);

/* Fails the test where they differ. Mailboxes that are not loaded are compared without their
 * messages, unless all must be loaded. seed moves the questions about. */
void model_compare(struct model *model, const struct acct_state *state, bool all_loaded,
                   uint64_t seed);

#endif
