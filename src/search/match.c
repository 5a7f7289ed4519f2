#include "search/match.h"

#include "base/clock.h"
#include "imap/flags.h"
#include "imap/search_key.h"

#define MATCH_DIGEST_WORK 20000u /* what opening a digest costs, in bytes looked at */
#define MATCH_GIVEN_WORK  1000u  /* what one costs that was read among its neighbours */
#define DAY_SEC           86400

#define FUZZY_WORK 8u /* of a byte read as words */

void match_init(struct match *match, const struct search_scope *scope)
{
    *match = (struct match){
        .account = scope->account,
        .view = scope->view,
        .mbox = view_mbox(scope->view),
        .now = scope->now != 0 ? scope->now : clock_wall_sec(),
    };
    buf_init(&match->scratch, NEEDLE_SCRATCH_MAX_BYTES);
    buf_init(&match->answers, SEARCH_MAX_KEYS);
}

void match_done(struct match *match)
{
    message_close(TAKE(match->message));
    buf_done(&match->scratch);
    buf_done(&match->answers);
    word_reader_free(match->words);
}

/* The message's row. One that cannot be had is empty, and failed says that the answer is not to
 * be believed. */
static const struct msg_cold *cold_of(struct match *match)
{
    static const struct msg_cold none;
    struct err err;

    if (account_need_rows(match->account, view_state(match->view), match->mbox, match->index,
                          match->index, &err) == RC_OK)
        return mbox_cold(match->mbox, match->index);
    if (match->failed.rc == RC_OK)
        match->failed = err;
    return &none;
}

/* The message, opened at the first key that needs it; false if its row cannot be had. */
static bool need_message(struct match *match)
{
    const struct msg_cold *cold;

    if (match->failed.rc != RC_OK)
        return false;
    if (match->message != NULL)
        return true;
    cold = cold_of(match);
    if (match->failed.rc != RC_OK)
        return false;
    match->work += MATCH_DIGEST_WORK;
    match->n_opened++;
    match->message = message_open(match->account, cold->body_id, cold->size);
    return true;
}

/* The digest; false if it cannot be had. */
static bool need_digest(struct match *match)
{
    return match->digest != NULL ||
           (need_message(match) &&
            message_digest(match->message, &match->digest, &match->failed) == RC_OK);
}

/* Its text, and nothing but it where that is enough. */
static bool need_text(struct match *match)
{
    if (match->text != NULL)
        return true;
    if (!need_message(match))
        return false;
    if (match->is_covered && message_text_if_made(match->message, &match->region) &&
        match->region.n_spans > 0)
        match->text = &match->region;
    else if (message_digest_with_text(match->message, &match->digest, &match->failed) == RC_OK)
        match->text = match->digest;
    return match->text != NULL;
}

static bool text_has(struct match *match, const struct plan_node *node, struct slice text)
{
    match->work += text.len * needle_work(&node->needle);
    return needle_is_in(&node->needle, text, &match->scratch);
}

/* ---- text ---- */

static const char *field_of(enum imap_key kind)
{
    switch (kind) {
    case IMAP_KEY_BCC:
        return "Bcc";
    case IMAP_KEY_CC:
        return "Cc";
    case IMAP_KEY_FROM:
        return "From";
    case IMAP_KEY_SUBJECT:
        return "Subject";
    case IMAP_KEY_TO:
        return "To";
    case IMAP_KEY_ALL:
    case IMAP_KEY_AND:
    case IMAP_KEY_OR:
    case IMAP_KEY_NOT:
    case IMAP_KEY_SEQ:
    case IMAP_KEY_UID:
    case IMAP_KEY_FLAG:
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_HEADER:
    case IMAP_KEY_BODY:
    case IMAP_KEY_TEXT:
    case IMAP_KEY_BEFORE:
    case IMAP_KEY_ON:
    case IMAP_KEY_SINCE:
    case IMAP_KEY_SENTBEFORE:
    case IMAP_KEY_SENTON:
    case IMAP_KEY_SENTSINCE:
    case IMAP_KEY_LARGER:
    case IMAP_KEY_SMALLER:
    case IMAP_KEY_MODSEQ:
    case IMAP_KEY_EMAILID:
    case IMAP_KEY_THREADID:
    case IMAP_KEY_SAVEDBEFORE:
    case IMAP_KEY_SAVEDON:
    case IMAP_KEY_SAVEDSINCE:
    case IMAP_KEY_OLDER:
    case IMAP_KEY_YOUNGER:
    case IMAP_KEY_ANNOTATION:
        break;
    }
    return NULL;
}

