/*
 * account_notes.h - what a background thread remembers of each account it looks at: hints,
 * bounded in number, which may be forgotten at any time. For one thread.
 */
#ifndef ROOST_SEARCH_ACCOUNT_NOTES_H
#define ROOST_SEARCH_ACCOUNT_NOTES_H

#include "base/map.h"

struct account_notes {
    struct map *map; /* account -> note */
    size_t note_bytes, most;
};

void account_notes_init(struct account_notes *notes, size_t note_bytes, size_t most);
void account_notes_done(struct account_notes *notes);

/*
 * The note of an account; never NULL. *out_is_new: it was made now, all zero. Where there are
 * `most` already, all are forgotten first: notes got before are valid until the next call.
 */
void *account_notes_get(struct account_notes *notes, uint64_t account, bool *out_is_new);

#endif
