#include "search/account_notes.h"

#include "base/err.h"

static void forget_all(struct account_notes *notes)
{
    struct slice key;
    void *note;

    for (size_t at = 0; map_next(notes->map, &at, &key, &note);)
        free(note);
    map_free(notes->map);
    notes->map = NULL;
}

void account_notes_init(struct account_notes *notes, size_t note_bytes, size_t most)
{
    *notes = (struct account_notes){.map = map_new(), .note_bytes = note_bytes, .most = most};
}

void account_notes_done(struct account_notes *notes)
{
    forget_all(notes);
}

void *account_notes_get(struct account_notes *notes, uint64_t account, bool *out_is_new)
{
    void *note = map_get(notes->map, MAP_KEY(account));

    *out_is_new = note == NULL;
    if (note != NULL)
        return note;
    if (map_count(notes->map) >= notes->most) {
        forget_all(notes);
        notes->map = map_new();
    }
    note = xcalloc(1, notes->note_bytes);
    (void) map_put(notes->map, MAP_KEY(account), note);
    return note;
}
