/*
 * gate_preauth.c - the commands a stranger may give.
 *
 * Spec: RFC 9051 3.1, 6.1, 6.2; RFC 2971 (ID); RFC 4959 (SASL-IR); RFC 5161 3.1 (ENABLE only
 * after login). What is known but needs a login is told so; a name nobody knows is BAD as well
 * (RFC 9051 6.5).
 */
#include "base/log.h"
#include "config/config.h"
#include "config/scram_offer.h"
#include "imap/capability.h"
#include "imap/language.h"
#include "imap/print.h"
#include "roles/gate_state.h"

#define CAPABILITY_BYTES 1024u

typedef void gate_command_fn(struct gate_conn *c, const struct imap_cmd *cmd);

struct gate_command {
    const char *name;
    imap_parse_fn *parse;
    gate_command_fn *run;
};

void gate_answer(struct gate_conn *c, struct slice tag, const char *status, const char *text)
{
    const struct imap_mode mode = {.language = c->language};
    struct slice all = slice_from_str(text);
    size_t code = text[0] == '[' ? slice_search(all, SLICE("] ")) + 2 : 0;

    buf_append(&c->out, tag.len > 0 ? tag : SLICE("*"));
    buf_printf(&c->out, " %s ", status);
    buf_append(&c->out, slice_sub(all, 0, code));
    imap_print_text_line(&c->out, text + MIN(code, all.len), mode);
}

void gate_refuse(struct gate_conn *c, struct slice tag, const char *status, const char *text)
{
    gate_answer(c, tag, status, text);
    if (++c->n_bad >= GATE_BAD_MAX)
        gate_conn_close(c, CLOSE_PROTOCOL, "Too many errors");
}

static void accept_command(struct gate_conn *c, const struct imap_cmd *cmd, const char *text)
{
    c->n_bad = 0;
    gate_answer(c, cmd->tag, "OK", text);
}

bool gate_login_is_disabled(const struct gate_conn *c)
{
    bool local = c->peer.family == IPADDR_NONE || ipaddr_is_loopback(&c->peer);

    return c->conn.tls == NULL && !((c->listener->flags & LISTENER_PLAINTEXT) != 0 && local);
}

static bool takes_starttls(const struct gate_conn *c)
{
    return c->conn.tls == NULL && (c->listener->flags & LISTENER_STARTTLS) != 0 &&
           tls_server_is_loaded(c->gate->tls);
}

/* Over TLS only: without it PLAIN is no worse, and nothing vouches for the server. */
static bool offers_scram(const struct gate_conn *c)
{
    const struct config *config = c->gate->start->config;

    return c->conn.tls != NULL && config_offers_scram(config);
}

static void print_capabilities(struct gate_conn *c)
{
    const struct config *config = c->gate->start->config;
    bool scram = offers_scram(c), tls = c->conn.tls != NULL;
    struct imap_cap_view view = {.external = c->external,
                                 .starttls = takes_starttls(c),
                                 .login_disabled = gate_login_is_disabled(c),
                                 .oauth = tls && config->oauth.n > 0,
                                 .gssapi = tls && config->gssapi_keytab[0] != '\0',
                                 .scram = scram,
                                 .scram_sha1 = scram && config->scram_sha1,
                                 .channel_binding = scram && tls_has_exporter(c->conn.tls),
                                 .login_referrals = config->moved_users.n > 0};

    imap_print_capabilities(&c->out, &view);
}

/* RFC 2221 4.2. Who comes is not known yet, so the URL names no user. */
static void send_elsewhere(struct gate_conn *c, const char *server)
{
    buf_str(&c->out, "* BYE [REFERRAL imap://");
    buf_str(&c->out, server);
    buf_str(&c->out, "/] This server takes no connections; go to that one\r\n");
    c->greeted = true;
    gate_conn_close(c, CLOSE_SHUTDOWN, "");
}