/* A field of the message's own header; an empty text asks whether it is there (RFC 9051
 * 6.4.4). */
static unsigned header_has(struct match *match, const struct plan_node *node)
{
    const char *known = field_of(node->key->kind);
    struct slice name = known != NULL ? slice_from_str(known) : node->key->field;

    if (!need_text(match))
        return false;
    match->work += match->text->n_spans;
    for (uint32_t i = 0; i < match->text->n_spans; i++) {
        struct digest_span span = digest_span(match->text, i);

        if (span.kind == DIGEST_SPAN_HEADER && slice_eq_nocase(span.name, name) &&
            text_has(match, node, span.value))
            return true;
    }
    return false;
}

/* The digest holds no text, or not all: look at the bytes as they lie, which finds what is not
 * encoded. */
static bool raw_has(struct match *match, const struct plan_node *node)
{
    AUTO(buf_done) struct buf raw = {0};
    uint64_t from = node->key->kind == IMAP_KEY_BODY ? match->digest->header_end : 0;
    uint64_t size;

    buf_init(&raw, DIGEST_MESSAGE_MAX_BYTES);
    if (!need_message(match))
        return false;
    size = message_size(match->message);
    if (from > size || message_read(match->message, from, (size_t) (size - from), &raw,
                                    &match->failed) != RC_OK)
        return false;
    return text_has(match, node, buf_slice(&raw));
}

/* Some run has it. Most messages have it nowhere, which one look at all their text says. */
static bool some_run_has(struct match *match, const struct plan_node *node)
{
    if (needle_finds_by_bytes(&node->needle) &&
        !text_has(match, node, digest_text(match->text)))
        return false;
    for (uint32_t i = 0; i < match->text->n_spans; i++) {
        struct digest_span span = digest_span(match->text, i);

        if (span.kind == DIGEST_SPAN_HEADER && node->key->kind == IMAP_KEY_BODY)
            continue;
        if (text_has(match, node, span.text))
            return true;
    }
    return false;
}

/* BODY: the text of the parts with their headers; TEXT: the message's own header as well. */
static unsigned body_has(struct match *match, const struct plan_node *node)
{
    if (node->needle.mapped.len == 0)
        return true; /* an empty text is in every other, also where there is none */
    if (!need_text(match))
        return false;
    if (some_run_has(match, node))
        return true;
    if (match->text == &match->region ||
        (match->text->has_text && (match->text->flags & DIGEST_TEXT_CUT) == 0))
        return false;
    return raw_has(match, node);
}

/* ---- fuzzy text ---- */

/* 0: no match. The text there is; a message that holds more is not read as it lies. */
static unsigned fuzzy_leaf(struct match *match, const struct plan_node *node)
{
    struct fuzzy_tally tally;

    if (!need_text(match))
        return 0;
    if (match->words == NULL)
        match->words = word_reader_new();
    fuzzy_start(&tally);
    for (uint32_t i = 0; i < match->text->n_spans; i++) {
        struct digest_span span = digest_span(match->text, i);
        struct slice text;
        enum word_place place = word_place_of(&span, &text);
        unsigned weight = node->weights.in[place];

        if (weight == 0 || (place == WORD_IN_OTHER && node->weights.is_one_field &&
                            !slice_eq_nocase(span.name, node->key->field)))
            continue;
        match->work += text.len * FUZZY_WORK;
        fuzzy_add(node->fuzzy, match->words, text, weight, &tally);
    }
    return fuzzy_score(node->fuzzy, &tally);
}

/* ---- keys of text ---- */

/* Enough was looked at, and the message can be asked again: nothing failed, and the answers are
 * kept. */
static bool is_enough(const struct match *match)
{
    return match->work - match->began_work >= MATCH_CUT_WORK &&
           match->answers.len > match->n_known && match->failed.rc == RC_OK &&
           !match->answers.overflow;
}

/* What the key says of the message: 0, it is not met, or what it scores. As it said before,
 * where the message is asked again. */
static unsigned ask_text(struct match *match, const struct plan_node *node,
                         unsigned (*find)(struct match *match, const struct plan_node *node))
{
    unsigned answer;

    if (match->n_again < match->n_known)
        return (unsigned char) match->answers.ptr[match->n_again++];
    match->is_cut = match->is_cut || is_enough(match);
    if (match->is_cut)
        return 0;
    answer = find(match, node);
    buf_byte(&match->answers, (char) answer);
    return answer;
}

/* ---- dates ---- */

