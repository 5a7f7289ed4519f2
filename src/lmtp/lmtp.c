#include "lmtp/lmtp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "lmtp/deliver.h"
#include "lmtp/known.h"
#include "lmtp/parse.h"
#include "net/stream.h"

#define LMTP_STEPS_MAX   256u
#define RECIPIENTS_FIRST ((size_t) 4)
#define LMTP_ARENA_BYTES ((size_t) 16 << 20)  /* addresses of one transaction */
#define LMTP_OUT_HIGH    ((size_t) 256 << 10) /* unsent replies; above it nothing more is read */

enum lmtp_state { LMTP_READY, LMTP_RESOLVING, LMTP_RECEIVING, LMTP_DELIVERING, LMTP_ENDING };

enum lmtp_order { LMTP_ORDER_TIMEOUT = 1u << 0, LMTP_ORDER_SHUTDOWN = 1u << 1 };

struct lmtp_client {
    struct lmtp_server *server;
    pool_handle handle;
    struct stream stream;
    enum lmtp_state state;
    uint64_t session; /* random; in Received fields and the log */
    struct ipaddr peer;
    struct buf helo;
    bool greeted;
    bool paused; /* replies wait for the client to read them */
    unsigned bad_in_row;

    /* one mail transaction */
    struct arena *arena;
    struct arena_mark before_asked; /* RESOLVING: a refused recipient leaves nothing in it */
    bool has_sender, smtputf8;
    struct slice sender;
    struct recipient *recipients; /* grows between MAIL and DATA; others point into it later */
    size_t cap;                   /* of recipients */
    size_t n;
    struct slice asked; /* address that auth is asked about */
    struct delivery delivery;
    struct lmtp_dot dot;
    bool committed; /* DELIVERING: only the disk is waited for */

    bool has_answer;          /* server's lock; auth has answered */
    struct msg_resolved said; /* server's lock; its slices lie in answer */
    struct buf answer;        /* server's lock */

    _Atomic unsigned orders;
    _Atomic bool deaf; /* it has not read all it was told; the sweep asks */
    _Atomic int64_t last_active_us;
};

struct lmtp_server {
    struct lmtp_options options;
    pthread_mutex_t lock;
    struct known *known;   /* lock */
    struct map *asking;    /* lock; request -> struct lmtp_client */
    uint64_t next_request; /* lock */
    _Atomic size_t n;
};

enum step { STEP_ON, STEP_INPUT, STEP_WAIT, STEP_END };

/* ---- replies ---- */

static void reply(struct lmtp_client *client, const char *line)
{
    buf_str(&client->stream.out, line);
    buf_str(&client->stream.out, "\r\n");
}

static enum step end(struct lmtp_client *client, const char *line)
{
    if (line != NULL)
        reply(client, line);
    client->state = LMTP_ENDING;
    return STEP_END;
}

static void forget_transaction(struct lmtp_client *client)
{
    for (size_t i = 0; i < client->n; i++) {
        if (client->recipients[i].waits)
            account_unwait(client->recipients[i].open, &client->recipients[i].waiter);
        account_close(client->recipients[i].open);
    }
    delivery_free(&client->delivery, &client->server->options);
    client->delivery = (struct delivery){0};
    free(client->recipients);
    arena_free(client->arena);
    client->recipients = NULL;
    client->cap = 0;
    client->arena = NULL;
    client->n = 0;
    client->has_sender = client->smtputf8 = client->committed = false;
    client->sender = (struct slice){0};
}

static struct arena *transaction_arena(struct lmtp_client *client)
{
    if (client->arena == NULL)
        client->arena = arena_new(LMTP_ARENA_BYTES);
    return client->arena;
}

/* ---- commands ---- */

/* A stored message is its content and the trace fields, together at most message_max_bytes. */
uint64_t lmtp_content_max(const struct lmtp_options *options)
{
    return options->message_max_bytes - LMTP_TRACE_BYTES;
}

static void greet(struct lmtp_client *client, struct slice name)
{
    const struct lmtp_options *options = &client->server->options;

    forget_transaction(client);
    buf_reset(&client->helo);
    buf_append(&client->helo, name);
    client->greeted = true;
    buf_printf(&client->stream.out,
               "250-%s\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
               "250-SMTPUTF8\r\n250 SIZE %llu\r\n",
               options->hostname, (unsigned long long) lmtp_content_max(options));
}

