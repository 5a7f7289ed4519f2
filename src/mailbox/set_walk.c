#include "mailbox/set_walk.h"

static uint32_t uid_at(struct set_walk *walk, uint32_t index)
{
    if (index - walk->chunk_start >= walk->chunk.n) {
        walk->chunk_at = mbox_chunk_of(walk->mbox, index);
        walk->chunk = mbox_chunk(walk->mbox, walk->chunk_at);
        walk->chunk_start = mbox_chunk_start(walk->mbox, walk->chunk_at);
    }
    return walk->chunk.uid[index - walk->chunk_start];
}

bool set_walk_next(struct set_walk *walk, uint32_t *out_index)
{
    uint32_t n = mbox_counts(walk->mbox)->messages;

    for (; walk->run < walk->uids->n && walk->index < n; walk->run++) {
        const struct uid_run *run = &walk->uids->runs[walk->run];

        walk->uid = uid_at(walk, walk->index);
        if (walk->uid < run->first) {
            walk->index = mbox_lower_bound(walk->mbox, run->first);
            if (walk->index == n)
                return false;
            walk->uid = uid_at(walk, walk->index);
        }
        if (walk->uid <= run->last) {
            *out_index = walk->index++;
            return true;
        }
    }
    return false;
}

uint32_t set_walk_stretch(struct set_walk *walk, uint32_t *out_row)
{
    uint32_t index, n;

    if (!set_walk_next(walk, &index))
        return 0;
    *out_row = index - walk->chunk_start;
    n = chunk_rows_up_to(&walk->chunk, *out_row, walk->uids->runs[walk->run].last);
    walk->index = index + n;
    return n;
}