void gate_greet(struct gate_conn *c)
{
    const char *moved_to = c->gate->start->config->moved_to;

    if (moved_to[0] != '\0') {
        send_elsewhere(c, moved_to);
        return;
    }
    buf_str(&c->out, "* OK [");
    print_capabilities(c);
    buf_str(&c->out, "] Roost ready\r\n");
    c->greeted = true;
}

/* --- RFC 9051 6.1: any state --- */

static void run_capability(struct gate_conn *c, const struct imap_cmd *cmd)
{
    buf_str(&c->out, "* ");
    print_capabilities(c);
    buf_str(&c->out, "\r\n");
    accept_command(c, cmd, "CAPABILITY completed");
}

static void run_noop(struct gate_conn *c, const struct imap_cmd *cmd)
{
    accept_command(c, cmd, "NOOP completed");
}

static void run_logout(struct gate_conn *c, const struct imap_cmd *cmd)
{
    gate_answer(c, SLICE("*"), "BYE", "Logging out");
    accept_command(c, cmd, "LOGOUT completed");
    gate_conn_close(c, CLOSE_LOGOUT, "");
}

/* What stands behind "ID" is kept as it is: only a log ever shows it. */
static void run_id(struct gate_conn *c, const struct imap_cmd *cmd)
{
    struct slice all = slice_of(cmd->in.sc.start, (size_t) (cmd->in.sc.end - cmd->in.sc.start));
    struct slice argument = slice_from(all, cmd->tag.len + sizeof(" ID ") - 1);

    buf_reset(&c->client_id);
    buf_append(&c->client_id, slice_sub(argument, 0, GATE_CLIENT_ID_MAX));
    buf_str(&c->out, "* ID (\"name\" \"Roost\")\r\n");
    accept_command(c, cmd, "ID completed");
}

/* RFC 5255 3.2; there is no NAMESPACE before login. */
static void run_language(struct gate_conn *c, const struct imap_cmd *cmd)
{
    const struct imap_language_args *args = &cmd->args.language;

    if (args->n == 0) {
        imap_print_languages(&c->out);
        accept_command(c, cmd, "Supported languages have been listed");
    } else if (!imap_language_lookup(args->ranges, args->n, &c->language)) {
        gate_answer(c, cmd->tag, "NO", "Unsupported language");
    } else {
        imap_print_language(&c->out, c->language);
        accept_command(c, cmd,
                       c->language == IMAP_LANGUAGE_EN ? "Now speaking English"
                                                       : "Language changed");
    }
}

/* --- RFC 9051 6.2: not authenticated --- */

static void run_starttls(struct gate_conn *c, const struct imap_cmd *cmd)
{
    if (c->conn.tls != NULL) {
        gate_refuse(c, cmd->tag, "BAD", "TLS is on already");
    } else if (!takes_starttls(c)) {
        gate_refuse(c, cmd->tag, "BAD", "STARTTLS is not offered here");
    } else {
        c->n_bad = 0;
        buf_reset(&c->client_id); /* RFC 9051 6.2.1: forget what came without TLS */
        buf_reset(&c->tag);
        buf_append(&c->tag, cmd->tag);
        gate_conn_enter(c, GATE_HANDSHAKE);
    }
}

/* What the parser has copied out of the command lies in its arena. */
static void forget(struct slice secret)
{
    if (secret.len > 0)
        explicit_bzero((char *) (uintptr_t) secret.ptr, secret.len);
}

static void run_login(struct gate_conn *c, const struct imap_cmd *cmd)
{
    const struct imap_login_args *args = &cmd->args.login;
    size_t len = args->user.len + args->password.len + 2;
    /* RFC 4616: NUL user NUL password */
    AUTO(buf_done) struct buf initial = {.max = len, .secret = true};

    buf_byte(&initial, '\0');
    buf_append(&initial, args->user);
    buf_byte(&initial, '\0');
    buf_append(&initial, args->password);
    gate_login_start(c, "LOGIN", cmd->tag, SLICE("LOGIN-COMMAND"), true, buf_slice(&initial));
    forget(args->password);
}

