#include "search/window.h"

#include "imap/flags.h"
#include "mailbox/access.h"

#define DAY_SEC   86400
#define EACH_BYTE 0x0101010101010101u
#define GATHER    0x0102040810204080u /* bit 0 of eight bytes to eight bits */

void window_open(const struct search_scope *scope, uint32_t first, uint32_t end,
                 struct window *out)
{
    const struct mbox *mbox = view_mbox(scope->view);
    size_t chunk = mbox_chunk_of(mbox, first);
    uint32_t start = mbox_chunk_start(mbox, chunk);

    *out = (struct window){.scope = scope,
                           .mbox = mbox,
                           .first = first,
                           .row = first - start,
                           .chunk = mbox_chunk(mbox, chunk)};
    out->n = MIN(start + out->chunk.n, end) - first;
}

bool window_need_cold(struct window *window)
{
    struct err err;

    if (window->chunk.cold != NULL)
        return true;
    if (window->is_cold_missing)
        return false;
    if (account_need_rows(window->scope->account, view_state(window->scope->view), window->mbox,
                          window->first, window->first + window->n - 1, &err) == RC_OK)
        window->chunk = mbox_chunk(window->mbox, mbox_chunk_of(window->mbox, window->first));
    window->is_cold_missing = window->chunk.cold == NULL;
    return !window->is_cold_missing;
}

void window_all(const struct window *window, uint64_t *words)
{
    for (size_t i = 0; i < WINDOW_WORDS; i++) {
        uint32_t left = window->n - MIN(window->n, (uint32_t) i * 64);

        words[i] = left >= 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << left) - 1;
    }
}

static void put_bit(uint64_t *words, uint32_t at, bool is)
{
    words[at / 64] |= (uint64_t) is << (at % 64);
}

/* ---- columns ---- */

/* Eight messages at a time; bit: one bit. */
static void ask_flag_column(const struct window *window, uint8_t bit, uint64_t *words)
{
    const uint8_t *flags = window->chunk.flags + window->row;
    unsigned shift = (unsigned) __builtin_ctz(bit);
    uint32_t at = 0;

    for (; at + 8 <= window->n; at += 8) {
        uint64_t eight;

        memcpy(&eight, flags + at, 8);
        eight = (eight >> shift) & EACH_BYTE;
        words[at / 64] |= ((eight * GATHER) >> 56) << (at % 64);
    }
    for (; at < window->n; at++)
        put_bit(words, at, (flags[at] & bit) != 0);
}

static void ask_recent(const struct window *window, uint64_t *words)
{
    if (view_recent_count(window->scope->view) == 0)
        return;
    for (uint32_t at = 0; at < window->n; at++)
        put_bit(words, at, view_is_recent(window->scope->view, window_uid(window, at)));
}

static void ask_flag(const struct window *window, const struct imap_search_key *key,
                     uint64_t *words)
{
    const struct reader *reader = view_reader(window->scope->view);

    if (key->flag == IMAP_RECENT) {
        ask_recent(window, words);
    } else if ((reader->private_flags & key->flag) != 0) {
        for (uint32_t at = 0; at < window->n; at++)
            put_bit(words, at,
                    (view_flags(window->scope->view, window->first + at) & key->flag) != 0);
    } else {
        ask_flag_column(window, (uint8_t) key->flag, words);
    }
}

static void ask_keyword(const struct window *window, int keyword, uint64_t *words)
{
    uint32_t word = (uint32_t) keyword / 64, n_words = window->chunk.keyword_words;

    if (keyword < 0 || window->chunk.keywords == NULL || word >= n_words)
        return;
    for (uint32_t at = 0; at < window->n; at++)
        put_bit(words, at,
                (window->chunk.keywords[(window->row + at) * n_words + word] >>
                     ((uint32_t) keyword % 64) &
                 1) != 0);
}

/* Uids ascend on both sides. */
void window_ask_uids(const struct window *window, const struct uid_set *uids, uint64_t *words)
{
    size_t low = uid_set_run_at(uids, window_uid(window, 0));

    for (uint32_t at = 0; at < window->n && low < uids->n; at++) {
        uint32_t uid = window_uid(window, at);

        while (low < uids->n && uids->runs[low].last < uid)
            low++;
        put_bit(words, at, low < uids->n && uids->runs[low].first <= uid);
    }
}

static void ask_modseq(const struct window *window, uint64_t least, uint64_t *words)
{
    const struct mbox_view *view = window->scope->view;
    const struct chunk_view *chunk = &window->chunk;
    bool is_own = reader_own_modseq(view_reader(view), view_mbox(view)) != 0;

    for (uint32_t at = 0; at < window->n; at++) {
        uint32_t delta = chunk->modseq_delta[window->row + at];
        bool is_plain = !is_own && delta != MODSEQ_ESCAPE;
        uint64_t modseq =
            is_plain ? chunk->modseq_base + delta : view_modseq(view, window->first + at);

        put_bit(words, at, modseq >= least);
    }
}

