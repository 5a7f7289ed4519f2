#include "server/client.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/print.h"
#include "server/clients.h"

/* What a step found. */
enum step {
    STEP_ON,    /* something was done: go on */
    STEP_INPUT, /* nothing to do without more input */
    STEP_SPACE, /* nothing to do until more is sent */
    STEP_TURN,  /* nothing to do until it is its turn */
    STEP_SLOW,  /* its turn is for a slow thread */
    STEP_END,   /* only the rest of the output is left */
};

/* What became of the output. */
enum flushed { FLUSHED_ALL, FLUSHED_HELD, FLUSHED_FULL, FLUSHED_BROKEN };

static void note(struct client *client, bool begins)
{
    const struct clients_options *options = clients_options(client->clients);

    if (options->note != NULL)
        options->note(options->ctx, client->who.account, begins);
}

/* The slice is done, or there will be none. */
static void leave_turns(struct client *client)
{
    if (client->takes_turns)
        turns_leave(clients_turns(client->clients), &client->turn);
    client->takes_turns = false;
}

/* A client that listens by NOTIFY idles between its commands as in IDLE. */
static void set_state(struct client *client, enum client_state state)
{
    client->state = state;
    atomic_store(&client->idles, state == CLIENT_IDLING || (state == CLIENT_READY &&
                                                            session_listens(&client->session)));
}

static void end(struct client *client, const char *reason)
{
    if (client->end_reason == NULL)
        client->end_reason = reason;
    leave_turns(client);
    set_state(client, CLIENT_ENDING);
    atomic_store(&client->ending_us, clock_mono_us());
}

/* ---- others ---- */

void client_order(struct client *client, unsigned orders)
{
    (void) atomic_fetch_or(&client->orders, orders);
    pool_wake(clients_options(client->clients)->pool, client->handle);
}

static void on_durable(struct account_waiter *waiter)
{
    struct client *client = LINK_OWNER(waiter, struct client, waiter);

    pool_wake(clients_options(client->clients)->pool, client->handle);
}

static void on_change(struct mbox_watcher *watcher)
{
    struct client *client = LINK_OWNER(watcher, struct client, watcher);

    pool_wake(clients_options(client->clients)->pool, client->handle);
}

static void on_news(void *ctx)
{
    struct client *client = ctx;

    pool_wake(clients_options(client->clients)->pool, client->handle);
}

static void unwait(struct client *client)
{
    if (client->waits_in != NULL)
        account_unwait(client->waits_in, &client->waiter);
    client->waits_in = NULL;
}

static void unwatch(struct client *client)
{
    if (client->watches_in != NULL)
        account_unwatch(client->watches_in, &client->watcher);
    client->watches_in = NULL;
}

static void watch(struct client *client)
{
    if (client->session.view == NULL || client->session.notify != NULL)
        return;
    client->watcher =
        (struct mbox_watcher){.mbox_id = view_mbox_id(client->session.view), .wake = on_change};
    client->watches_in = view_account(client->session.view);
    account_watch(client->watches_in, &client->watcher);
}

/* What no command says: "* BYE [CODE] " and a text, in the client's language. */
static void say(struct client *client, const char *start, const char *text)
{
    struct imap_mode mode = {.language = client->who.language};

    buf_str(&client->stream.out, start);
    imap_print_text_line(&client->stream.out, text,
                         client->has_session ? client->session.mode : mode);
}

/* ---- output ---- */

/* What the commands since the last time wrote goes to the disk, whether or not a reply is left.
 */
static void push_writes(struct client *client)
{
    struct account *account;
    uint64_t position;

    if (!client->has_session)
        return;
    account = session_unsettled(&client->session, &position);
    if (account == NULL ||
        (account == client->pushed.account && position == client->pushed.position))
        return;
    client->pushed.account = account;
    client->pushed.position = position;
    account_push(account);
}

/* Be woken when what the replies rest on is durable. False: it is. */
static bool must_hold(struct client *client)
{
    struct account *account = NULL;
    uint64_t position;

    if (client->has_session)
        account = session_unsettled(&client->session, &position);
    if (account != NULL && client->waits_in == account && client->waiter.position == position)
        return true;
    unwait(client);
    if (account == NULL)
        return false;
    client->waiter = (struct account_waiter){.position = position, .wake = on_durable};
    client->waits_in = account;
    account_wait(account, &client->waiter);
    return true;
}

