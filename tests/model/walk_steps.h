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

void walk_select_name(struct walk *walk, struct player *player, const char *name, bool examine);
/* Everybody may do everything in some mailboxes, for a start. */
void walk_share_most(struct walk *walk, struct player *owner);
/* UID FETCH 1:* (FLAGS): the picture is whole after it. */
void walk_fetch_all(struct walk *walk, struct player *player);

#endif
