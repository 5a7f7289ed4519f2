/* walk_steps.h - what the files of steps share. */
#ifndef ROOST_TESTS_WALK_STEPS_H
#define ROOST_TESTS_WALK_STEPS_H

#include "walk.h"

/* One command, with a tag of its own. */
void steps_say(struct walk *walk, struct player *player, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A name that a mailbox may have. */
const char *steps_name(struct walk *walk);
/* Some flags; all may be missing. Texts and sets live in walk->plan, for the step. */
uint32_t steps_flags(struct walk *walk);
const char *steps_flags_text(struct walk *walk, uint32_t flags);
/* A message with this marker, and its length. */
struct slice steps_message(struct walk *walk, uint64_t marker);
size_t steps_message_len(uint64_t marker);

/* Messages of a view that a set names. */
struct picked {
    bool uid;
    const char *text;
    struct oracle_message **messages; /* those that are there, by uid */
    size_t n;
    bool has_gone;  /* named by number, and gone */
    bool has_moved; /* gone to another mailbox: FETCH cannot answer from what is kept */
    struct oracle_message **kept; /* gone, and not moved: FETCH answers */
    size_t n_kept;
};
/* Of an empty view by uid. */
void steps_pick(struct walk *walk, const struct player *player, struct picked *out);

/* UNCHANGEDSINCE of one message whose MODSEQ was told to somebody, or none. */
struct condition {
    bool is_there;
    const char *text; /* " (UNCHANGEDSINCE 7)", or "" */
};
struct condition steps_condition(struct walk *walk, const struct player *player,
                                 const struct picked *picked);
bool steps_is_refused(const struct player *player, const struct condition *condition,
                      const struct oracle_message *message);
/* Does MODIFIED name it, if it was refused? */
void steps_check_modified(struct walk *walk, struct player *player, const struct picked *picked,
                          const struct condition *condition);

/* SEARCH for a key, which finds just those messages. */
typedef bool hits_fn(const struct player *player, const struct oracle_message *message,
                     const void *ctx);
void steps_search(struct walk *walk, struct player *player, const char *key, hits_fn *hits_it,
                  const void *ctx);

/* Values for some entries, each named once (walk_annotations.c). */
#define ANNOTATING_MAX 3u
struct annotating {
    struct annotating_entry {
        uint8_t entry, value;
        bool shared;
    } entries[ANNOTATING_MAX];
    size_t n;
    const char *text; /* " ANNOTATION (...)", or "" */
};
struct annotating steps_annotating(struct walk *walk);
/* RFC 5257 3.4 */
bool steps_may_annotate(const struct player *player, const struct oracle_mailbox *mailbox,
                        const struct annotating *annotating);
void steps_annotate(const struct player *player, struct oracle_mailbox *mailbox,
                    struct oracle_message *message, const struct annotating *annotating);
/* UID FETCH 1:* of all annotations: they are what is there. */
void walk_fetch_annotations(struct walk *walk, struct player *player);

void walk_select_name(struct walk *walk, struct player *player, const char *name, bool examine);
/* Everybody may do everything in some mailboxes, for a start. */
void walk_share_most(struct walk *walk, struct player *owner);
/* UID FETCH 1:* (FLAGS): the picture is whole after it. */
void walk_fetch_all(struct walk *walk, struct player *player);

#endif
