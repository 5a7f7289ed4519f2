#include "imap/response_esearch.h"

#include "imap/response_text.h"

#define RELEVANCY_MAX 100u /* RFC 6203 7 */

/* one-correlator: RFC 7377 4. Each may stand once. */
static enum rc take_one_correlator(struct imap_input *in, struct imap_esearch_data *esearch,
                                   struct err *err)
{
    struct imap_mailbox mailbox;
    enum rc rc;

    if (esearch->tag.ptr == NULL && lex_word(in, "TAG")) {
        if (!lex_sp(in) || !lex_astring(in, &esearch->tag))
            return lex_fail(in, err, "a tag as a string");
    } else if (esearch->mailbox.ptr == NULL && lex_word(in, "MAILBOX")) {
        if (!lex_sp(in))
            return lex_fail(in, err, "a space and a mailbox");
        rc = lex_mailbox(in, &mailbox, err);
        if (rc)
            return rc;
        esearch->mailbox = mailbox.name;
    } else if (esearch->uidvalidity != 0 || !lex_word(in, "UIDVALIDITY") || !lex_sp(in) ||
               !lex_nz_number(in, &esearch->uidvalidity)) {
        return lex_fail(in, err, "TAG, MAILBOX or UIDVALIDITY, each once");
    }
    return RC_OK;
}

enum rc response_take_correlator(struct imap_input *in, struct imap_esearch_data *esearch,
                                 struct err *err)
{
    struct scan before = in->sc;
    enum rc rc;

    if (!lex_sp(in) || !lex_byte(in, '(')) {
        in->sc = before;
        return RC_OK;
    }
    do {
        rc = take_one_correlator(in, esearch, err);
        if (rc)
            return rc;
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* "PARTIAL" SP "(" partial-range SP (sequence-set / "NIL") ")", behind the word */
static enum rc take_partial_data(struct imap_input *in, struct imap_esearch_data *esearch,
                                 struct err *err)
{
    struct imap_partial range;
    enum rc rc;

    esearch->present |= IMAP_SEARCH_PARTIAL;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and a range");
    rc = lex_partial(in, &range, err);
    if (rc)
        return rc;
    if (!lex_sp(in) || (!lex_word(in, "NIL") && !response_take_plain_set(in, &esearch->part)))
        return lex_fail(in, err, "a set of numbers or NIL");
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "\")\"");
}

static void add_update(struct imap_input *in, struct imap_esearch_data *esearch,
                       struct imap_esearch_update update)
{
    size_t n = esearch->n_updates;

    if ((n & (n - 1)) == 0) { /* none, or a power of two: there is no room left */
        struct imap_esearch_update *all =
            ARENA_ARRAY(in->arena, struct imap_esearch_update, n == 0 ? 1 : n * 2);

        if (n > 0)
            memcpy(all, esearch->updates, n * sizeof(*all));
        esearch->updates = all;
    }
    esearch->updates[esearch->n_updates++] = update;
}

/* "(" context-position SP sequence-set *(SP context-position SP sequence-set) ")": RFC 5267 5,
 * behind the word */
static enum rc take_updates(struct imap_input *in, bool removes,
                            struct imap_esearch_data *esearch, struct err *err)
{
    esearch->present |= IMAP_SEARCH_UPDATE;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and a position");
    do {
        struct imap_esearch_update update = {.removes = removes};

        if (!lex_number(in, &update.position) || !lex_sp(in) ||
            !response_take_plain_set(in, &update.set))
            return lex_fail(in, err, "a position and a set of numbers");
        add_update(in, esearch, update);
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* "RELEVANCY" SP score-list, behind the word: RFC 6203 7 */
static enum rc take_relevancy(struct imap_input *in, struct imap_esearch_data *esearch,
                              struct err *err)
{
    uint32_t score;

    esearch->present |= IMAP_SEARCH_RELEVANCY;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and scores");
    if (lex_byte(in, ')'))
        return RC_OK;
    do {
        if (!lex_nz_number(in, &score) || score > RELEVANCY_MAX)
            return lex_fail(in, err, "a score from 1 to 100");
    } while (lex_sp(in));
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* search-return-data, the SP read already */
static enum rc take_return_data(struct imap_input *in, struct imap_esearch_data *esearch,
                                struct err *err)
{
    const struct {
        const char *name;
        uint32_t bit;
        uint32_t *value;
    } numbers[] = {
        {"MIN",   IMAP_SEARCH_MIN,   &esearch->min  },
        {"MAX",   IMAP_SEARCH_MAX,   &esearch->max  },
        {"COUNT", IMAP_SEARCH_COUNT, &esearch->count},
    };

    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (!lex_word(in, numbers[i].name))
            continue;
        esearch->present |= numbers[i].bit;
        if (!lex_sp(in) || !lex_number(in, numbers[i].value) ||
            (*numbers[i].value == 0 && numbers[i].bit != IMAP_SEARCH_COUNT))
            return lex_fail(in, err, "a number");
        return RC_OK;
    }
    if (lex_word(in, "ALL")) {
        esearch->present |= IMAP_SEARCH_ALL;
        if (!lex_sp(in) || !response_take_plain_set(in, &esearch->all))
            return lex_fail(in, err, "a set of numbers");
        return RC_OK;
    }
    if (lex_word(in, "PARTIAL"))
        return take_partial_data(in, esearch, err);
    if (lex_word(in, "ADDTO"))
        return take_updates(in, false, esearch, err);
    if (lex_word(in, "REMOVEFROM"))
        return take_updates(in, true, esearch, err);
    if (lex_word(in, "RELEVANCY"))
        return take_relevancy(in, esearch, err);
    if (!lex_word(in, "MODSEQ") || !lex_sp(in) || !lex_modseq(in, false, &esearch->modseq))
        return lex_fail(in, err, "search return data");
    return RC_OK;
}

enum rc response_take_esearch(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct imap_esearch_data *esearch = &out->esearch;
    enum rc rc = response_take_correlator(in, esearch, err);

    while (!rc && lex_sp(in)) {
        if (!esearch->uid && esearch->present == 0 && lex_word(in, "UID"))
            esearch->uid = true;
        else
            rc = take_return_data(in, esearch, err);
    }
    return rc;
}
