/*
 * fuzz_command.c - any bytes through the command reader and the parsers. What a parser took is
 * printed and parsed again, and must be the same.
 *
 * The first byte chooses the session's mode and how the stream is cut.
 */
// links: imap
#include <assert.h>

#include "imap/print.h"
#include "imap/reader.h"
#include "imap/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    imap_parse_fn *parse;
} commands[] = {
    {"UIDBATCHES",   imap_parse_uidbatches  },
    {"CANCELUPDATE", imap_parse_cancelupdate},
    {"LANGUAGE",     imap_parse_language    },
    {"COMPARATOR",   imap_parse_comparator  },
    {"NOOP",         imap_parse_none        },
    {"ID",           imap_parse_id          },
    {"AUTHENTICATE", imap_parse_authenticate},
    {"LOGIN",        imap_parse_login       },
    {"ENABLE",       imap_parse_enable      },
    {"SELECT",       imap_parse_select      },
    {"CREATE",       imap_parse_create      },
    {"DELETE",       imap_parse_mailbox     },
    {"RENAME",       imap_parse_rename      },
    {"LIST",         imap_parse_list        },
    {"LSUB",         imap_parse_lsub        },
    {"STATUS",       imap_parse_status      },
    {"APPEND",       imap_parse_append      },
    {"EXPUNGE",      imap_parse_expunge     },
    {"SEARCH",       imap_parse_search      },
    {"ESEARCH",      imap_parse_esearch     },
    {"SORT",         imap_parse_sort        },
    {"THREAD",       imap_parse_thread      },
    {"FETCH",        imap_parse_fetch       },
    {"STORE",        imap_parse_store       },
    {"COPY",         imap_parse_copy        },
    {"RESETKEY",     imap_parse_resetkey    },
    {"GENURLAUTH",   imap_parse_genurlauth  },
    {"URLFETCH",     imap_parse_urlfetch    },
    {"NOTIFY",       imap_parse_notify      },
    {"SETACL",       imap_parse_setacl      },
    {"LISTRIGHTS",   imap_parse_identifier  },
    {"GETQUOTA",     imap_parse_getquota    },
    {"SETQUOTA",     imap_parse_setquota    },
};

static const struct reader_limits limits = {
    .line_bytes = 4096, .literal_bytes = 2048, .message_bytes = 8192};

struct spool {
    uint64_t bytes, due;
    bool open;
};

static enum rc spool_begin(void *ctx, const struct imap_text *text, struct err *err)
{
    struct spool *spool = ctx;

    (void) err;
    assert(text->n_literals > 0);
    assert(spool->bytes == spool->due); /* the literal before is whole */
    spool->due += text->literals[text->n_literals - 1].len;
    spool->open = true;
    return RC_OK;
}

static enum rc spool_bytes(void *ctx, struct slice bytes, struct err *err)
{
    struct spool *spool = ctx;

    (void) err;
    spool->bytes += bytes.len;
    assert(spool->open && spool->bytes <= spool->due);
    return RC_OK;
}

static void spool_abort(void *ctx)
{
    struct spool *spool = ctx;

    assert(spool->open);
    *spool = (struct spool){0};
}

static const struct imap_sink sink = {spool_begin, spool_bytes, spool_abort};

/* Parse text as one command; the arguments, or die. */
static struct imap_cmd parse_again(struct slice text, struct imap_mode mode,
                                   imap_parse_fn *parse, struct arena *arena, enum rc *rc)
{
    struct imap_text whole = {.text = text};
    struct imap_cmd cmd;
    struct err err;

    *rc = imap_parse_head(&whole, mode, arena, &cmd, &err);
    assert(*rc == RC_OK);
    *rc = imap_parse_args(&cmd, parse, &err);
    assert(*rc == RC_OK || *rc == RC_LIMIT);
    return cmd;
}

static void check_mailbox(const struct imap_mailbox *mailbox, struct imap_mode mode,
                          struct arena *arena)
{
    AUTO(buf_done) struct buf out = {0};
    struct imap_list_line line = {.verb = "LIST", .name = mailbox->name};
    struct imap_response response;
    struct imap_cmd cmd;
    enum rc rc;

