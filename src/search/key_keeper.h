/*
 * key_keeper.h - the thread that makes sort keys behind new mail, so that the first SORT or
 * THREAD finds them.
 *
 * It looks at the open accounts that are large enough. When bodies came and no more come for a
 * while, or very many came, a segment is made of their digests and stored as a derived blob
 * (key_blob.h); a blob at least half as long as the one before is joined with it. Nothing rests
 * on what it makes: what is missing SORT reads itself.
 */
#ifndef ROOST_SEARCH_KEY_KEEPER_H
#define ROOST_SEARCH_KEY_KEEPER_H

#include "mailbox/mail_store.h"

#define KEYS_MIN_MESSAGES 1000u                   /* an account with less is read in no time */
#define KEYS_QUIET_BODIES 64u                     /* new ones that make a blob ... */
#define KEYS_QUIET_US     ((int64_t) 5 * 1000000) /* ... when none came for so long */
#define KEYS_TAIL_BODIES  16384u                  /* new ones that make a blob at once */

struct key_keeper;

struct key_keeper_options {
    struct mail_store *store; /* stays open as long */
    /* Which account is worked on, so that a crash has a name. May be NULL. */
    void (*note)(void *ctx, uint64_t account, bool begins);
    void *note_ctx;
};

struct key_keeper *key_keeper_new(const struct key_keeper_options *options);
void key_keeper_start(struct key_keeper *keeper);
/* Ends the thread, in the middle of a segment if need be, and frees the keeper. NULL is
 * allowed.
 */
void key_keeper_free(struct key_keeper *keeper);
/* Make all that can be made of this account now, however little, without rests: for tests and
 * measurements. Not while the thread works. */
MUST_CHECK enum rc key_keeper_catch_up(struct key_keeper *keeper, struct account *account,
                                       struct err *err);

#endif
