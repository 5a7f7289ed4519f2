#include "commands/sorting.h"

// clang-format off
static const struct sort_rule rules[IMAP_SORT_KEY_COUNT] = {
    [IMAP_SORT_ANNOTATION]  = {.by = SORT_BY_ANNOTATION},
    [IMAP_SORT_ARRIVAL]     = {.by = SORT_BY_ARRIVAL},
    [IMAP_SORT_CC]          = {.by = SORT_BY_TEXT, .text = KEY_TEXT_CC},
    [IMAP_SORT_DATE]        = {.by = SORT_BY_SENT},
    [IMAP_SORT_DISPLAYFROM] = {.by = SORT_BY_TEXT, .text = KEY_TEXT_DISPLAYFROM},
    [IMAP_SORT_DISPLAYTO]   = {.by = SORT_BY_TEXT, .text = KEY_TEXT_DISPLAYTO},
    [IMAP_SORT_FROM]        = {.by = SORT_BY_TEXT, .text = KEY_TEXT_FROM},
    [IMAP_SORT_RELEVANCY]   = {.by = SORT_BY_SCORE},
    [IMAP_SORT_SIZE]        = {.by = SORT_BY_SIZE},
    [IMAP_SORT_SUBJECT]     = {.by = SORT_BY_TEXT, .text = KEY_TEXT_SUBJECT},
    [IMAP_SORT_TO]          = {.by = SORT_BY_TEXT, .text = KEY_TEXT_TO},
};
// clang-format on

static bool is_same(const struct imap_sort_criterion *a, const struct imap_sort_criterion *b)
{
    return a->key == b->key && a->is_private == b->is_private && slice_eq(a->entry, b->entry);
}

static bool was_named(const struct sorting *sorting, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_same(&sorting->criteria[i], &sorting->criteria[at]))
            return true;
    return false;
}

/* A key that was named before changes nothing: so there are few rules, however many are given.
 */
static size_t rules_of(const struct sorting *sorting, const struct mbox_view *view,
                       const uint32_t *uids, struct sort_rule *out)
{
    size_t n = 0;

    for (size_t i = 0; i < sorting->n; i++) {
        const struct imap_sort_criterion *criterion = &sorting->criteria[i];

        if (was_named(sorting, i))
            continue;
        out[n] = rules[criterion->key];
        out[n].annotation = (struct sort_annotation){
            .mbox = view_mbox(view),
            .uids = uids,
            .reader = criterion->is_private ? view_reader(view)->account : 0,
            .entry = criterion->entry,
        };
        out[n].scores = sorting->scores;
        out[n].reverse = criterion->reverse;
        if (out[n].by == SORT_BY_TEXT && sorting->comparator.reverse)
            out[n].reverse = !criterion->reverse;
        n++;
    }
    return n;
}

struct sorting sorting_keep(const struct sorting *sorting, struct arena *arena)
{
    struct imap_sort_criterion *criteria =
        ARENA_ARRAY(arena, struct imap_sort_criterion, sorting->n);

    for (size_t i = 0; i < sorting->n; i++) {
        criteria[i] = sorting->criteria[i];
        if (criteria[i].entry.len > 0)
            criteria[i].entry = arena_dup(arena, criteria[i].entry);
    }
    return (struct sorting){criteria, sorting->n, sorting->comparator, NULL};
}

uint32_t sorting_texts(const struct sorting *sorting)
{
    uint32_t texts = 0;

    for (size_t i = 0; i < sorting->n; i++) {
        const struct sort_rule *rule = &rules[sorting->criteria[i].key];

        if (rule->by == SORT_BY_TEXT)
            texts |= (uint32_t) 1 << rule->text;
    }
    return texts;
}

bool sorting_by_score(const struct sorting *sorting)
{
    for (size_t i = 0; i < sorting->n; i++)
        if (sorting->criteria[i].key == IMAP_SORT_RELEVANCY)
            return true;
    return false;
}

bool sorting_moves(const struct sorting *sorting)
{
    for (size_t i = 0; i < sorting->n; i++)
        if (sorting->criteria[i].key == IMAP_SORT_ANNOTATION)
            return true;
    return false;
}

void sorting_order(const struct sorting *sorting, const struct mbox_view *view,
                   const struct key_rows *rows, const uint32_t *uids, uint32_t *out)
{
    struct sort_rule by[IMAP_SORT_KEY_COUNT + SORT_MAX_ENTRIES];
    size_t n = rules_of(sorting, view, uids, by);

    sort_order(rows, by, n, out);
}
