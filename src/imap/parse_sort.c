/*
 * parse_sort.c - SORT, THREAD and their UID forms.
 *
 * Spec: RFC 5256 section 5, RFC 5957 section 5 (DISPLAYFROM, DISPLAYTO), RFC 5257 4.9
 * (ANNOTATION), RFC 5267 section 5 (RETURN), RFC 6203 6 (RELEVANCY). The charset is mandatory:
 * also where UTF8=ACCEPT forbids the word CHARSET in SEARCH (RFC 9755), since without it there
 * is no command.
 */
#include "imap/annotation.h"
#include "imap/search_program.h"

// clang-format off
static const struct {
    const char *name;
    enum imap_sort_key key;
} sort_keys[] = {
    {"ARRIVAL",     IMAP_SORT_ARRIVAL},     {"CC",        IMAP_SORT_CC},
    {"DATE",        IMAP_SORT_DATE},        {"DISPLAYFROM", IMAP_SORT_DISPLAYFROM},
    {"DISPLAYTO",   IMAP_SORT_DISPLAYTO},   {"FROM",      IMAP_SORT_FROM},
    {"RELEVANCY",   IMAP_SORT_RELEVANCY},
    {"SIZE",        IMAP_SORT_SIZE},        {"SUBJECT",   IMAP_SORT_SUBJECT},
    {"TO",          IMAP_SORT_TO},
};

static const struct {
    const char *name;
    enum imap_thread_algorithm algorithm;
} algorithms[] = {
    {"ORDEREDSUBJECT", IMAP_THREAD_ORDEREDSUBJECT},
    {"REFERENCES",     IMAP_THREAD_REFERENCES},
    {"REFS",           IMAP_THREAD_REFS},
};
// clang-format on

/* SP entry-match SP att-match: one entry, and one of its two values */
static bool take_annotation(struct imap_input *in, struct imap_sort_criterion *out)
{
    struct slice attribute;

    out->key = IMAP_SORT_ANNOTATION;
    if (!lex_sp(in) || !lex_astring(in, &out->entry) || !imap_annotation_is_name(out->entry) ||
        !lex_sp(in) || !lex_astring(in, &attribute))
        return false;
    out->is_private = slice_eq_nocase(attribute, SLICE("value.priv"));
    return out->is_private || slice_eq_nocase(attribute, SLICE("value.shared"));
}

/* ["REVERSE" SP] sort-key */
static bool take_criterion(struct imap_input *in, struct imap_sort_criterion *out)
{
    out->reverse = lex_word(in, "REVERSE");
    if (out->reverse && !lex_sp(in))
        return false;
    if (lex_word(in, "ANNOTATION"))
        return take_annotation(in, out);
    for (size_t i = 0; i < COUNT(sort_keys); i++) {
        if (lex_word(in, sort_keys[i].name)) {
            out->key = sort_keys[i].key;
            return true;
        }
    }
    return false;
}

/* "(" sort-criterion *(SP sort-criterion) ")" */
static enum rc take_criteria(struct imap_input *in, struct imap_sort_args *sort,
                             struct err *err)
{
    struct imap_sort_criterion *criteria =
        ARENA_ARRAY(in->arena, struct imap_sort_criterion, SORT_MAX_CRITERIA);
    size_t n_entries = 0;

    if (!lex_byte(in, '('))
        return lex_fail(in, err, "\"(\" and sort criteria");
    do {
        if (sort->n == SORT_MAX_CRITERIA)
            return err_set(err, RC_LIMIT, "Too many sort criteria", "sort: more than %u",
                           SORT_MAX_CRITERIA);
        if (!take_criterion(in, &criteria[sort->n]))
            return lex_fail(in, err, "a sort criterion");
        n_entries += criteria[sort->n++].key == IMAP_SORT_ANNOTATION;
        if (n_entries > SORT_MAX_ENTRIES)
            return err_set(err, RC_LIMIT, "Too many sort criteria",
                           "sort: more than %u annotations", SORT_MAX_ENTRIES);
    } while (lex_sp(in));
    sort->criteria = criteria;
    return lex_byte(in, ')') ? RC_OK : lex_fail(in, err, "a space or \")\"");
}

/* RFC 6203 6: not without a FUZZY key. */
static bool sorts_by_relevancy(const struct imap_sort_args *sort)
{
    for (size_t i = 0; i < sort->n; i++)
        if (sort->criteria[i].key == IMAP_SORT_RELEVANCY)
            return true;
    return false;
}

enum rc imap_parse_sort(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_sort_args sort = {.n = 0};
    enum rc rc;

    if (!lex_sp(in))
        return lex_fail(in, err, "a space and sort criteria");
    rc = search_take_return(in, &sort.search, err);
    if (!rc)
        rc = take_criteria(in, &sort, err);
    if (!rc)
        rc = search_take_criteria(in, &sort.search, err);
    if (!rc && !sort.search.has_fuzzy && sorts_by_relevancy(&sort))
        rc = lex_fail(in, err, "FUZZY among the keys, for RELEVANCY");
    if (!rc)
        args->sort = sort;
    return rc;
}

static bool take_algorithm(struct imap_input *in, enum imap_thread_algorithm *out)
{
    for (size_t i = 0; i < COUNT(algorithms); i++) {
        if (lex_word(in, algorithms[i].name)) {
            *out = algorithms[i].algorithm;
            return true;
        }
    }
    return false;
}

enum rc imap_parse_thread(struct imap_input *in, union imap_args *args, struct err *err)
{
    struct imap_thread_args thread = {.algorithm = IMAP_THREAD_ORDEREDSUBJECT};
    enum rc rc;

    if (!lex_sp(in) || !take_algorithm(in, &thread.algorithm))
        return lex_fail(in, err, "a space and ORDEREDSUBJECT, REFERENCES or REFS");
    rc = search_take_criteria(in, &thread.search, err);
    if (!rc)
        args->thread = thread;
    return rc;
}
