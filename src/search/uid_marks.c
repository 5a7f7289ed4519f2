#include "search/uid_marks.h"

#include <stdlib.h>
#include <string.h>

void uid_marks_done(struct uid_marks *marks)
{
    free(marks->pages);
    *marks = (struct uid_marks){0};
}

size_t uid_marks_bytes(const struct uid_marks *marks)
{
    return marks->cap * sizeof(*marks->pages);
}

/* Index of the first page whose number is not below this one. Mostly it is the last. */
static size_t page_at(const struct uid_marks *marks, uint32_t number)
{
    size_t low = 0, high = marks->n_pages;

    if (high > 0 && marks->pages[high - 1].number < number)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (marks->pages[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct mark_page *find_page(const struct uid_marks *marks, uint32_t uid)
{
    size_t at = page_at(marks, uid / MARK_PAGE_UIDS);

    return at < marks->n_pages && marks->pages[at].number == uid / MARK_PAGE_UIDS
               ? &marks->pages[at]
               : NULL;
}

static struct mark_page *new_page(struct uid_marks *marks, uint32_t number)
{
    size_t at = page_at(marks, number);

    if (marks->n_pages == marks->cap) {
        marks->cap = MAX(marks->cap + marks->cap / 4, marks->cap + 1);
        marks->pages = xrealloc(marks->pages, marks->cap * sizeof(*marks->pages));
    }
    memmove(&marks->pages[at + 1], &marks->pages[at],
            (marks->n_pages - at) * sizeof(*marks->pages));
    marks->n_pages++;
    marks->pages[at] = (struct mark_page){.number = number};
    return &marks->pages[at];
}

static uint64_t bit_of(uint32_t uid)
{
    return (uint64_t) 1 << (uid % 64);
}

static uint32_t word_of(uint32_t uid)
{
    return uid % MARK_PAGE_UIDS / 64;
}

bool uid_marks_has(const struct uid_marks *marks, uint32_t uid)
{
    const struct mark_page *page = find_page(marks, uid);

    return page != NULL && (page->words[word_of(uid)] & bit_of(uid)) != 0;
}

void uid_marks_add(struct uid_marks *marks, uint32_t uid)
{
    struct mark_page *page = find_page(marks, uid);

    if (page == NULL)
        page = new_page(marks, uid / MARK_PAGE_UIDS);
    if ((page->words[word_of(uid)] & bit_of(uid)) != 0)
        return;
    page->words[word_of(uid)] |= bit_of(uid);
    page->n++;
    marks->n++;
}

void uid_marks_remove(struct uid_marks *marks, uint32_t uid)
{
    struct mark_page *page = find_page(marks, uid);

    if (page == NULL || (page->words[word_of(uid)] & bit_of(uid)) == 0)
        return;
    page->words[word_of(uid)] &= ~bit_of(uid);
    marks->n--;
    if (--page->n > 0)
        return;
    marks->n_pages--;
    memmove(page, page + 1,
            (marks->n_pages - (size_t) (page - marks->pages)) * sizeof(*marks->pages));
}

bool uid_marks_next(const struct uid_marks *marks, uint32_t uid, uint32_t *out)
{
    uint32_t from = uid % MARK_PAGE_UIDS;

    for (size_t at = page_at(marks, uid / MARK_PAGE_UIDS); at < marks->n_pages; at++) {
        const struct mark_page *page = &marks->pages[at];

        if (page->number != uid / MARK_PAGE_UIDS)
            from = 0;
        for (uint32_t word = from / 64; word < MARK_PAGE_WORDS; word++) {
            uint64_t left = page->words[word];

            if (word == from / 64)
                left &= ~(uint64_t) 0 << (from % 64);
            if (left == 0)
                continue;
            *out = page->number * MARK_PAGE_UIDS + word * 64 + (uint32_t) __builtin_ctzll(left);
            return true;
        }
    }
    return false;
}

struct uid_set uid_marks_set(const struct uid_marks *marks, struct arena *arena)
{
    struct uid_set_builder uids;

    uid_set_start(&uids, arena);
    for (size_t at = 0; at < marks->n_pages; at++) {
        const struct mark_page *page = &marks->pages[at];

        for (uint32_t word = 0; word < MARK_PAGE_WORDS; word++)
            for (uint64_t left = page->words[word]; left != 0; left &= left - 1)
                uid_set_add(&uids, page->number * MARK_PAGE_UIDS + word * 64 +
                                       (uint32_t) __builtin_ctzll(left));
    }
    return uid_set_finish(&uids);
}