static int32_t day_of(int64_t sec)
{
    int64_t day = sec / DAY_SEC;

    return (int32_t) (sec % DAY_SEC < 0 ? day - 1 : day);
}

/* The day as it was written, its zone disregarded (RFC 9051 6.4.4). */
static int32_t internal_day(struct match *match)
{
    const struct msg_cold *cold = cold_of(match);

    return day_of(cold->internaldate + (int64_t) cold->zone_min * 60);
}

/* Messages without a readable Date: field were sent on no day. */
static bool sent_day(struct match *match, int32_t *out)
{
    struct digest_keys keys;

    if (!need_digest(match))
        return false;
    keys = digest_keys(match->digest);
    *out = keys.sent_day;
    return keys.has_sent;
}

/* ---- keys ---- */

static bool has_flag(const struct match *match, const struct imap_search_key *key)
{
    bool set = key->flag == IMAP_RECENT
                   ? view_is_recent(match->view, match->uid)
                   : (view_flags(match->view, match->index) & key->flag) != 0;

    return set != key->unset;
}

static bool has_keyword(const struct match *match, const struct plan_node *node)
{
    bool set = node->keyword >= 0 &&
               mbox_has_keyword(match->mbox, match->index, (uint16_t) node->keyword);

    return set != node->key->unset;
}

static bool has_id(const struct plan_node *node, const struct object_id *id)
{
    return node->has_id && memcmp(&node->id, id, sizeof(*id)) == 0;
}

/* RFC 8474 6 */
static bool is_in_thread(struct match *match, const struct plan_node *node)
{
    struct object_id id;

    if (!node->has_id || !need_digest(match))
        return false;
    thread_id(cold_of(match), match->digest, &id);
    return has_id(node, &id);
}

/* Does an entry of this reader (0: everybody's) hold the text? With NIL: is there any? */
static bool entries_have(struct match *match, const struct plan_node *node, uint64_t reader)
{
    const struct annotation *entries;
    size_t n;

    entries = mbox_annotations(match->mbox, match->uid, reader, &n);
    for (size_t i = 0; i < n; i++) {
        if (entries[i].is_nil || !list_pattern_matches(&node->entries, entries[i].entry))
            continue;
        if (node->key->nil || text_has(match, node, entries[i].value))
            return true;
    }
    return false;
}

/* RFC 5257 4.8. NIL is the value of what is not there (4.3): of no entry that is meant. */
static bool is_annotated(struct match *match, const struct plan_node *node)
{
    const struct imap_search_key *key = node->key;
    uint64_t reader = view_reader(match->view)->account;
    bool found;

    found = (key->entry_type != IMAP_ENTRY_PRIV && entries_have(match, node, 0)) ||
            (key->entry_type != IMAP_ENTRY_SHARED && reader != 0 &&
             entries_have(match, node, reader));
    return found != key->nil;
}

static bool meets(struct match *match, const struct plan_node *node);

static bool meets_all(struct match *match, const struct plan_node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        if (!meets(match, node->children[i]))
            return false;
    return true;
}

static bool meets_one(struct match *match, const struct plan_node *node)
{
    for (size_t i = 0; i < node->n_children; i++)
        if (meets(match, node->children[i]))
            return true;
    return false;
}

