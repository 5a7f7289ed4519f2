/*
 * mbox.h - a mailbox of one version, as account/ itself sees it.
 *
 * The head is copied whole by the first change of a writer: counts, an array of chunks with
 * what this version sees of each, the log of expunges, the overlays. While the messages are not
 * loaded the head keeps the places of their pages instead; chunks that were appended to such a
 * mailbox, or the last one, taken out of the places so that it can be appended to, are its
 * slots.
 */
#ifndef ROOST_ACCOUNT_MBOX_H
#define ROOST_ACCOUNT_MBOX_H

#include "account/annotations.h"
#include "account/chunk.h"
#include "account/chunk_pages.h"
#include "account/expunged.h"
#include "account/kept_log.h"
#include "account/mbox_info.h"
#include "account/overlay.h"
#include "account/state.h"

struct chunk_slot {
    struct chunk *chunk;
    uint32_t start; /* index of its first message */
    uint32_t n;     /* messages this version sees */
    uint32_t unseen;
    uint64_t modseq; /* greatest of its messages */
};

/* No index of a message: there are at most MESSAGES_MAX. */
#define UNSEEN_NONE      UINT32_MAX
#define UNSEEN_NOT_KNOWN (UINT32_MAX - 1)

/* Where the messages lie: for each chunk its hot page and the pages of its cold rows, then the
 * blocks of the expunged log, then the overlays, then the leaves of annotations. Immutable. */
struct mbox_places {
    struct counted counted;
    uint32_t first_unseen; /* index of the first without \Seen, of those here; UNSEEN_* */
    size_t n_chunks, n_expunged, n_overlays, n_annotations;
    size_t n; /* places, all together */
    struct page_place at[];
};

struct mbox {
    struct counted counted;
    bool loaded;
    struct info_object *info;
    struct mbox_counts counts;
    struct chunk_slot *slots; /* none empty; not loaded: those behind the places */
    size_t n_slots;
    struct expunged expunged;
    struct overlay **overlays; /* by reader, ascending */
    size_t n_overlays;
    struct mbox_places *places;      /* not loaded */
    struct annotations *annotations; /* NULL: there are none */
    struct kept_log *kept;           /* NULL: nothing is kept */
    struct mbox_end end;             /* of a deleted one */
};

/* n places to be filled in, the first unseen not known; a chunk has two at least. */
struct mbox_places *mbox_places_new(size_t n);
/* Where the messages lie once the pages that were made are stored: in the places of what is not
 * in memory, and then where the objects in memory do. pages_make.c */
struct mbox_places *mbox_places_now(const struct mbox *mbox);
/* Places that are not those of chunks. */
size_t mbox_places_behind(const struct mbox_places *places);
/* Index of the first message without \Seen, or UNSEEN_*. */
uint32_t mbox_find_unseen(const struct mbox *mbox);
/* The hot page of the last chunk; NULL if there is none. */
const struct page_place *mbox_places_last_chunk(const struct mbox_places *places);

/* May a message be appended? Else its last chunk must be brought into memory first. */
bool mbox_can_append(const struct mbox *mbox);
/* Are the cold rows of all messages these runs span in memory? The mailbox is loaded. */
bool mbox_cold_is_loaded(const struct mbox *mbox, const struct uid_set *uids);
/* The slots that hold messages of a run: first, and one behind the last. */
void mbox_slots_of(const struct mbox *mbox, struct uid_run run, size_t *out_first,
                   size_t *out_end);

/* An empty, loaded mailbox; takes over info. */
struct mbox *mbox_new(struct info_object *info);
void mbox_free_item(struct counted *item); /* an item_free_fn */
/* A head of its own, sharing everything below. */
struct mbox *mbox_copy(const struct mbox *mbox);
/* Let go of the messages' memory; the mailbox counts as not loaded. */
void mbox_forget_messages(struct mbox *mbox, struct mbox_places *places);

/* The last chunk of the places comes into memory; places: without it. Takes both over. */
void mbox_take_tail(struct mbox *mbox, struct chunk *chunk, uint32_t n,
                    struct mbox_places *places);

/* Changes of a mailbox that is ours. Records that acct_check() accepts. */
void mbox_add(struct mbox *mbox, const struct chunk_row *row, const struct msg_cold *cold);
void mbox_change_flags(struct mbox *mbox, const struct record_flags *record);
/* end: when they go and by whom, for those that are kept; NULL: none is (they were moved). */
struct expunge_end {
    int64_t sec;
    uint64_t by;
};
void mbox_expunge(struct mbox *mbox, const struct uid_set *uids, uint64_t modseq,
                  const struct expunge_end *end);
void mbox_set_threadid(struct mbox *mbox, uint32_t uid, const struct object_id *threadid);
void mbox_change_overlay(struct mbox *mbox, const struct record_flags *record);
void mbox_annotate(struct mbox *mbox, const struct record_annotate *record);
/* A row beside a message that has just come, if there is room in the mailbox. Takes it over;
 * NULL is allowed. */
void mbox_add_annotations(struct mbox *mbox, struct annotation_row *row);
void mbox_purge(struct mbox *mbox, uint64_t expunged_below);
void mbox_raise_modseq(struct mbox *mbox, uint64_t modseq);
/* Append a slot for a chunk that was read whole; takes the reference over. */
void mbox_add_slot(struct mbox *mbox, struct chunk *chunk, uint32_t n,
                   const struct chunk_sums *sums);

/* Position of the reader's overlay, or of the first greater reader. */
size_t mbox_overlay_at(const struct mbox *mbox, uint64_t reader, bool *out_found);

#endif
