#include "ipc/message.h"

#include <assert.h>

/* Wire: type u16, version u8, zero u8, then the fields in the order of the table. */

#define FROM(role) (1u << ROLE_##role)
#define TO(role)   (1u << ROLE_##role)
#define FROM_ANY   ((1u << ROLE_COUNT) - 1)
#define TO_ANY     ((1u << ROLE_COUNT) - 1)

struct row {
    const char *name;
    enum msg_type type;
    uint8_t version, n_fds;
    unsigned from, to; /* a bit per role */
};

// clang-format off
static const struct row rows[] = {
#define ROW(NAME, name, nr, ver, fds, from, to) {#NAME, MSG_##NAME, ver, fds, from, to},
    MESSAGES(ROW)
#undef ROW
};
// clang-format on

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_SUPERVISOR] = "supervisor",
    [ROLE_GATE] = "gate",
    [ROLE_AUTH] = "auth",
    [ROLE_MAIL] = "mail",
    [ROLE_DIGEST] = "digest",
    [ROLE_LOG] = "log",
    [ROLE_IDP] = "idp",
    [ROLE_WEB] = "web",
    [ROLE_KEYS] = "keys",
    [ROLE_SHIP] = "ship",
    [ROLE_GSS] = "gss",
};

const char *role_name(enum role role)
{
    return (size_t) role < COUNT(role_names) ? role_names[role] : "?";
}

bool role_from_name(struct slice name, enum role *out)
{
    for (size_t i = 0; i < COUNT(role_names); i++) {
        if (slice_eq(name, slice_from_str(role_names[i]))) {
            *out = (enum role) i;
            return true;
        }
    }
    return false;
}

static const struct row *find_row(uint32_t number)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if ((uint32_t) rows[i].type == number)
            return &rows[i];
    }
    return NULL;
}

const char *msg_name(enum msg_type type)
{
    const struct row *row = find_row((uint32_t) type);

    return row != NULL ? row->name : "?";
}

size_t msg_n_fds(enum msg_type type)
{
    const struct row *row = find_row((uint32_t) type);

    return row != NULL ? row->n_fds : 0;
}

static bool put_addr(struct buf *out, const struct ipaddr *addr)
{
    buf_le8(out, addr->family);
    buf_le16(out, addr->port);
    buf_append(out, slice_of(addr->bytes, sizeof(addr->bytes)));
    return true;
}

static bool put_bytes(struct buf *out, struct slice bytes, size_t max)
{
    if (bytes.len > max)
        return false;
    buf_le_bytes(out, bytes);
    return true;
}

static bool get_fixed(struct scan *sc, uint8_t *to, size_t len)
{
    struct slice bytes;

    if (!scan_take(sc, len, &bytes))
        return false;
    memcpy(to, bytes.ptr, len);
    return true;
}

static bool get_addr(struct scan *sc, struct ipaddr *addr)
{
    return scan_le8(sc, &addr->family) && scan_le16(sc, &addr->port) &&
           get_fixed(sc, addr->bytes, sizeof(addr->bytes)) &&
           (addr->family == IPADDR_NONE || addr->family == IPADDR_V4 ||
            addr->family == IPADDR_V6);
}

/* A put_NAME and a get_NAME for each row: chains of `&&` over its fields. */
// clang-format off
#define PUT_U8(f)       && (buf_le8(out, m->f), true)
#define PUT_U16(f)      && (buf_le16(out, m->f), true)
#define PUT_U32(f)      && (buf_le32(out, m->f), true)
#define PUT_U64(f)      && (buf_le64(out, m->f), true)
#define PUT_ADDR(f)     && put_addr(out, &m->f)
#define PUT_BYTES(f, x) && put_bytes(out, m->f, x)
#define PUT_FIXED(f, n) && (buf_append(out, slice_of(m->f, n)), true)
#define GET_U8(f)       && scan_le8(sc, &m->f)
#define GET_U16(f)      && scan_le16(sc, &m->f)
#define GET_U32(f)      && scan_le32(sc, &m->f)
#define GET_U64(f)      && scan_le64(sc, &m->f)
#define GET_ADDR(f)     && get_addr(sc, &m->f)
#define GET_BYTES(f, x) && scan_le_bytes(sc, x, &m->f)
#define GET_FIXED(f, n) && get_fixed(sc, m->f, n)