/* Recursion as deep as the keys nest: SEARCH_MAX_DEPTH. */
static bool meets(struct match *match, const struct plan_node *node)
{
    const struct imap_search_key *key = node->key;
    int32_t day;

    if (match->is_cut)
        return false;
    if (node->fuzzy != NULL)
        return ask_text(match, node, fuzzy_leaf) > 0;
    switch (key->kind) {
    case IMAP_KEY_ALL:
        return true;
    case IMAP_KEY_AND:
        return meets_all(match, node);
    case IMAP_KEY_OR:
        return meets_one(match, node);
    case IMAP_KEY_NOT:
        return !meets(match, node->children[0]);
    case IMAP_KEY_SEQ:
    case IMAP_KEY_UID:
        return uid_set_contains(&node->uids, match->uid);
    case IMAP_KEY_FLAG:
        return has_flag(match, key);
    case IMAP_KEY_KEYWORD:
        return has_keyword(match, node);
    case IMAP_KEY_BCC:
    case IMAP_KEY_CC:
    case IMAP_KEY_FROM:
    case IMAP_KEY_SUBJECT:
    case IMAP_KEY_TO:
    case IMAP_KEY_HEADER:
        return ask_text(match, node, header_has) > 0;
    case IMAP_KEY_BODY:
    case IMAP_KEY_TEXT:
        return ask_text(match, node, body_has) > 0;
    case IMAP_KEY_BEFORE:
        return internal_day(match) < key->day;
    case IMAP_KEY_ON:
        return internal_day(match) == key->day;
    case IMAP_KEY_SINCE:
        return internal_day(match) >= key->day;
    case IMAP_KEY_SENTBEFORE:
        return sent_day(match, &day) && day < key->day;
    case IMAP_KEY_SENTON:
        return sent_day(match, &day) && day == key->day;
    case IMAP_KEY_SENTSINCE:
        return sent_day(match, &day) && day >= key->day;
    case IMAP_KEY_LARGER:
        return cold_of(match)->size > key->number;
    case IMAP_KEY_SMALLER:
        return cold_of(match)->size < key->number;
    case IMAP_KEY_MODSEQ:
        return view_modseq(match->view, match->index) >= key->number;
    case IMAP_KEY_ANNOTATION:
        return is_annotated(match, node);
    case IMAP_KEY_EMAILID:
        return has_id(node, &cold_of(match)->emailid);
    case IMAP_KEY_THREADID:
        return is_in_thread(match, node);
    case IMAP_KEY_SAVEDBEFORE:
        return day_of(cold_of(match)->savedate) < key->day;
    case IMAP_KEY_SAVEDON:
        return day_of(cold_of(match)->savedate) == key->day;
    case IMAP_KEY_SAVEDSINCE:
        return day_of(cold_of(match)->savedate) >= key->day;
    case IMAP_KEY_OLDER:
        return cold_of(match)->internaldate <= match->now - (int64_t) key->number;
    case IMAP_KEY_YOUNGER:
        return cold_of(match)->internaldate >= match->now - (int64_t) key->number;
    }
    return false;
}

/* It is as good as what would be read now, if it is of this message. */
static void use_given(struct match *match, const struct match_asked *asked)
{
    struct err stale;

    match->work += MATCH_GIVEN_WORK;
    match->n_opened++;
    if (asked->kind == DIGEST_GET_TEXT) {
        if (digest_open_text(asked->bytes, &match->region, &stale) == RC_OK &&
            match->region.n_spans > 0)
            match->text = &match->region;
    } else if (digest_open_kept(asked->bytes, &match->given, &stale) == RC_OK &&
               match->given.message_size == asked->size) {
        match->digest = &match->given;
        match->text = match->given.has_text ? &match->given : NULL;
    }
}

/*
 * RFC 6203 4: that of all fuzzy keys that had to be met is their mean, of a choice the best.
 * What is met exactly has none (FUZZY_NO_SCORE): beside others it says nothing, and of a choice
 * it is as good as any. 0: the key is not met.
 */
static unsigned score_of(struct match *match, const struct plan_node *node)
{
    unsigned sum = 0, n = 0, best = 0;

    if (match->is_cut)
        return 0;
    if (node->fuzzy != NULL)
        return ask_text(match, node, fuzzy_leaf);
    if (!node->has_fuzzy || node->key->kind == IMAP_KEY_NOT)
        return meets(match, node) ? FUZZY_NO_SCORE : 0;
    for (size_t i = 0; i < node->n_children; i++) {
        unsigned score = score_of(match, node->children[i]);

        if (score == 0 && node->key->kind == IMAP_KEY_AND)
            return 0;
        best = MAX(best, score);
        sum += score != FUZZY_NO_SCORE ? score : 0;
        n += score != FUZZY_NO_SCORE;
    }
    if (node->key->kind == IMAP_KEY_AND)
        return n > 0 ? sum / n : FUZZY_NO_SCORE;
    return best;
}

bool match_message(struct match *match, const struct plan_node *plan,
                   const struct match_asked *asked)
{
    bool hit;

    if (!match->is_cut || match->uid != asked->uid)
        buf_reset(&match->answers);
    match->is_cut = false;
    match->n_known = match->answers.len;
    match->n_again = 0;
    match->began_work = match->work;
    match->uid = asked->uid;
    match->index = asked->index;
    match->is_covered = asked->is_covered;
    match->failed.rc = RC_OK;
    if (asked->bytes.len > 0)
        use_given(match, asked);
    if (plan->has_fuzzy) {
        match->score = MIN(score_of(match, plan), FUZZY_BEST);
        hit = match->score > 0;
    } else {
        hit = meets(match, plan);
    }
    match->work++;
    message_close(TAKE(match->message));
    match->digest = match->text = NULL;
    return hit;
}