static void take_sender(struct lmtp_client *client, const struct lmtp_command *command)
{
    if (!client->greeted) {
        reply(client, "503 5.5.1 Say LHLO first");
    } else if (client->has_sender) {
        reply(client, "503 5.5.1 One MAIL at a time; RSET starts over");
    } else if (command->size > lmtp_content_max(&client->server->options)) {
        reply(client, "552 5.3.4 Message too large");
    } else {
        client->sender = arena_dup(transaction_arena(client), command->argument);
        client->has_sender = true;
        client->smtputf8 = command->smtputf8;
        reply(client, "250 2.1.0 OK");
    }
}

/* Copy the answer to where its connection finds it. lock is held. */
static void keep_answer(struct lmtp_client *client, const struct msg_resolved *resolved)
{
    struct slice *const texts[] = {&client->said.user, &client->said.detail,
                                   &client->said.mailbox};
    size_t starts[COUNT(texts)];

    client->said = *resolved;
    buf_reset(&client->answer);
    for (size_t i = 0; i < COUNT(texts); i++) {
        starts[i] = client->answer.len;
        buf_append(&client->answer, *texts[i]);
    }
    for (size_t i = 0; i < COUNT(texts); i++)
        *texts[i] = slice_sub(buf_slice(&client->answer), starts[i], texts[i]->len);
    client->has_answer = true;
}

/* Was auth asked before? Then the answer is here; else who asks now gets a number. */
static bool find_known(struct lmtp_client *client, uint64_t *out_request)
{
    struct lmtp_server *server = client->server;
    const struct msg_resolved *said;

    (void) pthread_mutex_lock(&server->lock);
    said = known_find(server->known, client->asked, clock_mono_us());
    client->has_answer = false;
    if (said != NULL) {
        keep_answer(client, said);
    } else {
        *out_request = ++server->next_request;
        (void) map_put(server->asking, MAP_KEY(*out_request), client);
    }
    (void) pthread_mutex_unlock(&server->lock);
    return said != NULL;
}

/* Ask auth who is meant, unless that is known; the answer wakes this connection. */
static enum step ask(struct lmtp_client *client, struct slice address)
{
    struct lmtp_server *server = client->server;
    struct err err;
    uint64_t request;

    client->before_asked = arena_mark(transaction_arena(client));
    client->asked = arena_dup(client->arena, address);
    client->state = LMTP_RESOLVING;
    if (find_known(client, &request))
        return STEP_ON;
    if (server->options.resolve(server->options.ctx, request, address, &err) == RC_OK)
        return STEP_WAIT;
    (void) pthread_mutex_lock(&server->lock);
    (void) map_remove(server->asking, MAP_KEY(request));
    (void) pthread_mutex_unlock(&server->lock);
    client->state = LMTP_READY;
    arena_rewind(client->arena, client->before_asked);
    reply(client, "451 4.3.0 Recipients cannot be looked up now; try again later");
    return STEP_ON;
}

static enum step take_recipient(struct lmtp_client *client, const struct lmtp_command *command)
{
    if (!client->has_sender)
        reply(client, "503 5.5.1 MAIL comes before RCPT");
    else if (client->n == LMTP_RECIPIENTS_MAX)
        reply(client, "452 4.5.3 Too many recipients; send another message for the rest");
    else if (command->argument.len == 0)
        reply(client, "553 5.1.3 A recipient cannot be empty");
    else
        return ask(client, command->argument);
    return STEP_ON;
}

#define LMTP_SESSION_BYTES 17 /* in hexadecimal, as in the Received field */

static void log_recipient(const struct lmtp_client *client, const struct recipient *recipient,
                          const char *code)
{
    AUTO(buf_done) struct buf address = {0};
    char session[LMTP_SESSION_BYTES];

    buf_init(&address, IPADDR_TEXT_BYTES);
    ipaddr_print(&address, &client->peer);
    (void) snprintf(session, sizeof(session), "%016llx", (unsigned long long) client->session);
    log_event(LEVEL_INFO, "lmtp.recipient", LOG_STR("session", session),
              LOG_TEXT("address", buf_slice(&address)), LOG_TEXT("sender", client->sender),
              LOG_TEXT("recipient", recipient->address), LOG_TEXT("user", recipient->user),
              LOG_TEXT("message_id", trace_message_id(&client->delivery.filter)),
              LOG_NUM("size", client->delivery.content_bytes),
              LOG_TEXT("mailbox", recipient->folder), LOG_NUM("uid", recipient->uid),
              LOG_STR("code", code),
              LOG_STR("detail", recipient->rc ? recipient->err.detail : ""));
}