    buf_init(&out, 1 << 16);
    buf_str(&out, "a DELETE ");
    imap_print_mailbox(&out, mailbox->name, mode);
    cmd = parse_again(buf_slice(&out), mode, imap_parse_mailbox, arena, &rc);
    assert(rc == RC_OK && slice_eq(cmd.args.mailbox.mailbox.name, mailbox->name));
    assert(!cmd.args.mailbox.mailbox.normalized);

    buf_reset(&out);
    if (mailbox->normalized)
        line.oldname = mailbox->given;
    imap_print_list_line(&out, &line, mode);
    rc = imap_parse_response(buf_slice(&out), mode, arena, &response, NULL);
    assert(rc == RC_OK && slice_eq(response.list.name, mailbox->name));
}

static void check_set(const struct imap_set *set, struct arena *arena)
{
    AUTO(buf_done) struct buf first = {0}, second = {0};
    struct imap_set again;

    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    imap_print_set(&first, set);
    assert(imap_parse_set_or_saved(buf_slice(&first), arena, &again, NULL) == RC_OK);
    imap_print_set(&second, &again);
    assert(slice_eq(buf_slice(&first), buf_slice(&second)));
}

typedef void print_fn(struct buf *out, const union imap_args *args, struct imap_mode mode);

/* What is printed, parsed and printed again is the same. RC_LIMIT: it is too deep for that. */
static enum rc check_reprinted(print_fn *print, const union imap_args *args,
                               imap_parse_fn *parse, struct imap_mode mode, struct arena *arena,
                               struct imap_cmd *out)
{
    AUTO(buf_done) struct buf first = {0}, second = {0};
    enum rc rc;

    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    print(&first, args, mode);
    *out = parse_again(buf_slice(&first), mode, parse, arena, &rc);
    if (rc == RC_LIMIT)
        return rc;
    assert(rc == RC_OK);
    print(&second, &out->args, mode);
    assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    return RC_OK;
}

static void print_flags(struct buf *buf, const union imap_args *args, struct imap_mode mode)
{
    (void) mode;
    buf_str(buf, "a STORE 1 FLAGS ");
    imap_print_flag_list(buf, &args->store.flags);
}

static void check_flags(const struct imap_flags *flags, struct imap_mode mode,
                        struct arena *arena)
{
    const union imap_args args = {.store = {.flags = *flags}};
    struct imap_cmd again;

    assert(check_reprinted(print_flags, &args, imap_parse_store, mode, arena, &again) == RC_OK);
}

static void print_search(struct buf *buf, const union imap_args *args, struct imap_mode mode)
{
    (void) mode;
    buf_str(buf, "a SEARCH ");
    imap_print_search_key(buf, args->search.key);
}

static void check_search(const struct imap_search_args *search, struct arena *arena)
{
    static const struct imap_mode rev2 = {.rev2 = true};
    const union imap_args args = {.search = *search};
    struct imap_cmd again;

    if (search->key != NULL) /* the parentheses around an AND are a level more: RC_LIMIT */
        (void) check_reprinted(print_search, &args, imap_parse_search, rev2, arena, &again);
}

/* RFC 5257 4.3: " ((entries) (attributes))". */
static void print_annotation_query(struct buf *buf, const struct imap_annotation_query *query,
                                   struct imap_mode mode)
{
    static const char *const names[IMAP_ANNOTATION_ATTRIBUTES] = {
        [IMAP_ANNOTATION_VALUE_PRIV] = "value.priv",
        [IMAP_ANNOTATION_VALUE_SHARED] = "value.shared",
        [IMAP_ANNOTATION_SIZE_PRIV] = "size.priv",
        [IMAP_ANNOTATION_SIZE_SHARED] = "size.shared"};

    buf_str(buf, " ((");
    for (size_t i = 0; i < query->n_entries; i++) {
        buf_str(buf, i > 0 ? " " : "");
        imap_print_string(buf, query->entries[i], mode);
    }
    buf_str(buf, ") (");
    for (size_t i = 0; i < query->n_attributes; i++)
        buf_printf(buf, "%s%s", i > 0 ? " " : "", names[query->attributes[i]]);
    buf_str(buf, "))");
}

