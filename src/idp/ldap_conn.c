#include "idp/ldap_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/scan.h"
#include "idp/ldap_library.h"

#define LEAST_WAIT_US 1000

/*
 * Below TLS each read and write waits for the socket no longer than the deadline: libldap's own
 * timeouts do not bound a handshake, nor the rest of a message that has begun.
 */
#define WIRE_LEVEL (LBER_SBIOD_LEVEL_PROVIDER + 5) /* between TCP and TLS */

struct ldap_wire {
    int64_t deadline_us;
    struct ldap_conncb connected;
};

static bool wait_ready(const Sockbuf_IO_Desc *layer, short events)
{
    const struct ldap_wire *wire = layer->sbiod_pvt;
    int64_t left_us = wire->deadline_us - clock_mono_us();
    struct pollfd fd = {.events = events};
    ber_socket_t number = -1;

    if (openldap.ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &number) != 1)
        return false;
    fd.fd = number;
    if (left_us > 0 && poll(&fd, 1, (int) (left_us / 1000) + 1) == 1)
        return true;
    errno = ETIMEDOUT;
    return false;
}

static int wire_setup(Sockbuf_IO_Desc *layer, void *arg)
{
    layer->sbiod_pvt = arg;
    return 0;
}

static int wire_remove(Sockbuf_IO_Desc *layer)
{
    (void) layer; /* the connection owns what it points to */
    return 0;
}

static int wire_ctrl(Sockbuf_IO_Desc *layer, int option, void *arg)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, arg);
}

static ber_slen_t wire_read(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    return wait_ready(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, bytes, len) : -1;
}

static ber_slen_t wire_write(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
    return wait_ready(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, bytes, len) : -1;
}

static int wire_close(Sockbuf_IO_Desc *layer)
{
    (void) layer; /* TCP's own closes it */
    return 0;
}

static const Sockbuf_IO wire_io = {
    .sbi_setup = wire_setup,
    .sbi_remove = wire_remove,
    .sbi_ctrl = wire_ctrl,
    .sbi_read = wire_read,
    .sbi_write = wire_write,
    .sbi_close = wire_close,
};

/* struct ldap_conncb functions: TCP stands, TLS has not begun. */
static int on_connected(LDAP *ld, Sockbuf *sb, LDAPURLDesc *server, struct sockaddr *address,
                        struct ldap_conncb *connected)
{
    (void) ld;
    (void) server;
    (void) address;
    return openldap.ber_sockbuf_add_io(sb, (Sockbuf_IO *) (uintptr_t) &wire_io, WIRE_LEVEL,
                                       connected->lc_arg);
}

static void on_closed(LDAP *ld, Sockbuf *sb, struct ldap_conncb *connected)
{
    (void) ld;
    (void) sb;
    (void) connected;
}

bool ldap_is_broken(int code)
{
    return code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR || code == LDAP_TIMEOUT ||
           code == LDAP_UNAVAILABLE || code == LDAP_BUSY || code == LDAP_LOCAL_ERROR ||
           code == LDAP_DECODING_ERROR || code == LDAP_ENCODING_ERROR;
}

static struct timeval left_until(int64_t deadline_us)
{
    int64_t left = deadline_us - clock_mono_us();

    if (left < LEAST_WAIT_US)
        left = LEAST_WAIT_US;
    return (struct timeval){.tv_sec = left / 1000000, .tv_usec = left % 1000000};
}

static int last_error(LDAP *ld)
{
    int code = LDAP_SERVER_DOWN;

    /* If that fails the connection is gone. */
    (void) openldap.ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
    return code == LDAP_SUCCESS ? LDAP_SERVER_DOWN : code;
}

/* All of the answer to one message. */
static int wait_for(struct ldap_conn *conn, int id, LDAPMessage **out)
{
    struct timeval left = left_until(conn->wire->deadline_us);
    LDAP *ld = conn->ld;
    int type = openldap.ldap_result(ld, id, LDAP_MSG_ALL, &left, out);

    if (type > 0)
        return LDAP_SUCCESS;
    if (type < 0)
        return last_error(ld);
    /* Whatever it answers: the connection is closed soon. */
    (void) openldap.ldap_abandon_ext(ld, id, NULL, NULL);
    return LDAP_TIMEOUT;
}

static bool set(LDAP *ld, int option, const void *value)
{
    return openldap.ldap_set_option(ld, option, value) == LDAP_OPT_SUCCESS;
}

/* The certificate must be good and name the server, or there is no connection. */
static bool set_tls(LDAP *ld, const struct ldap_settings *settings)
{
    const int demand = LDAP_OPT_X_TLS_HARD, least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;

    return set(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) &&
           set(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) &&
           set(ld, LDAP_OPT_X_TLS_CACERTFILE, settings->ca_file.ptr) &&
           set(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
}

static bool set_limits(struct ldap_conn *conn)
{
    LDAP *ld = conn->ld;
    const int version = LDAP_VERSION3;
    struct timeval left = left_until(conn->wire->deadline_us);
    ber_len_t most = LDAP_ANSWER_MAX_BYTES;
    Sockbuf *sb = NULL;

    return set(ld, LDAP_OPT_PROTOCOL_VERSION, &version) &&
           set(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) &&
           set(ld, LDAP_OPT_RESTART, openldap.ber_pvt_opt_on) &&
           set(ld, LDAP_OPT_NETWORK_TIMEOUT, &left) && set(ld, LDAP_OPT_TIMEOUT, &left) &&
           set(ld, LDAP_OPT_CONNECT_CB, &conn->wire->connected) &&
           openldap.ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS &&
           openldap.ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most) >= 0;
}