static enum flushed flush(struct client *client)
{
    push_writes(client);
    if (stream_unsent(&client->stream) > 0 && must_hold(client))
        return FLUSHED_HELD;
    switch (stream_send(&client->stream)) {
    case STREAM_SENT:
        return FLUSHED_ALL;
    case STREAM_FULL:
        return FLUSHED_FULL;
    case STREAM_SEND_BROKEN:
        break;
    }
    return FLUSHED_BROKEN;
}

/* ---- input ---- */

/* Would an EXPUNGE told now hurt the command that has come behind this one? RFC 9051 7.5.1 */
static bool seq_command_waits(const struct client *client)
{
    return command_seqs_wait(stream_input(&client->stream));
}

static enum step take_outcome(struct client *client, enum command_outcome outcome)
{
    if (outcome == COMMAND_MORE) {
        set_state(client, CLIENT_BUSY);
        return STEP_ON;
    }
    if (outcome == COMMAND_TOLD) {
        set_state(client, session_is_idling(&client->session) ? CLIENT_IDLING : CLIENT_READY);
        return STEP_ON;
    }
    session_wake_by(&client->session, on_news, client);
    if (!imap_reader_is_idle(client->reader)) /* what was refused left nothing behind */
        imap_reader_next(client->reader);
    append_sink_reset(&client->sink);
    switch (outcome) {
    case COMMAND_COMPRESS:
        stream_compress(&client->stream);
        set_state(client, CLIENT_READY);
        break;
    case COMMAND_DONE:
        set_state(client, CLIENT_READY);
        break;
    case COMMAND_IDLE:
        set_state(client, CLIENT_IDLING);
        imap_reader_expect_line(client->reader, IDLE_LINE_BYTES);
        watch(client);
        break;
    case COMMAND_UNAUTHENTICATE:
        client->returns = true;
        end(client, "unauthenticated");
        return STEP_END;
    case COMMAND_CLOSE:
        end(client, "logout");
        return STEP_END;
    case COMMAND_MORE:
    case COMMAND_TOLD:
        break;
    }
    return STEP_ON;
}

static enum step run_command(struct client *client)
{
    struct command_input input = {.text = imap_reader_text(client->reader),
                                  .stages = client->sink.stages,
                                  .n_stages = client->sink.n,
                                  .seq_command_waits = seq_command_waits(client)};
    enum command_outcome outcome;

    outcome = command_start(&client->session, &input, &client->stream.out, &client->running);
    return take_outcome(client, outcome);
}

/* Is it this client's turn, if its command needs one? */
static bool has_turn(struct client *client)
{
    if (!command_computes(client->running))
        return true;
    client->turn.handle = client->handle;
    client->turn.account = client->who.account;
    client->takes_turns = true;
    return turns_take(clients_turns(client->clients), &client->turn);
}

static enum step resume_command(struct client *client)
{
    enum command_outcome outcome;

    if (stream_unsent(&client->stream) >= CLIENT_HELD_BYTES) {
        leave_turns(client);
        return STEP_SPACE;
    }
    if (!has_turn(client))
        return STEP_TURN;
    if (client->takes_turns && !client->is_slow)
        return STEP_SLOW;
    outcome = command_resume(&client->running, &client->stream.out, seq_command_waits(client));
    leave_turns(client);
    return take_outcome(client, outcome);
}

static enum step end_idle(struct client *client, struct slice line)
{
    unwatch(client);
    return take_outcome(client, session_idle_end(&client->session, line, &client->stream.out));
}

static enum step answer_refused(struct client *client, const struct err *err)
{
    if (client->state == CLIENT_IDLING) /* a line too long to be DONE */
        return end_idle(client, SLICE(""));
    return take_outcome(
        client, command_refused(&client->session, imap_reader_tag(client->reader),
                                imap_reader_too_big(client->reader), err, &client->stream.out));
}

/* What has been read goes to the reader, until it has something to say. */
static enum step feed(struct client *client)
{
    struct slice bytes = stream_input(&client->stream), before = bytes;
    struct err err;
    enum imap_read said = imap_reader_feed(client->reader, &bytes, &err);

    stream_take(&client->stream, before.len - bytes.len);
    switch (said) {
    case READ_MORE:
        return STEP_ON;
    case READ_CONTINUE:
        buf_str(&client->stream.out, "+ OK\r\n");
        return STEP_ON;
    case READ_COMMAND:
        return run_command(client);
    case READ_LINE:
        return end_idle(client, imap_reader_text(client->reader).text);
    case READ_REFUSED:
        return answer_refused(client, &err);
    case READ_CLOSE:
        say(client, "* BYE ", err.text);
        end(client, "protocol");
        return STEP_END;
    }
    return STEP_END;
}