static void print_items(struct buf *buf, const union imap_args *args, struct imap_mode mode)
{
    const struct imap_fetch_args *fetch = &args->fetch;

    buf_str(buf, "a FETCH 1 (");
    for (size_t i = 0; i < fetch->n; i++) {
        struct imap_fetch_item item = fetch->items[i];

        item.partial = false; /* a response names the origin alone */
        if (i > 0)
            buf_byte(buf, ' ');
        imap_print_fetch_name(buf, &item, mode);
        if (item.kind == IMAP_FETCH_ANNOTATION)
            print_annotation_query(buf, item.annotations, mode);
    }
    buf_byte(buf, ')');
}

static void check_fetch(const struct imap_fetch_args *fetch, struct imap_mode mode,
                        struct arena *arena)
{
    const union imap_args args = {.fetch = *fetch};
    struct imap_cmd again;

    assert(check_reprinted(print_items, &args, imap_parse_fetch, mode, arena, &again) == RC_OK);
    assert(again.args.fetch.n == fetch->n && again.args.fetch.kinds == fetch->kinds);
}

static void check_filter(const struct imap_mailbox_filter *filter, struct imap_mode mode,
                         struct arena *arena)
{
    for (size_t i = 0; i < filter->n_names; i++)
        check_mailbox(&(struct imap_mailbox){.name = filter->names[i]}, mode, arena);
}

/* The names are mailboxes', the keys are those of SEARCH. */
static void check_esearch(const struct imap_esearch_args *esearch, struct imap_mode mode,
                          struct arena *arena)
{
    assert(esearch->n <= ESEARCH_MAX_FILTERS);
    for (size_t i = 0; i < esearch->n; i++) {
        assert(esearch->filters[i].kind != IMAP_FILTER_SELECTED_DELAYED);
        check_filter(&esearch->filters[i], mode, arena);
    }
    check_search(&esearch->search, arena);
}

static void check_notify(const struct imap_notify_args *notify, struct imap_mode mode,
                         struct arena *arena)
{
    const uint32_t both = IMAP_NOTIFY_MESSAGE_NEW | IMAP_NOTIFY_MESSAGE_EXPUNGE;

    for (size_t i = 0; i < notify->n; i++) {
        const struct imap_notify_group *group = &notify->groups[i];
        const struct imap_fetch_args fetch = {
            .items = group->items, .n = group->n_items, .kinds = group->kinds};

        assert(notify->unsupported || (group->events & IMAP_NOTIFY_MESSAGE_EVENTS) == 0 ||
               (group->events & both) == both);
        check_filter(&group->mailboxes, mode, arena);
        if (group->n_items > 0)
            check_fetch(&fetch, mode, arena);
    }
}

static void check_append(const struct imap_append_args *append, struct imap_mode mode,
                         struct arena *arena)
{
    AUTO(buf_done) struct buf date = {0};
    struct imap_fetch_data item;
    struct imap_response response;

    buf_init(&date, 256);
    for (size_t i = 0; i < append->n; i++) {
        check_flags(&append->messages[i].flags, mode, arena);
        if (!append->messages[i].has_date)
            continue;
        buf_reset(&date);
        buf_str(&date, "* 1 FETCH (INTERNALDATE ");
        imap_print_date_time(&date, append->messages[i].date);
        buf_str(&date, ")\r\n");
        assert(imap_parse_response(buf_slice(&date), mode, arena, &response, NULL) == RC_OK);
        item = response.fetch.items[0];
        /* A zone may carry the first or last day of the calendar out of it. */
        if (append->messages[i].date.sec > -62167000000 &&
            append->messages[i].date.sec < 253402200000)
            assert(item.date.sec == append->messages[i].date.sec);
    }
}

static void print_acl(struct buf *buf, const union imap_args *args, struct imap_mode mode)
{
    const struct imap_acl_args *acl = &args->acl;
    static const char *const signs[] = {
        [IMAP_ACL_SET] = "", [IMAP_ACL_ADD] = "+", [IMAP_ACL_REMOVE] = "-"};

    buf_str(buf, "a SETACL x ");
    imap_print_string(buf, acl->identifier, mode);
    buf_printf(buf, " \"%s%.*s\"", signs[acl->op], SLICE_ARG(acl->rights));
}

