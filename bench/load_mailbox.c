/*
 * load_mailbox.c - mailboxes that scenarios find or make, and what every client begins with.
 */
#include <stdio.h>

#include "base/scan.h"
#include "load.h"

#define FILL_WINDOW       64u /* APPENDs sent ahead */
#define MULTIAPPEND_MAIL  50u /* messages in one MULTIAPPEND */
#define MULTIAPPEND_AHEAD 4u

void client_open_imap(struct client *client, struct wire *wire)
{
    const struct options *options = client->options;

    wire_open(wire, options->host, options->tls != NULL ? options->imaps : options->imap,
              options->tls);
}

void client_log_in(struct client *client)
{
    client_open_imap(client, &client->wire);
    wire_log_in(&client->wire, client->options->password);
    if (client->options->compress)
        wire_compress(&client->wire);
}

struct slice client_message(struct client *client, uint32_t number)
{
    struct buf *pooled = &client->pool[number % POOL_MESSAGES];

    if (client->bag.message_bytes != 0) {
        if (pooled->len == 0)
            mail_write(&client->bag, number % POOL_MESSAGES + 1, pooled);
        return buf_slice(pooled);
    }
    buf_reset(&client->message);
    mail_write(&client->bag, number, &client->message);
    return buf_slice(&client->message);
}

void append_send(struct client *client, const char *mailbox, uint32_t number)
{
    struct slice message = client_message(client, number);

    wire_begin(&client->wire);
    buf_printf(&client->wire.out, "APPEND %s {%zu+}\r\n", mailbox, message.len);
    buf_append(&client->wire.out, message);
    buf_str(&client->wire.out, "\r\n");
    wire_send(&client->wire);
}

/* "[APPENDUID validity first:last] ..." */
static bool scan_appenduid(struct slice text, uint32_t *out_first, uint32_t *out_last)
{
    struct scan sc = scan_of(text);
    uint32_t validity;

    if (!scan_literal(&sc, SLICE("[APPENDUID ")) || !scan_u32(&sc, &validity) ||
        !scan_byte(&sc, ' ') || !scan_u32(&sc, out_first))
        return false;
    *out_last = *out_first;
    return (!scan_byte(&sc, ':') || scan_u32(&sc, out_last)) && scan_byte(&sc, ']');
}

/* UIDs follow each other without a gap. */
static void check_appended(struct client *client, struct slice text, uint32_t n)
{
    uint32_t first, last;

    if (!scan_appenduid(text, &first, &last) || first != client->uid + 1 ||
        last != client->uid + n)
        wire_wrong(&client->wire, "not the UIDs that were due", text);
    client->uid = last;
}

void append_check(struct client *client, struct slice text)
{
    check_appended(client, text, 1);
}

void mailbox_make(struct client *client, const char *mailbox)
{
    wire_try(&client->wire, "DELETE %s", mailbox);
    wire_command(&client->wire, "CREATE %s", mailbox);
    client->uid = 0;
    client->has_filled = true;
}

void mailbox_refill(struct client *client, const char *mailbox)
{
    struct wire *wire = &client->wire;
    size_t n = client->n_messages, sent = 0;
    uint32_t first;

    mailbox_make(client, mailbox);
    first = wire->tag + 1;
    for (size_t done = 0; done < n; done++) {
        for (; sent < n && sent < done + FILL_WINDOW; sent++)
            append_send(client, mailbox, (uint32_t) sent + 1);
        append_check(
            client, wire_check_tagged(wire, wire_skip_untagged(wire), first + (uint32_t) done));
    }
}

static void multiappend_send(struct client *client, const char *mailbox, uint32_t first,
                             uint32_t last)
{
    struct buf *out = &client->wire.out;

    wire_begin(&client->wire);
    buf_printf(out, "APPEND %s", mailbox);
    for (uint32_t number = first; number <= last; number++) {
        struct slice message = client_message(client, number);
        struct mail_facts facts;
        char date[MAIL_DATE_BYTES];

        mail_facts(&client->bag, number, &facts);
        mail_internal_date(facts.date, date);
        buf_printf(out, " (%s%s%s) \"%s\" {%zu+}\r\n", facts.is_seen ? "\\Seen" : "",
                   facts.is_answered ? &" \\Answered"[!facts.is_seen] : "",
                   facts.is_flagged ? &" \\Flagged"[!facts.is_seen && !facts.is_answered] : "",
                   date, message.len);
        buf_append(out, message);
    }
    buf_str(out, "\r\n");
    wire_send(&client->wire);
}