static enum step read_more(struct client *client)
{
    switch (stream_read(&client->stream)) {
    case STREAM_GOT:
        atomic_store(&client->last_active_us, clock_mono_us());
        return STEP_ON;
    case STREAM_NONE:
        return STEP_INPUT;
    case STREAM_BROKEN:
        client->broken = true;
        break;
    case STREAM_GARBLED:
        say(client, "* BYE ", "Broken compressed data");
        end(client, "broken compression");
        return STEP_END;
    case STREAM_ENDED:
        break;
    }
    end(client, client->broken ? "reset" : "client closed");
    return STEP_END;
}

static enum step take_input(struct client *client)
{
    if (stream_unsent(&client->stream) >= CLIENT_HELD_BYTES)
        return STEP_SPACE;
    return stream_input(&client->stream).len > 0 ? feed(client) : read_more(client);
}

/* ---- the states ---- */

static enum step open_account(struct client *client)
{
    const struct clients_options *options = clients_options(client->clients);
    const struct reader_limits limits = {READER_LINE_BYTES, READER_LITERAL_BYTES,
                                         options->message_max_bytes};
    struct session_grant grant = {
        .actor = {client->who.account, client->who.device},
        .rights = client->who.read_only ? SESSION_READ_ONLY : SESSION_FULL,
        .language = client->who.language,
        .message_limit = options->message_limit,
        .save_limit = options->save_limit,
        .folders = slice_from_str(client->who.folders),
        .mailboxes = slice_from_str(client->who.mailboxes),
        .message_max_bytes = options->message_max_bytes,
        .sets_quota = client->who.sets_quota,
        .submits =
            options->submits != NULL && options->submits(options->ctx, client->who.account),
        .logs_mail = options->log_mail_events,
        .referrals = options->referrals,
        .user = client->who.user,
        .home = *client->who.home != '\0' ? client->who.home : NULL,
    };
    struct err err;
    enum rc rc = account_open(options->store, client->who.account, true, &grant.account, &err);

    if (rc) {
        log_event(LEVEL_ERROR, "session.failed", LOG_STR("user", client->who.user),
                  LOG_ERR(&err));
        buf_append(&client->stream.out, client->tag);
        say(client, " NO [UNAVAILABLE] ", err.text);
        say(client, "* BYE ", "Try again later");
        end(client, "unavailable");
        return STEP_END;
    }
    session_init(&client->session, &grant);
    client->has_session = true;
    append_sink_init(&client->sink, &client->session);
    client->reader = imap_reader_new(&limits, &append_sink_ops, &client->sink);
    session_greet(&client->session, client->tag, &client->stream.out);
    set_state(client, CLIENT_READY);
    return STEP_ON;
}

/* Between two answers; a command that has begun to arrive goes on behind them. */
static enum step tell_news(struct client *client)
{
    if (stream_unsent(&client->stream) >= CLIENT_HELD_BYTES)
        return STEP_SPACE;
    return take_outcome(
        client, session_tell_news(&client->session, &client->stream.out, &client->running));
}

static enum step ready(struct client *client)
{
    if (session_hears(&client->session) && session_has_news(&client->session))
        return tell_news(client);
    return take_input(client);
}

static enum step idle(struct client *client)
{
    if (client->session.notify != NULL || session_hears(&client->session))
        return ready(client);
    if (stream_unsent(&client->stream) >= CLIENT_HELD_BYTES)
        return STEP_SPACE; /* news of one message become one, however long it takes */
    if (session_has_news(&client->session) &&
        session_idle_sync(&client->session, &client->stream.out) == COMMAND_CLOSE) {
        end(client, "mailbox deleted");
        return STEP_END;
    }
    return take_input(client);
}

static enum step step(struct client *client)
{
    switch (client->state) {
    case CLIENT_OPENING:
        return open_account(client);
    case CLIENT_READY:
        return ready(client);
    case CLIENT_BUSY:
        return resume_command(client);
    case CLIENT_IDLING:
        return idle(client);
    case CLIENT_ENDING:
        break;
    }
    return STEP_END;
}