static const char *refusal(const struct lmtp_options *options, uint8_t code)
{
    switch ((enum resolve_code) code) {
    case RESOLVE_UNKNOWN:
        return "550 5.1.1 No such user here";
    case RESOLVE_DISABLED:
        return options->disabled_is_permanent ? "550 5.2.1 This user takes no mail"
                                              : "450 4.2.1 This user takes no mail now";
    case RESOLVE_FULL:
        return "452 4.2.2 The mailbox is full";
    case RESOLVE_SYNTAX:
        return "553 5.1.3 Not an address";
    case RESOLVE_OK:
    case RESOLVE_DELETED:
    case RESOLVE_TEMPORARY:
    case RESOLVE_COUNT:
        break;
    }
    return "451 4.3.0 Recipients cannot be looked up now; try again later";
}

/* Auth has answered. */
static enum step take_answer(struct lmtp_client *client)
{
    struct lmtp_server *server = client->server;
    struct recipient recipient = {.arena = client->arena, .address = client->asked};
    uint8_t code;

    (void) pthread_mutex_lock(&server->lock);
    if (!client->has_answer) {
        (void) pthread_mutex_unlock(&server->lock);
        return STEP_WAIT;
    }
    code = client->said.code;
    recipient.account = client->said.account;
    recipient.user = arena_dup(client->arena, client->said.user);
    recipient.detail = arena_dup(client->arena, client->said.detail);
    recipient.mailbox = arena_dup(client->arena, client->said.mailbox);
    client->has_answer = false;
    (void) pthread_mutex_unlock(&server->lock);

    client->state = LMTP_READY;
    if (code != RESOLVE_OK) {
        const char *line = refusal(&server->options, code);

        log_recipient(client, &recipient, line);
        reply(client, line);
        arena_rewind(client->arena, client->before_asked);
        return STEP_ON;
    }
    if (client->n == client->cap) {
        client->cap = MAX(client->cap * 2, RECIPIENTS_FIRST);
        client->recipients =
            xrealloc(client->recipients, client->cap * sizeof(*client->recipients));
    }
    client->recipients[client->n++] = recipient;
    reply(client, "250 2.1.5 OK");
    return STEP_ON;
}

static struct trace make_trace(const struct lmtp_client *client, struct buf *address)
{
    ipaddr_print(address, &client->peer);
    return (struct trace){.sender = client->sender,
                          .recipient = client->recipients[0].address,
                          .helo = buf_slice(&client->helo),
                          .peer = client->peer.family != IPADDR_NONE ? buf_slice(address)
                                                                     : (struct slice){0},
                          .smtputf8 = client->smtputf8,
                          .hostname = client->server->options.hostname,
                          .session = client->session,
                          .wall_sec = clock_wall_sec()};
}

static void begin_data(struct lmtp_client *client)
{
    AUTO(buf_done) struct buf address = {0};
    struct trace trace;

    if (client->n == 0) {
        reply(client, client->has_sender ? "503 5.5.1 No valid recipients"
                                         : "503 5.5.1 MAIL comes first");
        return;
    }
    buf_init(&address, IPADDR_TEXT_BYTES);
    trace = make_trace(client, &address);
    delivery_begin(&client->delivery, &client->server->options, &client->recipients[0], &trace);
    client->dot = (struct lmtp_dot){0};
    client->state = LMTP_RECEIVING;
    reply(client, "354 End the message with a line that holds a dot only");
}

static enum step refuse(struct lmtp_client *client, const char *line)
{
    if (++client->bad_in_row >= LMTP_BAD_MAX)
        return end(client, "421 4.7.0 Too many errors");
    reply(client, line);
    return STEP_ON;
}

static enum step run_command(struct lmtp_client *client, struct slice line)
{
    struct lmtp_command command;
    struct err err;
    enum rc rc = lmtp_parse_command(line, &command, &err);