static int start_tls(struct ldap_conn *conn)
{
    LDAP *ld = conn->ld;
    LDAPMessage *answer = NULL;
    int id, result = LDAP_OTHER, code = openldap.ldap_start_tls(ld, NULL, NULL, &id);

    if (code == LDAP_SUCCESS)
        code = wait_for(conn, id, &answer);
    if (code != LDAP_SUCCESS)
        return code;
    code = openldap.ldap_parse_extended_result(ld, answer, NULL, NULL, 0);
    if (code == LDAP_SUCCESS)
        code = openldap.ldap_parse_result(ld, answer, &result, NULL, NULL, NULL, NULL, 0);
    (void) openldap.ldap_msgfree(answer); /* its type */
    if (code == LDAP_SUCCESS && result != LDAP_SUCCESS)
        code = LDAP_CONNECT_ERROR; /* never on without TLS */
    return code == LDAP_SUCCESS ? openldap.ldap_install_tls(ld) : code;
}

int ldap_conn_open(const struct ldap_settings *settings, const struct ldap_server *server,
                   int64_t deadline_us, struct ldap_conn *out)
{
    struct ldap_conn conn = {NULL, NULL};
    int code = openldap.ldap_initialize(&conn.ld, server->uri.ptr);

    if (code != LDAP_SUCCESS)
        return code;
    conn.wire = xcalloc(1, sizeof(*conn.wire));
    conn.wire->deadline_us = deadline_us;
    conn.wire->connected =
        (struct ldap_conncb){.lc_add = on_connected, .lc_del = on_closed, .lc_arg = conn.wire};
    if (!set_limits(&conn) || !set_tls(conn.ld, settings))
        code = LDAP_LOCAL_ERROR;
    else if (settings->starttls)
        code = start_tls(&conn);
    if (code != LDAP_SUCCESS) {
        ldap_conn_close(&conn);
        return code;
    }
    *out = conn;
    return LDAP_SUCCESS;
}

void ldap_conn_close(struct ldap_conn *conn)
{
    if (conn->ld != NULL) /* frees it, whatever it answers */
        (void) openldap.ldap_unbind_ext(conn->ld, NULL, NULL);
    free(conn->wire);
    *conn = (struct ldap_conn){NULL, NULL};
}

/* "... comment: AcceptSecurityContext error, data 533, v4f7c": the number, hexadecimal. */
static unsigned read_reason(const char *text)
{
    const char *at = text != NULL ? strstr(text, ", data ") : NULL;
    unsigned number = 0;
    size_t n = 0;

    if (at == NULL)
        return 0;
    for (at += 7; n < 4 && ascii_hex_value(*at) >= 0; n++, at++)
        number = number * 16 + (unsigned) ascii_hex_value(*at);
    return number;
}

int ldap_conn_bind(struct ldap_conn *conn, struct slice dn, struct slice password,
                   int64_t deadline_us, unsigned *out_reason)
{
    struct berval secret = {.bv_len = password.len,
                            .bv_val = (char *) (uintptr_t) password.ptr};
    LDAPMessage *answer = NULL;
    char *text = NULL;
    int id, result = LDAP_OTHER, code;

    *out_reason = 0;
    conn->wire->deadline_us = deadline_us;
    if (dn.len > 0 && password.len == 0)
        return LDAP_INAPPROPRIATE_AUTH;
    code = openldap.ldap_sasl_bind(conn->ld, dn.len > 0 ? dn.ptr : "", LDAP_SASL_SIMPLE,
                                   &secret, NULL, NULL, &id);
    if (code == LDAP_SUCCESS)
        code = wait_for(conn, id, &answer);
    if (code != LDAP_SUCCESS)
        return code;
    code = openldap.ldap_parse_result(conn->ld, answer, &result, NULL, &text, NULL, NULL, 0);
    if (code == LDAP_SUCCESS)
        code = result;
    *out_reason = read_reason(text);
    openldap.ldap_memfree(text);
    (void) openldap.ldap_msgfree(answer); /* its type */
    return code;
}

int ldap_conn_search(struct ldap_conn *conn, const struct ldap_query *query,
                     int64_t deadline_us, LDAPMessage **out)
{
    struct timeval left = left_until(deadline_us);
    char *attributes[COUNT(query->attributes) + 1] = {NULL};
    LDAPMessage *answer = NULL;
    int id, result = LDAP_OTHER, code;

    conn->wire->deadline_us = deadline_us;
    for (size_t i = 0; i < COUNT(query->attributes); i++)
        attributes[i] = (char *) (uintptr_t) query->attributes[i];
    code = openldap.ldap_search_ext(conn->ld, query->base, query->scope, query->filter,
                                    attributes, 0, NULL, NULL, &left, query->size_limit, &id);
    if (code == LDAP_SUCCESS)
        code = wait_for(conn, id, &answer);
    if (code != LDAP_SUCCESS)
        return code;
    code = openldap.ldap_parse_result(conn->ld, answer, &result, NULL, NULL, NULL, NULL, 0);
    if (code == LDAP_SUCCESS)
        code = result;
    if (code == LDAP_SUCCESS)
        *out = answer;
    else
        (void) openldap.ldap_msgfree(answer); /* its type */
    return code;
}