static void take_orders(struct client *client)
{
    static const struct {
        unsigned order;
        const char *start, *text, *reason;
    } ends[] = {
        {ORDER_REVOKED,   "* BYE [EXPIRED] ",     "Access was revoked",                              "revoked"   },
        {ORDER_POLICY,    "* BYE [UNAVAILABLE] ", "Access rules have changed; log in again",
         "policy"                                                                                                },
        {ORDER_KICKED,    "* BYE [UNAVAILABLE] ", "Ended by the administrator",                      "kicked"    },
        {ORDER_SHUTDOWN,  "* BYE [UNAVAILABLE] ", "Server is shutting down",                         "shutdown"  },
        {ORDER_MAKE_ROOM, "* BYE [LIMIT] ",       "Too many connections; the longest idle one ends",
         "made room"                                                                                             },
        {ORDER_TIMEOUT,   "* BYE ",               "Autologout; idle for too long",                   "autologout"},
    };
    unsigned orders = atomic_exchange(&client->orders, 0) & ~(unsigned) ORDER_LATE;

    if (orders == 0)
        return;
    if (client->state == CLIENT_ENDING) { /* it was told, and does not read */
        if ((orders & (ORDER_TIMEOUT | ORDER_SHUTDOWN | ORDER_REVOKED | ORDER_POLICY)) != 0)
            client->broken = true;
        return;
    }
    for (size_t i = 0; i < COUNT(ends); i++) {
        if ((orders & ends[i].order) != 0) {
            if (client->state != CLIENT_BUSY) /* inside an answer there is no room for a line */
                say(client, ends[i].start, ends[i].text);
            end(client, ends[i].reason);
            return;
        }
    }
    if ((orders & ORDER_REST) != 0)
        stream_rest(&client->stream);
    if ((orders & ORDER_ALIVE) != 0 && atomic_load(&client->idles)) {
        say(client, "* OK ", "Still here");
        atomic_store(&client->last_active_us, clock_mono_us());
    }
}

/* ---- the end ---- */

static void log_end(const struct client *client)
{
    const struct session_counts *counts = &client->session.counts;
    AUTO(buf_done) struct buf address = {0};

    buf_init(&address, IPADDR_TEXT_BYTES);
    ipaddr_print(&address, &client->who.peer);

    log_event(
        LEVEL_INFO, "session.end", LOG_STR("user", client->who.user),
        LOG_STR("device", client->who.device_name), LOG_TEXT("address", buf_slice(&address)),
        LOG_STR("reason", client->end_reason != NULL ? client->end_reason : "closed"),
        LOG_NUM("seconds", (clock_mono_us() - client->started_us) / 1000000),
        LOG_NUM("bytes_in", client->stream.bytes_in),
        LOG_NUM("bytes_out", client->stream.bytes_out), LOG_NUM("commands", counts->commands),
        LOG_NUM("bad", counts->bad), LOG_NUM("fetched", counts->fetched),
        LOG_NUM("appended", counts->appended), LOG_NUM("expunged", counts->expunged));
}

static void client_free(struct client *client)
{
    command_abort(&client->running);
    unwait(client);
    unwatch(client);
    imap_reader_free(client->reader);
    if (client->has_session) {
        append_sink_done(&client->sink);
        session_done(&client->session);
    }
    stream_done(&client->stream);
    free(client->texts);
    free(client);
}

/* Not ours any more: what the client sent behind UNAUTHENTICATE goes with it. */
static void give_back(struct client *client, const struct clients_options *options)
{
    AUTO(buf_done) struct buf unread = {0};
    struct client_return back = {.fd = client->stream.fd,
                                 .gate = client->who.gate,
                                 .conn = client->who.conn,
                                 .proxied = client->who.proxied,
                                 .client_id = slice_from_str(client->who.client_id)};

    buf_init(&unread, CLIENT_UNREAD_BYTES);
    stream_unread(&client->stream, &unread);
    back.unread = buf_slice(&unread);
    options->returns(options->ctx, &back);
}

static unsigned finish(struct client *client, bool returns)
{
    struct clients *clients = client->clients;
    const struct clients_options *options = clients_options(clients);

    leave_turns(client);
    log_end(client);
    if (!returns && client->who.proxied && options->ends != NULL)
        options->ends(options->ctx, client->who.gate, client->who.conn);
    pool_forget(options->pool, client->handle);
    if (returns)
        give_back(client, options);
    clients_leave(clients, client->who.account, client->who.device);
    client_free(client);
    return POOL_GONE;
}

