#include "roles/gss_krb5.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/library.h"
#include "base/scan.h"

#define NAME_BYTES       4096u
#define REASON_PARTS_MAX 4u /* of one status: the library says when it has no more */

/* What of libgssapi_krb5 is called. */
#define EACH_CALL(X)                                                                           \
    X(gss_acquire_cred_from)                                                                   \
    X(gss_release_cred)                                                                        \
    X(gss_accept_sec_context)                                                                  \
    X(gss_delete_sec_context)                                                                  \
    X(gss_inquire_context)                                                                     \
    X(gss_display_name)                                                                        \
    X(gss_release_name)                                                                        \
    X(gss_display_status)                                                                      \
    X(gss_wrap)                                                                                \
    X(gss_unwrap)                                                                              \
    X(gss_release_buffer)

struct gss_calls {
    EACH_CALL(LIBRARY_MEMBER)
};

struct gss_krb5 {
    struct gss_calls calls;
    gss_cred_id_t credential;
};

struct gss_context {
    const struct gss_krb5 *krb5;
    struct slice service;
    gss_ctx_id_t handle;
};

/* 1.2.840.113554.1.2.2: RFC 4121 4.1. The API takes it as not const. */
static unsigned char kerberos_octets[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02};
static gss_OID_desc kerberos = {sizeof(kerberos_octets), kerberos_octets};

static bool is_kerberos(gss_const_OID mechanism)
{
    return mechanism != GSS_C_NO_OID &&
           slice_eq(slice_of(mechanism->elements, mechanism->length),
                    slice_of(kerberos_octets, sizeof(kerberos_octets)));
}

/* ---- what went wrong ---- */

static void put_status(const struct gss_calls *calls, OM_uint32 code, int type, struct buf *out)
{
    OM_uint32 more = 0, minor;

    for (unsigned i = 0; i < REASON_PARTS_MAX && (i == 0 || more != 0); i++) {
        gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

        if (calls->gss_display_status(&minor, code, type, &kerberos, &more, &text) !=
            GSS_S_COMPLETE)
            return;
        buf_str(out, out->len > 0 ? ": " : "");
        buf_append(out, slice_of(text.value, text.length));
        (void) calls->gss_release_buffer(&minor, &text); /* it is a copy */
    }
}

/* Kerberos's own words, for the log: what GSS-API calls it, unless that says nothing. */
static enum rc fail(const struct gss_krb5 *krb5, enum rc rc, OM_uint32 major, OM_uint32 minor,
                    struct err *err)
{
    AUTO(buf_done) struct buf why = {.max = sizeof(err->detail)};

    if (GSS_ROUTINE_ERROR(major) != GSS_S_FAILURE || minor == 0)
        put_status(&krb5->calls, major, GSS_C_GSS_CODE, &why);
    if (minor != 0)
        put_status(&krb5->calls, minor, GSS_C_MECH_CODE, &why);
    return err_set(err, rc, "Authentication failed", "kerberos: %.*s",
                   SLICE_ARG(buf_slice(&why)));
}

static enum rc denied(struct err *err, const char *why)
{
    return err_set(err, RC_DENIED, "Authentication failed", "kerberos: %s", why);
}

/* ---- one exchange ---- */

static enum rc copy_out(const struct gss_krb5 *krb5, gss_buffer_desc *from, struct buf *out,
                        struct err *err)
{
    OM_uint32 minor;

    if (from->length > 0)
        buf_append(out, slice_of(from->value, from->length));
    (void) krb5->calls.gss_release_buffer(&minor, from); /* it was copied */
    return out->overflow ? denied(err, "a token that is too long") : RC_OK;
}

/* A name as the library writes it. */
static enum rc display(const struct gss_krb5 *krb5, gss_name_t name, struct buf *out,
                       struct err *err)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, major = krb5->calls.gss_display_name(&minor, name, &text, NULL);

    if (major != GSS_S_COMPLETE)
        return fail(krb5, RC_DENIED, major, minor, err);
    return copy_out(krb5, &text, out, err);
}

/*
 * RFC 4752 3.2: the ticket is for our service, whatever else the keytab has keys of. And for
 * whom it is; the name is not ours to judge.
 */