    if (rc) {
        buf_printf(&client->stream.out, "%s %s\r\n",
                   rc == RC_INVALID ? "555 5.5.4" : "501 5.5.4", err.text);
        return ++client->bad_in_row >= LMTP_BAD_MAX ? end(client, "421 4.7.0 Too many errors")
                                                    : STEP_ON;
    }
    if (command.verb == LMTP_UNKNOWN)
        return refuse(client, "500 5.5.2 Command not recognized");
    if (command.verb == LMTP_HELO)
        return refuse(client, "500 5.5.1 This is LMTP: say LHLO");
    client->bad_in_row = 0;
    switch (command.verb) {
    case LMTP_LHLO:
        greet(client, command.argument);
        break;
    case LMTP_MAIL:
        take_sender(client, &command);
        break;
    case LMTP_RCPT:
        return take_recipient(client, &command);
    case LMTP_DATA:
        begin_data(client);
        break;
    case LMTP_RSET:
        forget_transaction(client);
        reply(client, "250 2.0.0 OK");
        break;
    case LMTP_NOOP:
        reply(client, "250 2.0.0 OK");
        break;
    case LMTP_VRFY:
        reply(client, "252 2.5.0 Send some mail, and see");
        break;
    case LMTP_QUIT:
        return end(client, "221 2.0.0 Bye");
    case LMTP_HELO:
    case LMTP_UNKNOWN:
        break;
    }
    return STEP_ON;
}

static enum step read_more(struct lmtp_client *client)
{
    switch (stream_read(&client->stream)) {
    case STREAM_GOT:
        atomic_store(&client->last_active_us, clock_mono_us());
        return STEP_ON;
    case STREAM_NONE:
        return STEP_INPUT;
    case STREAM_ENDED:
    case STREAM_BROKEN:
    case STREAM_GARBLED: /* LMTP is never compressed */
        break;
    }
    return end(client, NULL);
}

/* A whole line lies in the input, or more must be read. Lines are bounded by what one read
 * holds. */
static enum step take_line(struct lmtp_client *client)
{
    struct slice input = stream_input(&client->stream);
    size_t at = slice_find(input, '\n');
    struct slice line = slice_sub(input, 0, at);

    client->paused = stream_unsent(&client->stream) > LMTP_OUT_HIGH;
    if (client->paused)
        return STEP_INPUT;
    if (at == input.len)
        return input.len > LMTP_LINE_BYTES ? end(client, "500 5.5.2 Line too long")
                                           : read_more(client);
    if (slice_ends(line, SLICE("\r")))
        line.len--;
    stream_take(&client->stream, at + 1);
    if (line.len > LMTP_LINE_BYTES)
        return refuse(client, "500 5.5.2 Line too long");
    return run_command(client, line);
}

/* ---- the message ---- */

static enum step take_content(struct lmtp_client *client)
{
    struct slice input = stream_input(&client->stream), rest = input;
    AUTO(buf_done) struct buf content = {0};
    bool ended;

    if (input.len == 0)
        return read_more(client);
    buf_init(&content, input.len + 2);
    ended = lmtp_dot_feed(&client->dot, &rest, &content);
    stream_take(&client->stream, input.len - rest.len);
    delivery_write(&client->delivery, &client->server->options, buf_slice(&content));
    if (ended)
        client->state = LMTP_DELIVERING;
    return STEP_ON;
}

static void on_durable(struct account_waiter *waiter)
{
    struct recipient *recipient = LINK_OWNER(waiter, struct recipient, waiter);
    struct lmtp_client *client = recipient->client;

    pool_wake(client->server->options.pool, client->handle);
}

static void commit(struct lmtp_client *client)
{
    AUTO(buf_done) struct buf address = {0};
    struct trace trace;

    buf_init(&address, IPADDR_TEXT_BYTES);
    trace = make_trace(client, &address);
    delivery_commit(&client->delivery, &client->server->options, client->recipients, client->n,
                    &trace);
    for (size_t i = 0; i < client->n; i++) {
        struct recipient *recipient = &client->recipients[i];

        if (recipient->rc)
            continue;
        account_push(recipient->open);
        if (account_is_durable(recipient->open, recipient->position))
            continue;
        recipient->client = client;
        recipient->waits = true;
        recipient->waiter =
            (struct account_waiter){.position = recipient->position, .wake = on_durable};
        account_wait(recipient->open, &recipient->waiter);
    }
    client->committed = true;
}

static bool all_durable(const struct lmtp_client *client)
{
    for (size_t i = 0; i < client->n; i++) {
        const struct recipient *recipient = &client->recipients[i];

        if (recipient->rc == RC_OK && !account_is_durable(recipient->open, recipient->position))
            return false;
    }
    return true;
}

