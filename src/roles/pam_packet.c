/* pam_packet.c - what auth and a helper of PAM say to each other. */
#include "base/ascii.h"
#include "base/scan.h"
#include "roles/pam_helper.h"

static bool is_text(struct slice text, size_t max)
{
    return text.len > 0 && text.len <= max && memchr(text.ptr, '\0', text.len) == NULL;
}

static bool take_text(struct scan *sc, size_t max, struct slice *out)
{
    uint16_t len;

    return scan_le16(sc, &len) && scan_take(sc, len, out) && is_text(*out, max);
}

/* Modules write the name into logs of their own, and into environments. */
static bool has_controls(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (ascii_is_ctl(name.ptr[i]))
            return true;
    return false;
}

bool pam_can_ask(struct slice user, struct slice secret)
{
    return !has_controls(user) && is_text(user, PAM_NAME_MAX_BYTES) &&
           is_text(secret, PAM_SECRET_MAX_BYTES);
}

static size_t put_text(char *out, struct slice text)
{
    uint16_t len = htole16((uint16_t) text.len);

    memcpy(out, &len, sizeof(len));
    memcpy(out + sizeof(len), text.ptr, text.len);
    return sizeof(len) + text.len;
}

size_t pam_question_write(struct slice user, struct slice secret,
                          char out[PAM_PACKET_MAX_BYTES])
{
    size_t len = put_text(out, user);

    return len + put_text(out + len, secret);
}

enum rc pam_question_read(struct slice packet, struct slice *user, struct slice *secret)
{
    struct scan sc = scan_of(packet);
    struct slice name, password;

    if (!take_text(&sc, PAM_NAME_MAX_BYTES, &name) ||
        !take_text(&sc, PAM_SECRET_MAX_BYTES, &password) || !scan_done(&sc))
        return RC_SYNTAX;
    *user = name;
    *secret = password;
    return RC_OK;
}

void pam_answer_write(enum pam_result result, struct slice text, struct buf *out)
{
    buf_le8(out, (uint8_t) result);
    buf_append(out, text);
}

enum rc pam_answer_read(struct slice packet, enum pam_result *result, struct slice *text)
{
    struct scan sc = scan_of(packet);
    uint8_t number;
    struct slice rest;

    if (!scan_le8(&sc, &number) || number == 0 || number >= PAM_RESULT_COUNT)
        return RC_SYNTAX;
    rest = scan_rest(&sc);
    if (number == PAM_RESULT_RIGHT && !is_text(rest, PAM_NAME_MAX_BYTES))
        return RC_SYNTAX;
    *result = (enum pam_result) number;
    *text = rest;
    return RC_OK;
}