void mailbox_fill_mixed(struct client *client, const char *mailbox)
{
    struct wire *wire = &client->wire;
    uint32_t n = (uint32_t) client->n_messages, sent = 0, tag;

    mailbox_make(client, mailbox);
    tag = wire->tag;
    while (client->uid < n) {
        while (sent < n && sent < client->uid + MULTIAPPEND_AHEAD * MULTIAPPEND_MAIL) {
            uint32_t last = MIN(sent + MULTIAPPEND_MAIL, n);

            multiappend_send(client, mailbox, sent + 1, last);
            sent = last;
        }
        tag++;
        check_appended(client, wire_check_tagged(wire, wire_skip_untagged(wire), tag),
                       MIN(MULTIAPPEND_MAIL, n - client->uid));
    }
}

/* "* STATUS name (ITEM n)"; 0 if there is no such mailbox. */
uint32_t mailbox_status(struct client *client, const char *mailbox, const char *item)
{
    struct wire *wire = &client->wire;
    uint32_t value = 0;
    struct slice line;
    size_t at;

    wire_begin(wire);
    buf_printf(&wire->out, "STATUS %s (%s)\r\n", mailbox, item);
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire)) {
        if (!slice_starts(line, SLICE("* STATUS ")))
            continue;
        at = slice_rfind(line, ' ');
        if (at >= line.len || !slice_ends(line, SLICE(")")) ||
            !slice_to_u32(slice_sub(line, at + 1, line.len - at - 2), &value))
            wire_wrong(wire, "STATUS", line);
    }
    return value;
}

void mailbox_expect(struct client *client, const char *mailbox, uint64_t n_messages)
{
    uint32_t n = mailbox_status(client, mailbox, "MESSAGES");

    if (n != n_messages) {
        char text[64];

        (void) snprintf(text, sizeof(text), "%u messages, not %llu", n,
                        (unsigned long long) n_messages);
        wire_wrong(&client->wire, mailbox, slice_from_str(text));
    }
}

static bool is_filled(struct client *client, const char *mailbox)
{
    uint32_t n = mailbox_status(client, mailbox, "MESSAGES");

    return n == client->n_messages && mailbox_status(client, mailbox, "UIDNEXT") == n + 1;
}

void mailbox_ensure_mixed(struct client *client, const char *mailbox)
{
    if (!is_filled(client, mailbox))
        mailbox_fill_mixed(client, mailbox);
}

void mailbox_ensure_sized(struct client *client, const char *mailbox)
{
    if (!is_filled(client, mailbox))
        mailbox_refill(client, mailbox);
}

void mailbox_ensure_big(struct client *client)
{
    mailbox_ensure_mixed(client, "pristine");
    if (!is_filled(client, "big"))
        mailbox_copy(client, "pristine", "big");
}

void mailbox_copy(struct client *client, const char *from, const char *to)
{
    mailbox_make(client, to);
    client_select(client, from, client->n_messages);
    wire_command(&client->wire, "UID COPY 1:* %s", to);
    wire_command(&client->wire, "CLOSE");
    mailbox_expect(client, to, client->n_messages);
}

void client_select(struct client *client, const char *mailbox, uint64_t n_messages)
{
    struct wire *wire = &client->wire;
    struct slice line;
    bool found = false;
    char want[32];

    (void) snprintf(want, sizeof(want), "* %llu EXISTS", (unsigned long long) n_messages);
    wire_begin(wire);
    buf_printf(&wire->out, "SELECT %s\r\n", mailbox);
    wire_send(wire);
    for (line = wire_line(wire); slice_starts(line, SLICE("* ")); line = wire_line(wire))
        found = found || slice_eq(line, slice_from_str(want));
    (void) wire_check_tagged(wire, line, wire->tag);
    if (!found)
        wire_wrong(wire, "missing", slice_from_str(want));
}

void scenario_nothing(struct client *client)
{
    (void) client;
}

void scenario_log_out(struct client *client)
{
    wire_log_out(&client->wire);
}