/* RFC 2033 4.2: one reply for each recipient. */
static const char *delivery_reply(const struct delivery *delivery,
                                  const struct recipient *recipient)
{
    if (delivery->rc == RC_LIMIT)
        return "552 5.3.4 Message too large";
    switch (recipient->rc) {
    case RC_OK:
        return "250 2.0.0 Delivered";
    case RC_LIMIT: /* a limit of the mailbox: no UID left, too many messages */
        return "452 4.2.2 The mailbox is full";
    case RC_QUOTA:
        return recipient->never_fits
                   ? "552 5.2.2 The message is larger than the mailbox may ever be"
                   : "452 4.2.2 The mailbox is full";
    case RC_ELSEWHERE: /* of IMAP alone */
    case RC_FULL:      /* the disk is: RFC 3463 3.4 */
        return "452 4.3.1 The mail system is full";
    case RC_MORE:
    case RC_SYNTAX:
    case RC_INVALID:
    case RC_NOT_FOUND:
    case RC_EXISTS:
    case RC_DENIED:
    case RC_CONFLICT:
    case RC_CORRUPT:
    case RC_UNAVAILABLE:
    case RC_IO:
        break;
    }
    return "451 4.3.0 The store cannot take it now; try again later";
}

static enum step deliver(struct lmtp_client *client)
{
    if (!client->committed)
        commit(client);
    if (!all_durable(client))
        return STEP_WAIT;
    for (size_t i = 0; i < client->n; i++) {
        const char *line = delivery_reply(&client->delivery, &client->recipients[i]);

        log_recipient(client, &client->recipients[i], line);
        reply(client, line);
    }
    forget_transaction(client);
    client->state = LMTP_READY;
    return STEP_ON;
}

/* ---- the connection ---- */

static enum step step(struct lmtp_client *client)
{
    switch (client->state) {
    case LMTP_READY:
        return take_line(client);
    case LMTP_RESOLVING:
        return take_answer(client);
    case LMTP_RECEIVING:
        return take_content(client);
    case LMTP_DELIVERING:
        return deliver(client);
    case LMTP_ENDING:
        break;
    }
    return STEP_END;
}

static void take_orders(struct lmtp_client *client)
{
    unsigned orders = atomic_exchange(&client->orders, 0);

    if (orders == 0)
        return;
    if (client->state == LMTP_DELIVERING || client->state == LMTP_RESOLVING) {
        (void) atomic_fetch_or(&client->orders, orders); /* its reply first */
        return;
    }
    if (client->state != LMTP_ENDING)
        (void) end(client, (orders & LMTP_ORDER_SHUTDOWN) != 0
                               ? "421 4.3.2 Server is shutting down"
                               : "421 4.4.2 Idle for too long");
}

static void client_free(struct lmtp_client *client)
{
    forget_transaction(client);
    stream_done(&client->stream);
    buf_done(&client->helo);
    buf_done(&client->answer);
    atomic_fetch_sub(&client->server->n, 1);
    free(client);
}

/* No answer may find it any more. */
static void forget_question(struct lmtp_client *client)
{
    struct lmtp_server *server = client->server;
    struct slice key;
    uint64_t request;
    size_t at = 0;
    void *value;

    (void) pthread_mutex_lock(&server->lock);
    while (map_next(server->asking, &at, &key, &value)) {
        if (value != client)
            continue;
        memcpy(&request, key.ptr, sizeof(request));
        (void) map_remove(server->asking, MAP_KEY(request));
        break;
    }
    (void) pthread_mutex_unlock(&server->lock);
}

static unsigned finish(struct lmtp_client *client)
{
    if (client->state == LMTP_RESOLVING)
        forget_question(client);
    pool_forget(client->server->options.pool, client->handle);
    client_free(client);
    return POOL_GONE;
}

static unsigned run(void *ctx, unsigned ready)
{
    struct lmtp_client *client = ctx;
    enum step last = STEP_ON;
    enum stream_sent sent;

    if ((ready & LOOP_IN) != 0)
        client->stream.drained = false;
    for (unsigned i = 0; i < LMTP_STEPS_MAX && last == STEP_ON; i++) {
        take_orders(client);
        last = step(client);
    }
    if (last == STEP_WAIT && client->state == LMTP_RESOLVING)
        return 0; /* the replies so far go with that to RCPT: RFC 2920 3.2 */
    sent = stream_send(&client->stream);
    stream_trim(&client->stream);
    atomic_store(&client->deaf, sent == STREAM_FULL);
    if (sent == STREAM_SEND_BROKEN || (last == STEP_END && sent == STREAM_SENT))
        return finish(client);
    if (sent == STREAM_FULL)
        return LOOP_OUT;
    if (last == STEP_ON || client->paused) /* paused: all is sent now, and lines wait */
        return POOL_AGAIN;
    return last == STEP_INPUT ? LOOP_IN : 0;
}

