#include "auth/mta_line.h"

#include "base/scan.h"

#define MECHANISM_MAX_BYTES 20u /* RFC 4422 3.1 */
#define TLS_1_2             0x0303u
#define TLS_1_3             0x0304u
#define ESCAPE              '\001'

static enum rc malformed(struct err *err, const char *what)
{
    return err_set(err, RC_SYNTAX, "Malformed request", "auth socket: %s", what);
}

/* Up to the next TAB, which is taken, or to the end. */
static struct slice take_field(struct scan *sc)
{
    struct slice field;

    if (scan_until(sc, '\t', &field))
        (void) scan_byte(sc, '\t');
    else
        (void) scan_take(sc, scan_left(sc), &field);
    return field;
}

/* Postfix and Exim write an address as text; a link-local one may name its interface, which
 * means nothing to us. */
static bool read_address(struct slice text, struct ipaddr *out)
{
    uint16_t port = out->port;

    if (!ipaddr_parse(slice_sub(text, 0, slice_find(text, '%')), out))
        return false;
    out->port = port;
    return true;
}

static bool read_port(struct slice text, struct ipaddr *out)
{
    uint32_t port;

    if (!slice_to_u32(text, &port) || port > UINT16_MAX)
        return false;
    out->port = (uint16_t) port;
    return true;
}

/* "TLSv1.3"; another version than the two is as good as not said. */
static uint16_t tls_version_of(struct slice text)
{
    if (slice_eq(text, SLICE("TLSv1.3")))
        return TLS_1_3;
    return slice_eq(text, SLICE("TLSv1.2")) ? TLS_1_2 : 0;
}

/* RC_OK also for what is not known. */
static enum rc take_param(struct slice param, struct mta_line *out, struct err *err)
{
    size_t eq = slice_find(param, '=');
    struct slice name = slice_sub(param, 0, eq);
    struct slice value = slice_from(param, eq + 1);

    if (slice_eq(name, SLICE("service")))
        out->service = value;
    else if (slice_eq(name, SLICE("rip")))
        return read_address(value, &out->remote) ? RC_OK : malformed(err, "rip");
    else if (slice_eq(name, SLICE("lip")))
        return read_address(value, &out->local) ? RC_OK : malformed(err, "lip");
    else if (slice_eq(name, SLICE("rport")))
        return read_port(value, &out->remote) ? RC_OK : malformed(err, "rport");
    else if (slice_eq(name, SLICE("lport")))
        return read_port(value, &out->local) ? RC_OK : malformed(err, "lport");
    else if (slice_eq(name, SLICE("tls_protocol")))
        out->tls_version = tls_version_of(value);
    else if (slice_eq(name, SLICE("secured")))
        out->secured = true; /* alone, or "secured=tls" of newer clients */
    return RC_OK;
}

/* "resp" ends the line: all behind it is its value. */
static enum rc take_params(struct scan *sc, struct mta_line *out, struct err *err)
{
    for (size_t n = 0; !scan_done(sc); n++) {
        enum rc rc;

        if (n == MTA_PARAMS_MAX)
            return err_set(err, RC_LIMIT, "Too many parameters", "auth socket: over %u",
                           MTA_PARAMS_MAX);
        if (scan_literal(sc, SLICE("resp="))) {
            out->has_response = true;
            out->response = scan_rest(sc);
            return RC_OK;
        }
        rc = take_param(take_field(sc), out, err);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc take_auth(struct scan *sc, struct mta_line *out, struct err *err)
{
    out->mechanism = take_field(sc);
    if (out->mechanism.len == 0 || out->mechanism.len > MECHANISM_MAX_BYTES)
        return malformed(err, "mechanism");
    return take_params(sc, out, err);
}

enum rc mta_parse_line(struct slice line, struct mta_line *out, struct err *err)
{
    static const struct {
        const char *name;
        enum mta_verb verb;
    } verbs[] = {
        {"VERSION", MTA_VERSION},
        {"CPID",    MTA_CPID   },
        {"AUTH",    MTA_AUTH   },
        {"CONT",    MTA_CONT   },
        {"CANCEL",  MTA_CANCEL },
    };
    struct mta_line found = {.verb = MTA_OTHER};
    struct scan sc = scan_of(line);
    struct slice name = take_field(&sc);
    enum rc rc = RC_OK;

    for (size_t i = 0; i < COUNT(verbs); i++)
        if (slice_eq(name, slice_from_str(verbs[i].name)))
            found.verb = verbs[i].verb;
    if (found.verb != MTA_OTHER && !slice_to_u32(take_field(&sc), &found.number))
        return malformed(err, "number");
    if (found.verb == MTA_AUTH)
        rc = take_auth(&sc, &found, err);
    else if (found.verb == MTA_CONT)
        found.response = scan_rest(&sc);
    if (rc)
        return rc;
    *out = found;
    return RC_OK;
}

void mta_print_value(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char escaped = '\0';

        switch (value.ptr[i]) {
        case '\0':
            escaped = '0';
            break;
        case ESCAPE:
            escaped = '1';
            break;
        case '\t':
            escaped = 't';
            break;
        case '\r':
            escaped = 'r';
            break;
        case '\n':
            escaped = 'n';
            break;
        default:
            buf_byte(out, value.ptr[i]);
            continue;
        }
        buf_byte(out, ESCAPE);
        buf_byte(out, escaped);
    }
}