/* ---- rows ---- */

/* Seconds of the day as it was written, its zone disregarded (RFC 9051 6.4.4). */
static void ask_day(const struct window *window, int64_t from_sec, int64_t to_sec,
                    uint64_t *words)
{
    for (uint32_t at = 0; at < window->n; at++) {
        const struct msg_cold *cold = window_cold(window, at);
        int64_t sec = cold->internaldate + (int64_t) cold->zone_min * 60;

        put_bit(words, at, sec >= from_sec && sec < to_sec);
    }
}

static void ask_saved(const struct window *window, int64_t from_sec, int64_t to_sec,
                      uint64_t *words)
{
    for (uint32_t at = 0; at < window->n; at++) {
        int64_t sec = window_cold(window, at)->savedate;

        put_bit(words, at, sec >= from_sec && sec < to_sec);
    }
}

/* Both bounds are met. */
static void ask_age(const struct window *window, int64_t least, int64_t most, uint64_t *words)
{
    for (uint32_t at = 0; at < window->n; at++) {
        int64_t sec = window_cold(window, at)->internaldate;

        put_bit(words, at, sec >= least && sec <= most);
    }
}

/* Both bounds are met. */
static void ask_size(const struct window *window, uint64_t least, uint64_t most,
                     uint64_t *words)
{
    for (uint32_t at = 0; at < window->n; at++) {
        uint32_t size = window_cold(window, at)->size;

        put_bit(words, at, size >= least && size <= most);
    }
}

static void ask_emailid(const struct window *window, const struct plan_node *node,
                        uint64_t *words)
{
    for (uint32_t at = 0; node->has_id && at < window->n; at++)
        put_bit(words, at,
                memcmp(&window_cold(window, at)->emailid, &node->id, sizeof(node->id)) == 0);
}

static bool ask_row(struct window *window, const struct plan_node *node, int64_t now,
                    uint64_t *words)
{
    const struct imap_search_key *key = node->key;
    int64_t begin = (int64_t) key->day * DAY_SEC, end = begin + DAY_SEC;

    if (!window_need_cold(window))
        return false;
    if (key->kind == IMAP_KEY_BEFORE)
        ask_day(window, INT64_MIN, begin, words);
    else if (key->kind == IMAP_KEY_ON)
        ask_day(window, begin, end, words);
    else if (key->kind == IMAP_KEY_SINCE)
        ask_day(window, begin, INT64_MAX, words);
    else if (key->kind == IMAP_KEY_SAVEDBEFORE)
        ask_saved(window, INT64_MIN, begin, words);
    else if (key->kind == IMAP_KEY_SAVEDON)
        ask_saved(window, begin, end, words);
    else if (key->kind == IMAP_KEY_SAVEDSINCE)
        ask_saved(window, begin, INT64_MAX, words);
    else if (key->kind == IMAP_KEY_OLDER)
        ask_age(window, INT64_MIN, now - (int64_t) key->number, words);
    else if (key->kind == IMAP_KEY_YOUNGER)
        ask_age(window, now - (int64_t) key->number, INT64_MAX, words);
    else if (key->kind == IMAP_KEY_LARGER && key->number < UINT32_MAX)
        ask_size(window, key->number + 1, UINT32_MAX, words);
    else if (key->kind == IMAP_KEY_SMALLER && key->number > 0)
        ask_size(window, 0, key->number - 1, words);
    else if (key->kind == IMAP_KEY_EMAILID)
        ask_emailid(window, node, words);
    else /* sizes that none has are met by none; the rest is asked one by one */
        return key->kind == IMAP_KEY_LARGER || key->kind == IMAP_KEY_SMALLER;
    return true;
}

static void invert(const struct window *window, uint64_t *words)
{
    uint64_t all[WINDOW_WORDS];

    window_all(window, all);
    for (size_t i = 0; i < WINDOW_WORDS; i++)
        words[i] = ~words[i] & all[i];
}

bool window_ask(struct window *window, const struct plan_node *node, int64_t now,
                uint64_t *words)
{
    const struct imap_search_key *key = node->key;

    bits_clear(words, WINDOW_WORDS);
    if (node->cost == COST_COLD)
        return ask_row(window, node, now, words);
    if (key->kind == IMAP_KEY_ALL)
        window_all(window, words);
    else if (key->kind == IMAP_KEY_SEQ || key->kind == IMAP_KEY_UID)
        window_ask_uids(window, &node->uids, words);
    else if (key->kind == IMAP_KEY_FLAG)
        ask_flag(window, key, words);
    else if (key->kind == IMAP_KEY_KEYWORD)
        ask_keyword(window, node->keyword, words);
    else if (key->kind == IMAP_KEY_MODSEQ)
        ask_modseq(window, key->number, words);
    else
        return false;
    if (key->unset && (key->kind == IMAP_KEY_FLAG || key->kind == IMAP_KEY_KEYWORD))
        invert(window, words);
    return true;
}
