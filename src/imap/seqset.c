#include "imap/seqset.h"

#include "base/ascii.h"

/* "*" or an nz-number: no sign, no leading zero, < 2^32. */
static bool scan_seq_number(struct scan *sc, uint32_t *out)
{
    if (scan_byte(sc, '*')) {
        *out = SEQ_STAR;
        return true;
    }
    return scan_peek(sc) != '0' && scan_u32(sc, out);
}

/* seq-number or seq-range */
static bool scan_range(struct scan *sc, struct seq_range *r)
{
    if (!scan_seq_number(sc, &r->first))
        return false;
    r->last = r->first;
    return !scan_byte(sc, ':') || scan_seq_number(sc, &r->last);
}

enum rc imap_parse_seqset(struct slice text, struct arena *arena, struct seqset *out,
                          struct err *err)
{
    struct scan sc = scan_of(text);
    size_t n = 0, max = slice_count(text, ',') + 1;
    struct seq_range *ranges;

    if (max > SEQSET_MAX_RANGES)
        return err_set(err, RC_LIMIT, "Too many ranges in sequence set", "seqset: %zu ranges",
                       max);
    ranges = ARENA_ARRAY(arena, struct seq_range, max);
    do {
        if (!scan_range(&sc, &ranges[n++]))
            return err_set(err, RC_SYNTAX, "Invalid sequence set", "seqset: range %zu", n);
    } while (scan_byte(&sc, ','));

    if (!scan_done(&sc))
        return err_set(err, RC_SYNTAX, "Invalid sequence set", "seqset: after range %zu", n);
    *out = (struct seqset){ranges, n};
    return RC_OK;
}

enum rc imap_parse_set_or_saved(struct slice text, struct arena *arena, struct imap_set *out,
                                struct err *err)
{
    struct imap_set set = {.saved = slice_eq(text, SLICE("$"))};
    enum rc rc;

    if (!set.saved) {
        rc = imap_parse_seqset(text, arena, &set.set, err);
        if (rc)
            return rc;
    }
    *out = set;
    return RC_OK;
}

bool imap_is_set_char(char c)
{
    return ascii_is_digit(c) || c == ':' || c == ',' || c == '*' || c == '$';
}

/* Upwards, with a number for "*". False if it names nothing. */
static bool put_upwards(struct seq_range in, uint32_t max, struct seq_range *out)
{
    uint32_t a = in.first == SEQ_STAR ? max : in.first;
    uint32_t b = in.last == SEQ_STAR ? max : in.last;

    if (a == 0 || b == 0)
        return false;
    *out = (struct seq_range){MIN(a, b), MAX(a, b)};
    return true;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct seq_range *a = left, *b = right;

    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return 0;
}

struct seqset imap_resolve_seqset(const struct seqset *set, uint32_t max, struct arena *arena)
{
    struct seq_range *ranges = ARENA_ARRAY(arena, struct seq_range, set->n);
    size_t n = 0, joined = 0;

    for (size_t i = 0; i < set->n; i++)
        n += put_upwards(set->ranges[i], max, &ranges[n]);
    if (n == 0)
        return (struct seqset){ranges, 0};
    qsort(ranges, n, sizeof(*ranges), compare_ranges);
    for (size_t i = 1; i < n; i++) {
        struct seq_range *tail = &ranges[joined];

        if (tail->last == UINT32_MAX || ranges[i].first <= tail->last + 1)
            tail->last = MAX(tail->last, ranges[i].last);
        else
            ranges[++joined] = ranges[i];
    }
    return (struct seqset){ranges, joined + 1};
}

uint32_t imap_seqset_top(const struct seqset *set)
{
    uint32_t top = 0;

    for (size_t i = 0; i < set->n; i++)
        top = MAX(top, MAX(set->ranges[i].first, set->ranges[i].last));
    return top;
}

static void print_seq_number(struct buf *buf, uint32_t number)
{
    if (number == SEQ_STAR)
        buf_byte(buf, '*');
    else
        buf_u64(buf, number);
}

void imap_print_seqset(struct buf *buf, const struct seqset *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (i > 0)
            buf_byte(buf, ',');
        print_seq_number(buf, set->ranges[i].first);
        if (set->ranges[i].last != set->ranges[i].first) {
            buf_byte(buf, ':');
            print_seq_number(buf, set->ranges[i].last);
        }
    }
}

void imap_print_set(struct buf *buf, const struct imap_set *set)
{
    if (set->saved)
        buf_byte(buf, '$');
    else
        imap_print_seqset(buf, &set->set);
}

void imap_runs_begin(struct imap_runs *runs, struct buf *buf)
{
    *runs = (struct imap_runs){.buf = buf};
}

static void write_run(struct imap_runs *runs)
{
    buf_u64(runs->buf, runs->first);
    if (runs->last != runs->first) {
        buf_byte(runs->buf, ':');
        buf_u64(runs->buf, runs->last);
    }
}

void imap_runs_add_range(struct imap_runs *runs, uint32_t first, uint32_t last)
{
    if (runs->any && runs->last + 1 == first) {
        runs->last = last;
        return;
    }
    if (runs->any) {
        write_run(runs);
        buf_byte(runs->buf, ',');
    }
    runs->any = true;
    runs->first = first;
    runs->last = last;
}

void imap_runs_add(struct imap_runs *runs, uint32_t number)
{
    imap_runs_add_range(runs, number, number);
}

bool imap_runs_end(struct imap_runs *runs)
{
    if (runs->any)
        write_run(runs);
    return runs->any;
}