static void run_authenticate(struct gate_conn *c, const struct imap_cmd *cmd)
{
    const struct imap_authenticate_args *args = &cmd->args.authenticate;

    if (args->initial.len > MSG_SASL_MAX)
        gate_refuse(c, cmd->tag, "BAD", "Response is too long");
    else
        gate_login_start(c, "AUTHENTICATE", cmd->tag, args->mechanism, args->has_initial,
                         args->initial);
    forget(args->initial);
}

static void run_enable(struct gate_conn *c, const struct imap_cmd *cmd)
{
    gate_refuse(c, cmd->tag, "BAD", "ENABLE comes after login");
}

// clang-format off
static const struct gate_command commands[] = {
    {"CAPABILITY",   imap_parse_none,         run_capability},
    {"NOOP",         imap_parse_none,         run_noop},
    {"LOGOUT",       imap_parse_none,         run_logout},
    {"ID",           imap_parse_id,           run_id},
    {"LANGUAGE",     imap_parse_language,     run_language},
    {"STARTTLS",     imap_parse_none,         run_starttls},
    {"LOGIN",        imap_parse_login,        run_login},
    {"AUTHENTICATE", imap_parse_authenticate, run_authenticate},
    {"ENABLE",       imap_parse_enable,       run_enable},
};

static const char *const after_login[] = {
    "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB",
    "NAMESPACE", "STATUS", "APPEND", "IDLE", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH",
    "FETCH", "STORE", "COPY", "MOVE", "UNAUTHENTICATE",
};

/* RFC 9110 9.3, and CONNECT's friends. */
static const char *const http_methods[] = {
    "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI ",
};
// clang-format on

/*
 * A browser can be made to send a form to our port; its body would then be read as commands
 * with the user's knowledge but not their will. "GET" alone is a fine tag, so the version, a
 * path or a URL must follow.
 */
static bool is_http(struct slice line)
{
    for (size_t i = 0; i < COUNT(http_methods); i++) {
        struct slice method = slice_from_str(http_methods[i]);
        struct slice rest;

        if (!slice_starts(line, method))
            continue;
        rest = slice_from(line, method.len);
        return slice_starts(rest, SLICE("/")) || slice_starts_nocase(rest, SLICE("http")) ||
               slice_search(rest, SLICE(" HTTP/")) < rest.len;
    }
    return false;
}

static const struct gate_command *find(struct slice name)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (slice_eq_nocase(name, slice_from_str(commands[i].name)))
            return &commands[i];
    }
    return NULL;
}

static void refuse_unknown(struct gate_conn *c, const struct imap_cmd *cmd)
{
    for (size_t i = 0; i < COUNT(after_login); i++) {
        if (slice_eq_nocase(cmd->name, slice_from_str(after_login[i]))) {
            gate_refuse(c, cmd->tag, "BAD", "Log in first");
            return;
        }
    }
    gate_refuse(c, cmd->tag, "BAD", "Unknown command");
}

void gate_run_command(struct gate_conn *c, const struct imap_text *text)
{
    struct arena *arena = c->gate->arena;
    const struct gate_command *command;
    struct imap_cmd cmd;
    struct err err = {0};
    enum rc rc;

    if (is_http(text->text)) {
        gate_conn_drop(c, CLOSE_PROTOCOL);
        return;
    }
    arena_reset(arena);
    rc = imap_parse_head(text, (struct imap_mode){0}, arena, &cmd, &err);
    if (rc) {
        gate_refuse(c, imap_command_tag(text->text), "BAD", err.text);
        return;
    }
    command = cmd.uid ? NULL : find(cmd.name);
    if (command == NULL) {
        refuse_unknown(c, &cmd);
        return;
    }
    rc = imap_parse_args(&cmd, command->parse, &err);
    if (rc)
        gate_refuse(c, cmd.tag, rc == RC_SYNTAX ? "BAD" : "NO", err.text);
    else
        command->run(c, &cmd);
}
