/*
 * load_write.c - logging in, and mail coming in: APPEND, MULTIAPPEND, LMTP.
 */
#include "load.h"

static void prepare_login(struct client *client)
{
    client_log_in(client);
    wire_log_out(&client->wire);
}

static void run_login(struct client *client, size_t op)
{
    (void) op;
    client_log_in(client);
    wire_log_out(&client->wire);
}

static void prepare_load(struct client *client)
{
    client_log_in(client);
    mailbox_refill(client, "load");
}

static void finish_load(struct client *client)
{
    mailbox_expect(client, "load", client->uid);
    wire_log_out(&client->wire);
}

static void run_noop(struct client *client, size_t op)
{
    (void) op;
    wire_begin(&client->wire);
    buf_str(&client->wire.out, "NOOP\r\n");
    wire_send(&client->wire);
    (void) wire_check_tagged(&client->wire, wire_line(&client->wire), client->wire.tag);
}

static void run_append(struct client *client, size_t op)
{
    uint32_t number = (uint32_t) (client->n_messages + op + 1);

    append_send(client, "load", number);
    append_check(client, wire_await_ok(&client->wire));
}

/* To a mailbox that is large already. */
static void prepare_append_big(struct client *client)
{
    client_log_in(client);
    mailbox_ensure_mixed(client, "pristine");
    mailbox_copy(client, "pristine", "load");
    client->uid = (uint32_t) client->n_messages;
}

static void prepare_fill(struct client *client)
{
    client_log_in(client);
}

static void run_fill(struct client *client, size_t op)
{
    (void) op;
    mailbox_fill_mixed(client, "fill");
}

static void finish_fill(struct client *client)
{
    mailbox_expect(client, "fill", client->n_messages);
    wire_command(&client->wire, "DELETE fill");
    wire_log_out(&client->wire);
}

void lmtp_open(struct client *client)
{
    struct wire *wire = &client->wire;

    wire_open(wire, client->options->host, client->options->lmtp, NULL);
    wire_expect_reply(wire, SLICE("220"));
    buf_str(&wire->out, "LHLO load.example.org\r\n");
    wire_send(wire);
    wire_expect_reply(wire, SLICE("250"));
}

void lmtp_deliver(struct client *client, unsigned user, uint32_t number)
{
    struct slice message = client_message(client, number);
    struct wire *wire = &client->wire;

    buf_printf(&wire->out, "MAIL FROM:<ada@example.org>\r\nRCPT TO:<u%u@localhost>\r\nDATA\r\n",
               user);
    wire_send(wire);
    wire_expect_reply(wire, SLICE("250"));
    wire_expect_reply(wire, SLICE("250"));
    wire_expect_reply(wire, SLICE("354"));
    buf_append(&wire->out, message);
    buf_str(&wire->out, ".\r\n");
    wire_send(wire);
    wire_expect_reply(wire, SLICE("250"));
}

void lmtp_quit(struct client *client)
{
    struct wire *wire = &client->wire;

    buf_str(&wire->out, "QUIT\r\n");
    wire_send(wire);
    wire_expect_reply(wire, SLICE("221"));
    wire_close(wire);
}

/* How many messages the INBOX of uN has. */
static uint32_t inbox_count(struct client *client, unsigned user)
{
    unsigned own = client->wire.user;
    uint32_t n;

    client->wire.user = user;
    client_log_in(client);
    n = mailbox_status(client, "INBOX", "MESSAGES");
    wire_log_out(&client->wire);
    client->wire.user = own;
    return n;
}

static void expect_inbox(struct client *client, unsigned user, uint32_t n)
{
    if (inbox_count(client, user) != n)
        wire_wrong(&client->wire, "not the messages that were delivered", SLICE("INBOX"));
}

/* The delivered ones come on top. */
static void prepare_lmtp(struct client *client)
{
    client->uid = inbox_count(client, client->wire.user);
    lmtp_open(client);
}

static void run_lmtp(struct client *client, size_t op)
{
    lmtp_deliver(client, client->wire.user, (uint32_t) op + 1);
}

static void finish_lmtp(struct client *client)
{
    lmtp_quit(client);
    expect_inbox(client, client->wire.user, client->uid + (uint32_t) client->n_ops);
}

/* ---- any of many accounts: here n_messages counts those, each with mail ---- */

static unsigned any_user(const struct client *client, size_t op)
{
    return (unsigned) (op * 7919 % client->n_messages) + 1;
}

static void ensure_accounts(struct client *client)
{
    if (inbox_count(client, (unsigned) client->n_messages) > 0)
        return;
    lmtp_open(client);
    for (size_t i = 1; i <= client->n_messages; i++)
        lmtp_deliver(client, (unsigned) i, (uint32_t) i);
    lmtp_quit(client);
    client->has_filled = true;
}

static void prepare_login_any(struct client *client)
{
    ensure_accounts(client);
}

static void run_login_any(struct client *client, size_t op)
{
    client->wire.user = any_user(client, op);
    client_log_in(client);
    wire_command(&client->wire, "SELECT INBOX");
    wire_log_out(&client->wire);
}

static void prepare_lmtp_any(struct client *client)
{
    ensure_accounts(client);
    client->uid = inbox_count(client, any_user(client, 0));
    lmtp_open(client);
}

static void run_lmtp_any(struct client *client, size_t op)
{
    lmtp_deliver(client, any_user(client, op), (uint32_t) op + 1);
}

static void finish_lmtp_any(struct client *client)
{
    lmtp_quit(client);
    for (size_t op = 0; op < client->n_ops; op++)
        client->uid += any_user(client, op) == any_user(client, 0);
    expect_inbox(client, any_user(client, 0), client->uid);
}

// clang-format off
const struct scenario write_scenarios[] = {
    /* name   user clients  ops messages bytes units     writes  prepare       before run         finish */
    {"login",    1,  1,  1000,     0,    0, 1,           false, prepare_login, NULL, run_login,  scenario_nothing},
    {"noop",     1,  1, 10000,     0, 4096, 1,           false, prepare_load,  NULL, run_noop,   finish_load     },
    {"append",   1,  1,  1000,     0, 4096, 1,           true,  prepare_load,  NULL, run_append, finish_load     },
    {"append-big", 33, 1,  500, 10000,    0, 1,           true,  prepare_append_big, NULL, run_append, finish_load     },
    {"lmtp",     1,  1,  1000,     0, 4096, 1,           true,  prepare_lmtp,  NULL, run_lmtp,   finish_lmtp     },
    {"login-any", 1, 1,   200,   100,    0, 1,           false, prepare_login_any, NULL, run_login_any, scenario_nothing},
    {"lmtp-any", 1,  1,   200,   100, 4096, 1,           true,  prepare_lmtp_any, NULL, run_lmtp_any, finish_lmtp_any},
    {"fill",    33,  1,     1, 10000,    0, PER_MESSAGE, true,  prepare_fill,  NULL, run_fill,   finish_fill     },
    {.name = NULL},
};
// clang-format on