#define LMTP_ANSWER_BYTES ((size_t) 16 << 10)

enum rc lmtp_start(struct lmtp_server *server, int fd, const struct ipaddr *peer,
                   struct err *err)
{
    struct lmtp_client *client = xcalloc(1, sizeof(*client));
    enum rc rc;

    client->server = server;
    client->session = random_id();
    client->peer = *peer;
    stream_init(&client->stream, fd, (struct slice){0}, LMTP_OUT_BYTES);
    buf_init(&client->helo, LMTP_HOST_BYTES);
    buf_init(&client->answer, LMTP_ANSWER_BYTES);
    buf_printf(&client->stream.out, "220 %s LMTP Roost\r\n", server->options.hostname);
    atomic_store(&client->last_active_us, clock_mono_us());
    atomic_fetch_add(&server->n, 1);
    rc = pool_add(server->options.pool, fd, run, client, &client->handle, err);
    if (rc)
        client_free(client);
    return rc;
}

/* ---- the server ---- */

struct lmtp_server *lmtp_server_new(const struct lmtp_options *options)
{
    struct lmtp_server *server = xcalloc(1, sizeof(*server));

    server->options = *options;
    (void) pthread_mutex_init(&server->lock, NULL);
    server->known = known_new();
    server->asking = map_new();
    return server;
}

void lmtp_server_free(struct lmtp_server *server)
{
    if (server == NULL)
        return;
    known_free(server->known);
    map_free(server->asking);
    (void) pthread_mutex_destroy(&server->lock);
    free(server);
}

size_t lmtp_count(struct lmtp_server *server)
{
    return atomic_load(&server->n);
}

void lmtp_resolved(struct lmtp_server *server, const struct msg_resolved *resolved)
{
    struct lmtp_client *client;
    pool_handle handle = 0;

    (void) pthread_mutex_lock(&server->lock);
    client = map_remove(server->asking, MAP_KEY(resolved->request));
    if (client != NULL) {
        known_put(server->known, client->asked, resolved, clock_mono_us());
        keep_answer(client, resolved);
        handle = client->handle;
    }
    (void) pthread_mutex_unlock(&server->lock);
    if (client != NULL)
        pool_wake(server->options.pool, handle);
}

void lmtp_forget_known(struct lmtp_server *server, uint64_t generation)
{
    (void) pthread_mutex_lock(&server->lock);
    known_forget(server->known, generation);
    (void) pthread_mutex_unlock(&server->lock);
}

void lmtp_auth_lost(struct lmtp_server *server)
{
    static const struct msg_resolved later = {.code = RESOLVE_TEMPORARY};
    struct lmtp_client *client;
    struct slice key;
    size_t at = 0;
    void *value;

    (void) pthread_mutex_lock(&server->lock);
    while (map_next(server->asking, &at, &key, &value)) {
        client = value;
        keep_answer(client, &later);
        pool_wake(server->options.pool, client->handle);
    }
    map_free(server->asking);
    server->asking = map_new();
    known_forget(server->known, 0); /* nobody would say when it is void */
    (void) pthread_mutex_unlock(&server->lock);
}

/*
 * A client that does not read is not run before it reads again, not for a wake either
 * (net/pool.h), so it takes no order. Cutting the connection is an event in any case.
 */
static void order(struct lmtp_client *client, unsigned orders)
{
    (void) atomic_fetch_or(&client->orders, orders);
    if (atomic_load(&client->deaf))
        (void) shutdown(client->stream.fd, SHUT_RDWR); /* it may be cut already */
}

static bool time_out(void *member, void *ctx)
{
    struct lmtp_client *client = member;
    const int64_t *before_us = ctx;

    if (atomic_load(&client->last_active_us) > *before_us)
        return false;
    order(client, LMTP_ORDER_TIMEOUT);
    return true;
}

void lmtp_sweep(struct lmtp_server *server)
{
    int64_t before_us = clock_mono_us() - LMTP_TIMEOUT_US;

    pool_each(server->options.pool, run, time_out, &before_us);
}

static bool shut_down(void *member, void *ctx)
{
    struct lmtp_client *client = member;

    (void) ctx;
    order(client, LMTP_ORDER_SHUTDOWN);
    return true;
}

void lmtp_shutdown(struct lmtp_server *server)
{
    pool_each(server->options.pool, run, shut_down, NULL);
}
