#include "imap/response_thread.h"

/* An open thread-list: what may follow depends on what it holds so far. */
enum level {
    LEVEL_OPEN,    /* "(" was read: a number, or nested lists */
    LEVEL_MEMBERS, /* numbers were read: SP and more, or ")" */
    LEVEL_SPLIT,   /* SP was read behind them, and nested lists begin: two or more */
    LEVEL_NESTED,  /* lists, and no number before them */
};

struct open_list {
    enum level level;
    uint32_t lists; /* nested in it */
};

/* "(": a list more in the one it stands in. */
static bool opens(struct open_list *in)
{
    if (in->level == LEVEL_MEMBERS)
        return false;
    if (in->level == LEVEL_OPEN)
        in->level = LEVEL_NESTED;
    in->lists++;
    return true;
}

/* ")": thread-members are one or more, thread-nested are two or more. */
static bool may_close(const struct open_list *list)
{
    return list->level == LEVEL_MEMBERS || list->lists >= 2;
}

/* nz-number, or SP before the next member or the lists */
static bool take_member(struct imap_input *in, struct open_list *list)
{
    uint32_t number;

    if (list->level == LEVEL_MEMBERS) {
        if (!lex_sp(in))
            return false;
        if (scan_peek(&in->sc) == '(') {
            list->level = LEVEL_SPLIT;
            return true;
        }
    } else if (list->level != LEVEL_OPEN) {
        return false;
    }
    list->level = LEVEL_MEMBERS;
    return lex_nz_number(in, &number);
}

/* thread-list, with a stack of its own: how deep it nests is for the messages to say. */
static enum rc take_list(struct imap_input *in, struct open_list *stack, struct err *err)
{
    size_t depth = 0;

    do {
        if (lex_byte(in, '(')) {
            if (depth > 0 && !opens(&stack[depth - 1]))
                return lex_fail(in, err, "a space before a list of threads");
            stack[depth++] = (struct open_list){LEVEL_OPEN, 0};
        } else if (depth > 0 && lex_byte(in, ')')) {
            if (!may_close(&stack[--depth]))
                return lex_fail(in, err, "a thread member");
        } else if (depth == 0 || !take_member(in, &stack[depth - 1])) {
            return lex_fail(in, err, "a thread");
        }
    } while (depth > 0);
    return RC_OK;
}

enum rc response_take_threads(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct open_list *stack;
    enum rc rc;

    (void) out;
    if (!lex_sp(in))
        return RC_OK;
    stack = ARENA_ARRAY(in->arena, struct open_list, slice_count(scan_rest(&in->sc), '(') + 1);
    do {
        rc = take_list(in, stack, err);
    } while (!rc && scan_peek(&in->sc) == '(');
    return rc;
}
