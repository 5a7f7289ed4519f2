/*
 * idp_ask.c - opens one provider as role idp does, and asks it what standard input says:
 *
 *     idp_ask FOLDER KIND NAME
 *
 * A line is "password" or "user", the user's name and the secret in hexadecimal ("-": empty);
 * the answer is a line of code, reason, user and the groups in hexadecimal. A file that is
 * wrong prints "bad" and why.
 */
#include <signal.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "idp/provider.h"

#define LINE_BYTES 8192u

static const char *const codes[IDP_CODE_COUNT] = {
    [IDP_OK] = "ok",           [IDP_REFUSED] = "refused",
    [IDP_UNKNOWN] = "unknown", [IDP_DISABLED] = "disabled",
    [IDP_EXPIRED] = "expired", [IDP_UNAVAILABLE] = "unavailable",
};

static struct slice from_hex(const char *text, struct arena *arena)
{
    size_t n = strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    char *bytes = arena_alloc(arena, n + 1);

    for (size_t i = 0; i < n; i++)
        bytes[i] =
            (char) (ascii_hex_value(text[2 * i]) * 16 + ascii_hex_value(text[2 * i + 1]));
    return slice_of(bytes, n);
}

static void put_hex(struct slice bytes)
{
    if (bytes.len == 0)
        (void) putchar('-');
    for (size_t i = 0; i < bytes.len; i++)
        (void) printf("%02x", (unsigned) (unsigned char) bytes.ptr[i]);
}

static void put_answer(const struct idp_answer *answer)
{
    struct scan groups = scan_of(answer->groups);
    struct slice group;

    (void) printf("%s %s ", codes[answer->code], answer->reason);
    put_hex(answer->user);
    while (msg_list_next(&groups, &group)) {
        (void) putchar(' ');
        put_hex(group);
    }
    (void) putchar('\n');
    (void) fflush(stdout);
}

static void ask(struct idp_provider *provider, const char *what, const char *user,
                const char *secret)
{
    AUTO(arena_freep) struct arena *arena = arena_new(IDP_ARENA_BYTES);
    const struct idp_question question = {
        .ask = strcmp(what, "user") == 0 ? IDP_ASK_USER : IDP_ASK_PASSWORD,
        .user = from_hex(user, arena),
        .secret = from_hex(secret, arena),
        .service = SERVICE_IMAP,
        .arena = arena,
    };
    struct idp_answer answer;

    idp_check(provider, &question, &answer);
    put_answer(&answer);
}

int main(int argc, char **argv)
{
    struct idp_provider provider = {NULL, NULL};
    char line[LINE_BYTES], what[16], user[LINE_BYTES], secret[LINE_BYTES];
    struct config_provider named;
    struct err err;

    if (argc != 4)
        return 2;
    (void) signal(SIGPIPE, SIG_IGN); /* cannot fail for SIGPIPE */
    named = (struct config_provider){slice_from_str(argv[2]), slice_from_str(argv[3])};
    if (idp_init(&err) != RC_OK || idp_open(argv[1], &named, &provider, &err) != RC_OK) {
        (void) printf("bad %s\n", err.detail);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin) != NULL)
        if (sscanf(line, "%15s %8191s %8191s", what, user, secret) == 3)
            ask(&provider, what, user, secret);
    idp_close(&provider);
    return 0;
}
