#include "lib/session_rig.h"

#include "auth/name.h"
#include "base/list.h"
#include "lib/plain_digester.h"

#define RIG_OUT_MAX_BYTES ((size_t) 1 << 30)
#define RIG_IDLE_BYTES    64u

struct person {
    uint64_t id;
    enum principal_kind kind;
    struct auth_key key;
    char name[AUTH_NAME_MAX_BYTES];
    size_t name_len;
    uint64_t groups[RIG_GROUPS_MAX]; /* ascending */
    size_t n_groups;
};

struct rig {
    struct mail_store *store;
    struct principal_registry *registry;
    struct person people[RIG_PEOPLE_MAX];
    size_t n_people;
    uint64_t last_id;
    struct digester digester;
    struct list sessions;
};

struct rig_session {
    struct link link;
    struct rig *rig;
    struct session session;
    struct append_sink sink;
    struct imap_reader *reader;
    struct cmd *running;
    struct buf out;      /* the command's */
    struct buf answered; /* durable, not yet taken */
    bool closed;
    unsigned pauses;
};

/* ---- who there is ---- */

static void publish(struct rig *rig, const struct person *person)
{
    AUTO(principals_change_abortp)
    struct principals_change *change = principals_change_begin(rig->registry, false);
    const struct principal principal = {.id = person->id,
                                        .kind = person->kind,
                                        .name = slice_of(person->name, person->name_len),
                                        .key = auth_key_slice(&person->key)};

    principals_put(change, &principal, person->groups, person->n_groups);
    principals_publish(&change);
}

static struct person *person_of(struct rig *rig, uint64_t id)
{
    for (size_t i = 0; i < rig->n_people; i++) {
        if (rig->people[i].id == id)
            return &rig->people[i];
    }
    die("rig: nobody is %llu", (unsigned long long) id);
}

static uint64_t add_person(struct rig *rig, uint64_t id, enum principal_kind kind,
                           struct slice name)
{
    struct person *person = &rig->people[rig->n_people++];
    struct err err;

    if (rig->n_people > RIG_PEOPLE_MAX || auth_name_key(name, &person->key, &err) != RC_OK)
        die("rig: %.*s cannot be made", SLICE_ARG(name));
    person->id = id;
    person->kind = kind;
    person->n_groups = 0;
    person->name_len = name.len;
    memcpy(person->name, name.ptr, name.len);
    publish(rig, person);
    return id;
}

uint64_t rig_person(struct rig *rig, enum principal_kind kind, struct slice name)
{
    for (size_t i = 0; i < rig->n_people; i++) {
        const struct person *person = &rig->people[i];

        if (person->kind == kind && slice_eq(slice_of(person->name, person->name_len), name))
            return person->id;
    }
    return add_person(rig, ++rig->last_id, kind, name);
}

void rig_set_member(struct rig *rig, uint64_t account, uint64_t group, bool is_member)
{
    struct person *person = person_of(rig, account);
    size_t at = 0;

    while (at < person->n_groups && person->groups[at] < group)
        at++;
    if ((at < person->n_groups && person->groups[at] == group) == is_member)
        return;
    if (is_member && person->n_groups == RIG_GROUPS_MAX)
        die("rig: more than %u groups", RIG_GROUPS_MAX);
    if (is_member) {
        memmove(person->groups + at + 1, person->groups + at,
                (person->n_groups - at) * sizeof(*person->groups));
        person->groups[at] = group;
        person->n_groups++;
    } else {
        person->n_groups--;
        memmove(person->groups + at, person->groups + at + 1,
                (person->n_groups - at) * sizeof(*person->groups));
    }
    publish(rig, person);
}

void rig_remove_person(struct rig *rig, uint64_t id)
{
    AUTO(principals_change_abortp)
    struct principals_change *change = principals_change_begin(rig->registry, false);
    struct person *person = person_of(rig, id);

    principals_remove(change, id);
    principals_publish(&change);
    *person = rig->people[--rig->n_people];
}

/* ---- the rig ---- */

struct rig *rig_new(struct engine *engine)
{
    struct rig *rig = xcalloc(1, sizeof(*rig));
    struct mail_store_options options = {
        .engine = engine, .digester = &rig->digester, .undelete_sec = INT32_MAX};
    struct err err;

    if (auth_names_init(&err) != RC_OK)
        die("rig: %s", err.detail);
    rig->registry = principal_registry_new();
    rig->last_id = 100;
    (void) add_person(rig, RIG_ACCOUNT, PRINCIPAL_USER, SLICE(RIG_OWNER));
    options.principals = rig->registry;
    rig->digester.make = plain_digest;
    list_init(&rig->sessions);
    rig->store = mail_store_new(&options);
    return rig;
}

void rig_free(struct rig *rig)
{
    LIST_FOREACH(it, &rig->sessions)
    rig_logout(LINK_OWNER(it, struct rig_session, link));
    mail_store_close(rig->store);
    principal_registry_free(rig->registry);
    free(rig);
}

struct mail_store *rig_store(struct rig *rig)
{
    return rig->store;
}

struct rig_session *rig_login(struct rig *rig, enum session_rights rights)
{
    return rig_login_as(rig, RIG_ACCOUNT, rights);
}

struct rig_session *rig_login_as(struct rig *rig, uint64_t account, enum session_rights rights)
{
    struct rig_session *rs = xcalloc(1, sizeof(*rs));
    const struct reader_limits limits = {.line_bytes = READER_LINE_BYTES,
                                         .literal_bytes = READER_LITERAL_BYTES,
                                         .message_bytes = READER_MESSAGE_BYTES};
    struct session_grant grant = {
        .actor = {.account = account, .device = 1},
        .rights = rights,
        .message_max_bytes = READER_MESSAGE_BYTES
    };
    struct err err;

