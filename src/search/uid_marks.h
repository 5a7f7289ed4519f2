/*
 * uid_marks.h - a set of uids that changes: bits, in pages of 512 uids.
 *
 * What a context of SEARCH keeps (RFC 5267 4.3), and how candidates are gathered. Pages stand
 * in one array by number, so a uid is found in O(log pages), and a page that loses its last uid
 * goes. 80 octets for one uid; of 1,000,000 that follow each other 0.16 MB.
 *
 * Memory: heap, the owner's; a zeroed struct is an empty set.
 */
#ifndef ROOST_SEARCH_UID_MARKS_H
#define ROOST_SEARCH_UID_MARKS_H

#include "account/types.h"
#include "base/arena.h"

#define MARK_PAGE_UIDS  512u
#define MARK_PAGE_WORDS (MARK_PAGE_UIDS / 64)

struct mark_page {
    uint32_t number; /* uid / MARK_PAGE_UIDS */
    uint32_t n;      /* bits that are set; >= 1 */
    uint64_t words[MARK_PAGE_WORDS];
};

struct uid_marks {
    struct mark_page *pages; /* by number */
    size_t n_pages, cap;
    uint32_t n; /* uids */
};

void uid_marks_done(struct uid_marks *marks); /* also the AUTO cleanup */
size_t uid_marks_bytes(const struct uid_marks *marks);

bool uid_marks_has(const struct uid_marks *marks, uint32_t uid);
/* Nothing happens if it is there; if it is not. */
void uid_marks_add(struct uid_marks *marks, uint32_t uid);
void uid_marks_remove(struct uid_marks *marks, uint32_t uid);
/* The least member that is not below uid; false: there is none. */
bool uid_marks_next(const struct uid_marks *marks, uint32_t uid, uint32_t *out);
/* All of them as runs; in arena. */
struct uid_set uid_marks_set(const struct uid_marks *marks, struct arena *arena);

#endif