#define DEFINE_PUT_GET(NAME, name, nr, ver, fds, from, to)                                     \
    static bool put_##name(struct buf *out, const struct msg_##name *m)                        \
    {                                                                                          \
        return true MSG_##NAME##_FIELDS(PUT_U8, PUT_U16, PUT_U32, PUT_U64, PUT_ADDR,           \
                                        PUT_BYTES, PUT_FIXED);                                 \
    }                                                                                          \
    static bool get_##name(struct scan *sc, struct msg_##name *m)                              \
    {                                                                                          \
        return true MSG_##NAME##_FIELDS(GET_U8, GET_U16, GET_U32, GET_U64, GET_ADDR,           \
                                        GET_BYTES, GET_FIXED);                                 \
    }
MESSAGES(DEFINE_PUT_GET)

static bool put_any(struct buf *out, const struct msg *msg)
{
    switch (msg->type) {
#define PUT_CASE(NAME, name, nr, ver, fds, from, to)                                           \
    case MSG_##NAME:                                                                           \
        return put_##name(out, &msg->name);
    MESSAGES(PUT_CASE)
    case MSG_NONE:
        break;
    }
    return false;
}

static bool get_any(struct scan *sc, struct msg *msg)
{
    switch (msg->type) {
#define GET_CASE(NAME, name, nr, ver, fds, from, to)                                           \
    case MSG_##NAME:                                                                           \
        return get_##name(sc, &msg->name);
    MESSAGES(GET_CASE)
    case MSG_NONE:
        break;
    }
    return false;
}
// clang-format on

enum rc msg_encode(const struct msg *msg, struct buf *out, struct err *err)
{
    const struct row *row = find_row((uint32_t) msg->type);
    size_t start = out->len;
    bool overflowed = out->overflow;

    assert(row != NULL);
    buf_le16(out, (uint16_t) msg->type);
    buf_le8(out, row->version);
    buf_le8(out, 0);
    if (put_any(out, msg) && !out->overflow && out->len - start <= MSG_MAX_BYTES)
        return RC_OK;
    buf_truncate(out, start);
    out->overflow = overflowed;
    return err_set(err, RC_LIMIT, "Too long", "message %s: a field is too long", row->name);
}

enum rc msg_decode(struct slice bytes, size_t n_fds, enum role from, enum role to,
                   struct msg *out, struct err *err)
{
    struct scan sc = scan_of(bytes);
    struct msg msg = {.type = MSG_NONE};
    const struct row *row;
    uint16_t number;
    uint8_t version, zero;

    if (!scan_le16(&sc, &number) || !scan_le8(&sc, &version) || !scan_le8(&sc, &zero))
        return err_set(err, RC_SYNTAX, "Internal error", "message from %s: %zu bytes",
                       role_name(from), bytes.len);
    row = find_row(number);
    if (row == NULL || row->version != version || zero != 0)
        return err_set(err, RC_SYNTAX, "Internal error",
                       "message from %s: type %u version %u is not known", role_name(from),
                       number, version);
    if ((row->from & (1u << from)) == 0 || (row->to & (1u << to)) == 0)
        return err_set(err, RC_DENIED, "Internal error", "message %s from %s to %s", row->name,
                       role_name(from), role_name(to));
    if (row->n_fds != n_fds)
        return err_set(err, RC_SYNTAX, "Internal error", "message %s: %zu descriptors",
                       row->name, n_fds);
    msg.type = row->type;
    if (!get_any(&sc, &msg) || !scan_done(&sc))
        return err_set(err, RC_SYNTAX, "Internal error", "message %s from %s: malformed",
                       row->name, role_name(from));
    *out = msg;
    return RC_OK;
}

void msg_list_add(struct buf *list, struct slice item)
{
    buf_le_bytes(list, item);
}

bool msg_list_next(struct scan *list, struct slice *out)
{
    return scan_le_bytes(list, MSG_MAX_BYTES, out);
}
