/*
 * mbox.h - a mailbox of one version, as account/ itself sees it.
 *
 * The head is copied whole by the first change of a writer: counts, an array of chunks with
 * what this version sees of each, the log of expunges, the overlays. While the messages are not
 * loaded the head keeps the places of their pages instead.
 */
#ifndef ROOST_ACCOUNT_MBOX_H
#define ROOST_ACCOUNT_MBOX_H

#include "account/chunk.h"
#include "account/expunged.h"
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

struct page_place {
    uint64_t number;
    uint32_t rows;
};

/* Where the messages lie: two places a chunk (hot, cold), then the blocks of the expunged log,
 * then the overlays. Immutable. */
struct mbox_places {
    struct counted counted;
    size_t n_chunks, n_expunged, n_overlays;
    struct page_place at[];
};

struct mbox {
    struct counted counted;
    bool loaded;
    struct info_object *info;
    struct mbox_counts counts;
    struct chunk_slot *slots; /* loaded: n_slots chunks, none empty */
    size_t n_slots;
    struct expunged expunged;
    struct overlay **overlays; /* by reader, ascending */
    size_t n_overlays;
    struct mbox_places *places; /* not loaded */
};

struct mbox_places *mbox_places_new(size_t n_chunks, size_t n_expunged, size_t n_overlays);
size_t mbox_places_count(const struct mbox_places *places);

/* An empty, loaded mailbox; takes over info. */
struct mbox *mbox_new(struct info_object *info);
void mbox_free_item(struct counted *item); /* an item_free_fn */
/* A head of its own, sharing everything below. */
struct mbox *mbox_copy(const struct mbox *mbox);
/* Let go of the messages' memory; the mailbox counts as not loaded. */
void mbox_forget_messages(struct mbox *mbox, struct mbox_places *places);

/* Changes of a mailbox that is ours. Records that acct_check() accepts. */
void mbox_add(struct mbox *mbox, const struct chunk_row *row, const struct msg_cold *cold);
void mbox_change_flags(struct mbox *mbox, const struct record_flags *record);
void mbox_expunge(struct mbox *mbox, const struct uid_set *uids, uint64_t modseq);
void mbox_set_threadid(struct mbox *mbox, uint32_t uid, const struct object_id *threadid);
void mbox_change_overlay(struct mbox *mbox, const struct record_flags *record);
void mbox_purge(struct mbox *mbox, uint64_t expunged_below);
void mbox_raise_modseq(struct mbox *mbox, uint64_t modseq);
/* Append a slot for a chunk that was read whole; takes the reference over. */
void mbox_add_slot(struct mbox *mbox, struct chunk *chunk, uint32_t n);

/* Position of the reader's overlay, or of the first greater reader. */
size_t mbox_overlay_at(const struct mbox *mbox, uint64_t reader, bool *out_found);

#endif