/* After the steps: what to wait for. */
static unsigned await(struct client *client, enum step last, enum flushed flushed)
{
    unsigned wants = 0;

    if (flushed == FLUSHED_BROKEN || client->broken)
        return finish(client, false);
    if (last == STEP_END && flushed == FLUSHED_ALL)
        return finish(client,
                      client->returns && clients_options(client->clients)->returns != NULL);
    if (last == STEP_END)
        return flushed == FLUSHED_FULL ? LOOP_OUT : 0;
    if (last == STEP_SLOW)
        return POOL_SLOW;
    if (last == STEP_TURN) /* a peer that does not read must not keep its turn from others */
        return 0;
    if (flushed == FLUSHED_FULL)
        wants |= LOOP_OUT;
    if (last == STEP_ON || (last == STEP_SPACE && flushed == FLUSHED_ALL))
        return wants | POOL_AGAIN;
    if (last == STEP_INPUT)
        wants |= LOOP_IN;
    return wants;
}

/* A change of groups that came before the mark stood is seen here; one behind it wakes us. */
static void note_guest(struct client *client)
{
    bool is_guest = client->has_session && session_follows_people(&client->session);

    if (atomic_exchange(&client->is_guest, is_guest) != is_guest && is_guest)
        pool_wake(clients_options(client->clients)->pool, client->handle);
}

unsigned client_run(void *ctx, unsigned ready)
{
    struct client *client = ctx;
    enum flushed flushed = FLUSHED_ALL;
    enum step last = STEP_ON;

    if ((ready & LOOP_IN) != 0)
        client->stream.drained = false;
    client->is_slow = (ready & POOL_IS_SLOW) != 0;
    note(client, true); /* a crash from here on has this account's name */
    take_orders(client);
    for (unsigned i = 0; i < (client->is_slow ? 1u : CLIENT_STEPS_MAX) && last == STEP_ON;
         i++) {
        last = step(client);
        if (stream_unsent(&client->stream) >= CLIENT_SEND_BYTES)
            flushed = flush(client);
    }
    flushed = flush(client);
    stream_trim(&client->stream);
    atomic_store(&client->can_rest, stream_can_rest(&client->stream));
    note_guest(client);
    note(client, false);
    return await(client, last, flushed);
}

/* ---- the start ---- */

/* At *at, which moves on behind it. */
static const char *copy_text(char **at, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*at, text, bytes);

    *at += bytes;
    return copy;
}

/* All texts of an idle client lie in one block of their size. */
static void copy_texts(struct client *client, const struct client_identity *who,
                       struct slice tag)
{
    char *at = client->texts =
        xmalloc(strlen(who->user) + strlen(who->device_name) + strlen(who->mechanism) +
                strlen(who->client_id) + strlen(who->folders) + strlen(who->mailboxes) +
                strlen(who->home) + 7 + tag.len);

    client->who = *who;
    client->who.user = copy_text(&at, who->user);
    client->who.device_name = copy_text(&at, who->device_name);
    client->who.mechanism = copy_text(&at, who->mechanism);
    client->who.client_id = copy_text(&at, who->client_id);
    client->who.folders = copy_text(&at, who->folders);
    client->who.mailboxes = copy_text(&at, who->mailboxes);
    client->who.home = copy_text(&at, who->home);
    if (tag.len > 0)
        memcpy(at, tag.ptr, tag.len);
    client->tag = slice_of(at, tag.len);
}

enum rc client_start(struct clients *clients, const struct client_handover *handover,
                     struct err *err)
{
    struct client *client;
    enum rc rc = clients_enter(clients, handover->who.account, handover->who.device, err);

    if (rc)
        return rc;
    client = xcalloc(1, sizeof(*client));
    client->clients = clients;
    copy_texts(client, &handover->who, handover->tag);
    stream_init(&client->stream, handover->fd, handover->unread, REPLY_MAX_BYTES);
    client->stream.drained =
        true; /* who waits for the login's answer; of others the pool tells */
    client->started_us = clock_mono_us();
    atomic_store(&client->last_active_us, client->started_us);
    rc = pool_add(clients_options(clients)->pool, client->stream.fd, client_run, client,
                  &client->handle, err);
    if (rc) {
        clients_leave(clients, client->who.account, client->who.device);
        client->stream.fd = -1; /* still the caller's */
        client_free(client);
    }
    return rc;
}