static void check_acl(const union imap_args *args, struct imap_mode mode, struct arena *arena)
{
    struct imap_cmd again;

    assert(check_reprinted(print_acl, args, imap_parse_setacl, mode, arena, &again) == RC_OK);
}

static void check(const struct imap_cmd *cmd, imap_parse_fn *parse, struct imap_mode mode,
                  struct arena *arena)
{
    const union imap_args *args = &cmd->args;

    if (parse == imap_parse_mailbox || parse == imap_parse_select || parse == imap_parse_create)
        check_mailbox(&args->mailbox.mailbox, mode, arena);
    else if (parse == imap_parse_rename)
        check_mailbox(&args->rename.to, mode, arena);
    else if (parse == imap_parse_search)
        check_search(&args->search, arena);
    else if (parse == imap_parse_sort ||
             parse == imap_parse_thread) /* it comes first in them */
        check_search(&args->search, arena);
    else if (parse == imap_parse_esearch)
        check_esearch(&args->esearch, mode, arena);
    else if (parse == imap_parse_fetch)
        check_fetch(&args->fetch, mode, arena);
    else if (parse == imap_parse_notify)
        check_notify(&args->notify, mode, arena);
    else if (parse == imap_parse_append)
        check_append(&args->append, mode, arena);
    else if (parse == imap_parse_store)
        check_flags(&args->store.flags, mode, arena);
    else if (parse == imap_parse_setacl || parse == imap_parse_identifier)
        check_acl(args, mode, arena);
    else if (parse == imap_parse_copy)
        check_mailbox(&args->copy.mailbox, mode, arena);
    if (parse == imap_parse_copy || parse == imap_parse_store || parse == imap_parse_fetch)
        check_set(&args->fetch.set, arena); /* the first member of all three */
}

static void run(const struct imap_text *text, struct imap_mode mode, struct arena *arena)
{
    struct imap_cmd cmd;
    struct err err = {0};
    enum rc rc;

    arena_reset(arena);
    if (imap_parse_head(text, mode, arena, &cmd, &err)) {
        assert(err.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (!slice_eq_nocase(cmd.name, slice_from_str(commands[i].name)))
            continue;
        rc = imap_parse_args(&cmd, commands[i].parse, &err);
        assert(rc == RC_OK || rc == RC_SYNTAX || rc == RC_INVALID || rc == RC_LIMIT);
        assert(rc == RC_OK || (err.text[0] != '\0' && err.rc == rc));
        if (rc == RC_OK)
            check(&cmd, commands[i].parse, mode, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spool spool = {0}; /* outlives the reader, which may abort it */
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(imap_reader_freep) struct imap_reader *reader = NULL;
    struct imap_mode mode;
    struct slice input;
    size_t step;

    if (size < 1)
        return 0;
    mode = (struct imap_mode){.rev2 = (data[0] & 1) != 0, .utf8_accept = (data[0] & 2) != 0};
    step = (data[0] & 4) != 0 ? SIZE_MAX : (size_t) (data[0] >> 3) + 1;
    arena = arena_new(COMMAND_ARENA_BYTES);
    reader = imap_reader_new(&limits, &sink, &spool);
    input = slice_of(data + 1, size - 1);
    while (input.len > 0) {
        struct slice piece = slice_sub(input, 0, step);
        struct imap_text text;
        struct err err;
        enum imap_read said = READ_MORE;

        input = slice_from(input, piece.len);
        while (piece.len > 0 && said != READ_CLOSE) {
            said = imap_reader_feed(reader, &piece, &err);
            if (said != READ_COMMAND)
                continue;
            text = imap_reader_text(reader);
            run(&text, mode, arena);
            assert(spool.bytes == spool.due);
            imap_reader_next(reader);
            spool = (struct spool){0};
        }
        if (said == READ_CLOSE)
            break;
    }
    return 0;
}