static enum rc look_at(const struct gss_context *context, gss_name_t source, gss_name_t target,
                       struct gssapi_peer *peer, struct err *err)
{
    AUTO(buf_done) struct buf to = {.max = NAME_BYTES}, from = {.max = sizeof(peer->principal)};
    struct scan sc;
    enum rc rc = display(context->krb5, target, &to, err);

    if (rc)
        return rc;
    sc = scan_of(buf_slice(&to));
    if (!scan_literal(&sc, context->service) || !scan_byte(&sc, '/'))
        return denied(err, "a ticket for another service");
    rc = display(context->krb5, source, &from, err);
    if (rc)
        return rc;
    memcpy(peer->principal, from.ptr, from.len);
    peer->principal_len = (uint16_t) from.len;
    return RC_OK;
}

static enum rc take_peer(const struct gss_context *context, struct gssapi_peer *peer,
                         struct err *err)
{
    const struct gss_krb5 *krb5 = context->krb5;
    gss_name_t source = GSS_C_NO_NAME, target = GSS_C_NO_NAME;
    OM_uint32 seconds = 0, flags = 0, minor, ignored;
    gss_OID mechanism = GSS_C_NO_OID;
    OM_uint32 major = krb5->calls.gss_inquire_context(&minor, context->handle, &source, &target,
                                                      &seconds, &mechanism, &flags, NULL, NULL);
    enum rc rc;

    if (major != GSS_S_COMPLETE)
        return fail(krb5, RC_DENIED, major, minor, err);
    if (!is_kerberos(mechanism) || (flags & GSS_C_INTEG_FLAG) == 0 ||
        (flags & GSS_C_ANON_FLAG) != 0)
        rc = denied(err, "not Kerberos V5, without integrity, or of nobody");
    else
        rc = look_at(context, source, target, peer, err);
    peer->expires = seconds == GSS_C_INDEFINITE ? 0 : clock_wall_sec() + (int64_t) seconds;
    (void) krb5->calls.gss_release_name(&ignored, &source); /* they were copied */
    (void) krb5->calls.gss_release_name(&ignored, &target);
    return rc;
}

static enum rc krb5_accept(void *ctx, struct slice token, struct buf *out,
                           struct gssapi_peer *peer, struct err *err)
{
    struct gss_context *context = ctx;
    const struct gss_krb5 *krb5 = context->krb5;
    gss_buffer_desc input = {token.len, (char *) (uintptr_t) token.ptr};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, major;
    enum rc rc;

    major = krb5->calls.gss_accept_sec_context(&minor, &context->handle, krb5->credential,
                                               &input, GSS_C_NO_CHANNEL_BINDINGS, NULL, NULL,
                                               &output, NULL, NULL, NULL);
    rc = copy_out(krb5, &output, out, err);
    if (major != GSS_S_COMPLETE && major != GSS_S_CONTINUE_NEEDED)
        return fail(krb5, RC_DENIED, major, minor, err);
    if (rc)
        return rc;
    return major == GSS_S_COMPLETE ? take_peer(context, peer, err) : RC_MORE;
}

static enum rc krb5_wrap(void *ctx, struct slice message, struct buf *out, struct err *err)
{
    const struct gss_context *context = ctx;
    const struct gss_krb5 *krb5 = context->krb5;
    gss_buffer_desc input = {message.len, (char *) (uintptr_t) message.ptr};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, major = krb5->calls.gss_wrap(&minor, context->handle, 0, GSS_C_QOP_DEFAULT,
                                                  &input, NULL, &output);

    if (major != GSS_S_COMPLETE)
        return fail(krb5, RC_DENIED, major, minor, err);
    return copy_out(krb5, &output, out, err);
}

/* RFC 4752 3.3: any supplementary status is an end too. */
static enum rc krb5_unwrap(void *ctx, struct slice token, struct buf *out, struct err *err)
{
    const struct gss_context *context = ctx;
    const struct gss_krb5 *krb5 = context->krb5;
    gss_buffer_desc input = {token.len, (char *) (uintptr_t) token.ptr};
    gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, ignored;
    OM_uint32 major =
        krb5->calls.gss_unwrap(&minor, context->handle, &input, &output, NULL, NULL);

