/*
 * text_scene.h - two mailboxes of drawn mail with a text index, and searches of them: what is
 * found with the index must be what is found without. Everything fails the test by itself.
 */
#ifndef ROOST_TESTS_TEXT_SCENE_H
#define ROOST_TESTS_TEXT_SCENE_H

#include "lib/mail_world.h"
#include "search/search.h"
#include "search/text_index.h"

#define SCENE_ACCOUNT     7u
#define SCENE_DEPTH       3 /* of the keys that scene_compare() draws */
#define SCENE_ARENA_BYTES ((size_t) 256 << 20)

struct scene {
    struct mail_world world;
    struct account *account;
    struct text_index *index;
    uint32_t inbox, other;
    uint64_t seed;
    bool wants_scores;
    uint64_t merged_bytes; /* of the index, when it is opened; 0: the product's */
};

/* INBOX and Archive, empty, on a memory engine or a local one; the index is empty too. */
void scene_open(struct scene *scene, bool is_local);
void scene_close(struct scene *scene);
void scene_open_index(struct scene *scene);
void scene_close_index(struct scene *scene);

/* A number below the bound; the same ones in each run. */
uint32_t scene_draw(struct scene *scene, uint32_t below);
/* Messages, durable, most of them in INBOX. */
void scene_append(struct scene *scene, uint32_t n);
/* Index what is there. */
void scene_catch_up(struct scene *scene);
size_t scene_count_segments(struct scene *scene);
struct mbox_view *scene_open_view(struct scene *scene, uint32_t mbox);

/* A drawn key of ANDs, ORs and NOTs. */
struct imap_search_key *scene_tree(struct scene *scene, struct arena *arena, int depth);

/* kept is what an earlier search left, or NULL; out_kept NULL: nothing is to be left. */
struct search_hits scene_run_on(struct scene *scene, struct mbox_view *view,
                                const struct imap_search_key *key, unsigned comparator,
                                struct pruner *kept, struct pruner **out_kept,
                                struct arena *arena);
struct search_hits scene_run(struct scene *scene, struct mbox_view *view,
                             const struct imap_search_key *key, unsigned comparator,
                             struct arena *arena);
bool scene_same_uids(const struct uid_set *a, const struct uid_set *b);

/* One key, with the index and without: uids, numbers, modseq and scores are the same. */
void scene_compare_one(struct scene *scene, struct mbox_view *view,
                       const struct imap_search_key *key);
/* The same of so many drawn keys. */
void scene_compare(struct scene *scene, uint32_t mbox, int queries);
/* Each kind of key alone, for each word. */
void scene_compare_words(struct scene *scene, struct mbox_view *view);
/* Fuzzy keys alone, so that what they say is all there is. */
void scene_compare_fuzzy(struct scene *scene, struct mbox_view *view, int queries);

#endif
