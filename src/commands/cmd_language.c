/*
 * cmd_language.c - LANGUAGE, and NAMESPACE, whose prefixes have names for people.
 *
 * Spec: RFC 5255 3.2 to 3.4; RFC 9051 6.3.10 (NAMESPACE). The change takes effect behind the
 * LANGUAGE answer: NAMESPACE and the tagged OK are in the new language.
 */
#include "commands/cmd.h"
#include "commands/places.h"
#include "imap/language.h"
#include "imap/print.h"

struct namespace_names {
    const char *others, *shared;
};

/* As UTF-8; they go out in modified UTF-7 (RFC 5255 3.4). NULL: they stay as they are. */
static const struct namespace_names translations[IMAP_LANGUAGE_COUNT] = {
    [IMAP_LANGUAGE_DE] = {"Andere Benutzer/",     "Gemeinsame Ordner/"    },
    [IMAP_LANGUAGE_FR] = {"Autres utilisateurs/", "Dossiers partagés/"   },
    [IMAP_LANGUAGE_ES] = {"Otros usuarios/",      "Carpetas compartidas/" },
    [IMAP_LANGUAGE_JA] = {"他のユーザー/",  "共有フォルダー/"},
};

static void say_prefix(struct buf *out, const char *prefix, const char *translation)
{
    buf_printf(out, " ((\"%s\" \"/\"", prefix);
    if (translation != NULL) {
        buf_str(out, " \"TRANSLATION\" (\"");
        imap_utf7_encode(out, slice_from_str(translation));
        buf_str(out, "\")");
    }
    buf_str(out, "))");
}

static void say_namespace(struct cmd *cmd)
{
    const struct namespace_names *names = &translations[cmd->session->mode.language];
    struct buf *out = cmd->reply->out;

    buf_str(out, "* NAMESPACE ((\"\" \"/\"))");
    say_prefix(out, OTHER_USERS_PREFIX, names->others);
    say_prefix(out, SHARED_FOLDERS_PREFIX, names->shared);
    buf_str(out, "\r\n");
}

enum rc cmd_namespace(struct cmd *cmd, struct err *err)
{
    (void) err;
    say_namespace(cmd);
    reply_ok(cmd->reply, "NAMESPACE completed");
    return RC_OK;
}

enum rc cmd_language(struct cmd *cmd, struct err *err)
{
    const struct imap_language_args *args = &cmd->args.language;
    enum imap_language language;

    (void) err;
    if (args->n == 0) {
        imap_print_languages(cmd->reply->out);
        reply_ok(cmd->reply, "Supported languages have been listed");
        return RC_OK;
    }
    if (!imap_language_lookup(args->ranges, args->n, &language)) {
        reply_no(cmd->reply, "Unsupported language");
        return RC_OK;
    }
    cmd->session->mode.language = cmd->reply->mode.language = language;
    imap_print_language(cmd->reply->out, language);
    say_namespace(cmd);
    reply_ok(cmd->reply,
             language == IMAP_LANGUAGE_EN ? "Now speaking English" : "Language changed");
    return RC_OK;
}