    if (major != GSS_S_COMPLETE) {
        (void) krb5->calls.gss_release_buffer(&ignored,
                                              &output); /* what is in it is not meant */
        return fail(krb5, RC_DENIED, major, minor, err);
    }
    if (output.length > 0)
        buf_append(out, slice_of(output.value, output.length)); /* too long: the machine asks */
    (void) krb5->calls.gss_release_buffer(&ignored, &output);
    return RC_OK;
}

const struct gssapi_provider gss_krb5_provider = {
    .accept = krb5_accept, .wrap = krb5_wrap, .unwrap = krb5_unwrap};

struct gss_context *gss_context_new(const struct gss_krb5 *krb5, struct slice service)
{
    struct gss_context *context = xcalloc(1, sizeof(*context));

    context->krb5 = krb5;
    context->service = service;
    context->handle = GSS_C_NO_CONTEXT;
    return context;
}

void gss_context_free(struct gss_context *context)
{
    OM_uint32 minor;

    if (context->handle != GSS_C_NO_CONTEXT)
        (void) context->krb5->calls.gss_delete_sec_context(&minor, &context->handle,
                                                           GSS_C_NO_BUFFER);
    free(context);
}

/* ---- the library ---- */

static enum rc load_calls(struct gss_calls *calls, struct err *err)
{
    const struct library library = {
        .files = {"libgssapi_krb5.so.2"},
        .wanted = "GSSAPI needs the package libgssapi-krb5-2",
        .names = (const char *const[]){EACH_CALL(LIBRARY_NAME) NULL},
    };

    return library_load(&library, calls, err);
}

/* Only its keytab's key, and only for tickets of Kerberos: no name is looked up for it. */
static enum rc acquire(struct gss_krb5 *krb5, const char *keytab, struct err *err)
{
    gss_OID_set_desc mechanisms = {1, &kerberos};
    char place[NAME_BYTES];
    gss_key_value_element_desc element = {"keytab", place};
    const gss_key_value_set_desc store = {1, &element};
    OM_uint32 minor, major;

    if (snprintf(place, sizeof(place), "FILE:%s", keytab) >= (int) sizeof(place))
        return err_set(err, RC_LIMIT, "Path is too long", "gssapi_keytab: path too long");
    major =
        krb5->calls.gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms,
                                          GSS_C_ACCEPT, &store, &krb5->credential, NULL, NULL);
    if (major == GSS_S_COMPLETE)
        return RC_OK;
    return fail(krb5, RC_INVALID, major, minor, err);
}

/* A token that is none, so that whatever the library reads at its first ticket it has read. */
static void try_once(const struct gss_krb5 *krb5)
{
    static const char nonsense[] =
        "\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
    struct gss_context *context = gss_context_new(krb5, SLICE("none"));
    AUTO(buf_done) struct buf out = {.max = NAME_BYTES};
    struct gssapi_peer peer;

    (void) !krb5_accept(context, slice_of(nonsense, sizeof(nonsense) - 1), &out, &peer, NULL);
    gss_context_free(context);
}

static enum rc set_up(const char *replay_file, struct err *err)
{
    char cache[NAME_BYTES];

    if (snprintf(cache, sizeof(cache), "file2:%s", replay_file) >= (int) sizeof(cache))
        return err_set(err, RC_LIMIT, "Path is too long", "gss: path too long");
    if (setenv("KRB5_CONFIG", GSS_NO_CONFIGURATION, 1) != 0 ||
        setenv("KRB5RCACHENAME", cache, 1) != 0)
        return err_set(err, RC_IO, "Internal error", "gss: no room in the environment");
    return RC_OK;
}

enum rc gss_krb5_open(const char *keytab, const char *replay_file, struct gss_krb5 **out,
                      struct err *err)
{
    struct gss_krb5 *krb5 = xcalloc(1, sizeof(*krb5));
    enum rc rc = set_up(replay_file, err);

    if (rc == RC_OK)
        rc = load_calls(&krb5->calls, err);
    if (rc == RC_OK)
        rc = acquire(krb5, keytab, err);
    if (rc) {
        free(krb5);
        return rc;
    }
    try_once(krb5);
    *out = krb5;
    return RC_OK;
}

void gss_krb5_close(struct gss_krb5 *krb5)
{
    OM_uint32 minor;

    if (krb5 == NULL)
        return;
    (void) krb5->calls.gss_release_cred(&minor, &krb5->credential); /* the end of it */
    free(krb5);
}