    if (account_open(rig->store, account, true, &grant.account, &err) != RC_OK)
        die("rig: %s: %s", err.text, err.detail);
    rs->rig = rig;
    session_init(&rs->session, &grant);
    append_sink_init(&rs->sink, &rs->session);
    rs->reader = imap_reader_new(&limits, &append_sink_ops, &rs->sink);
    buf_init(&rs->out, RIG_OUT_MAX_BYTES);
    buf_init(&rs->answered, RIG_OUT_MAX_BYTES);
    list_push_back(&rig->sessions, &rs->link);
    return rs;
}

void rig_logout(struct rig_session *rs)
{
    list_remove(&rs->link);
    command_abort(&rs->running);
    imap_reader_free(rs->reader);
    append_sink_done(&rs->sink);
    session_done(&rs->session);
    buf_done(&rs->out);
    buf_done(&rs->answered);
    free(rs);
}

struct session *rig_session_of(struct rig_session *rs)
{
    return &rs->session;
}

/* As the server: nothing leaves before what it rests on is durable. */
static void flush(struct rig_session *rs)
{
    struct account *account;
    uint64_t position;

    while ((account = session_unsettled(&rs->session, &position)) != NULL)
        account_wait_durable(account, position);
    buf_append(&rs->answered, buf_slice(&rs->out));
    buf_reset(&rs->out);
}

static enum command_outcome go_on(struct rig_session *rs, enum command_outcome outcome,
                                  struct slice rest)
{
    while (outcome == COMMAND_MORE) {
        rs->pauses += rs->out.len >= REPLY_PAUSE_BYTES;
        flush(rs);
        outcome = command_resume(&rs->running, &rs->out, command_seqs_wait(rest));
    }
    flush(rs);
    return outcome;
}

static void settle(struct rig_session *rs, enum command_outcome outcome, struct slice rest)
{
    outcome = go_on(rs, outcome, rest);
    append_sink_reset(&rs->sink);
    imap_reader_next(rs->reader);
    if (outcome == COMMAND_IDLE)
        imap_reader_expect_line(rs->reader, RIG_IDLE_BYTES);
    rs->closed = outcome == COMMAND_CLOSE || outcome == COMMAND_UNAUTHENTICATE;
}

/* A session with NOTIFY hears its news at any time. */
static void listen(struct rig_session *rs)
{
    while (!rs->closed && session_hears(&rs->session) && session_has_news(&rs->session))
        rs->closed = go_on(rs, session_tell_news(&rs->session, &rs->out, &rs->running),
                           SLICE("")) == COMMAND_CLOSE;
}

static void run_command(struct rig_session *rs, struct slice rest)
{
    const struct command_input input = {
        .text = imap_reader_text(rs->reader),
        .stages = rs->sink.stages,
        .n_stages = rs->sink.n,
        .seq_command_waits = command_seqs_wait(rest),
    };

    settle(rs, command_start(&rs->session, &input, &rs->out, &rs->running), rest);
}

static void answer(struct rig_session *rs, enum imap_read read, const struct err *err,
                   struct slice rest)
{
    switch (read) {
    case READ_MORE:
        return;
    case READ_CONTINUE:
        buf_str(&rs->answered, "+ OK\r\n");
        return;
    case READ_COMMAND:
        run_command(rs, rest);
        return;
    case READ_LINE:
        settle(rs, session_idle_end(&rs->session, imap_reader_text(rs->reader).text, &rs->out),
               rest);
        return;
    case READ_REFUSED:
        rs->closed =
            command_refused(&rs->session, imap_reader_tag(rs->reader),
                            imap_reader_too_big(rs->reader), err, &rs->out) == COMMAND_CLOSE;
        flush(rs);
        return;
    case READ_CLOSE:
        buf_printf(&rs->answered, "* BYE %s\r\n", err->text);
        rs->closed = true;
        return;
    }
}

void rig_send(struct rig_session *rs, struct slice bytes)
{
    enum imap_read read = READ_CONTINUE;

    listen(rs);
    while (!rs->closed && (bytes.len > 0 || read != READ_MORE)) {
        struct err err = {.rc = RC_OK};

        read = imap_reader_feed(rs->reader, &bytes, &err);
        answer(rs, read, &err, bytes);
        if (read == READ_MORE && bytes.len == 0)
            return;
    }
}

void rig_poll(struct rig_session *rs)
{
    if (session_hears(&rs->session)) {
        listen(rs);
        return;
    }
    if (rs->closed || !session_is_idling(&rs->session) || !session_has_news(&rs->session))
        return;
    rs->closed = session_idle_sync(&rs->session, &rs->out) == COMMAND_CLOSE;
    flush(rs);
}

struct slice rig_output(const struct rig_session *rs)
{
    return buf_slice(&rs->answered);
}

void rig_take(struct rig_session *rs, size_t from, size_t len)
{
    struct buf *buf = &rs->answered;

    if (len > 0)
        memmove(buf->ptr + from, buf->ptr + from + len, buf->len - from - len);
    buf_truncate(buf, buf->len - len);
}

bool rig_is_closed(const struct rig_session *rs)
{
    return rs->closed;
}

unsigned rig_pauses(const struct rig_session *rs)
{
    return rs->pauses;
}
