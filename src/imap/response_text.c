#include "imap/response_text.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "imap/response_fetch.h"

static bool is_code_arg_char(char c)
{
    return c != ']' && c != '\r' && c != '\n' && c != '\0';
}

static bool is_text_char(char c)
{
    return c != '\r' && c != '\n' && c != '\0';
}

typedef bool code_args_fn(struct imap_input *in);

static bool args_none(struct imap_input *in)
{
    return scan_done(&in->sc);
}

static bool args_nz_number(struct imap_input *in)
{
    uint32_t number;

    return lex_sp(in) && lex_nz_number(in, &number);
}

/* RFC 5257 5: "TOOBIG" / "TOOMANY" */
static bool args_annotate(struct imap_input *in)
{
    return lex_sp(in) && (lex_word(in, "TOOBIG") || lex_word(in, "TOOMANY"));
}

/* ann-size */
static bool args_annotations(struct imap_input *in)
{
    uint32_t bytes;

    if (!lex_sp(in))
        return false;
    if (lex_word(in, "NONE"))
        return true;
    if (!lex_word(in, "READ-ONLY") && !lex_nz_number(in, &bytes))
        return false;
    return scan_done(&in->sc) || (lex_sp(in) && lex_word(in, "NOPRIVATE"));
}

static bool args_modseq(struct imap_input *in)
{
    uint64_t modseq;

    return lex_sp(in) && lex_modseq(in, false, &modseq);
}

/* A set without "*" and "$": uid-set, known-uids. */
bool response_take_plain_set(struct imap_input *in, struct seqset *out)
{
    struct imap_set set;

    if (lex_set(in, &set, NULL) || set.saved)
        return false;
    for (size_t i = 0; i < set.set.n; i++)
        if (set.set.ranges[i].first == SEQ_STAR || set.set.ranges[i].last == SEQ_STAR)
            return false;
    *out = set.set;
    return true;
}

static bool args_set(struct imap_input *in)
{
    struct seqset set;

    return lex_sp(in) && response_take_plain_set(in, &set);
}

static bool args_appenduid(struct imap_input *in)
{
    return args_nz_number(in) && args_set(in);
}

static uint64_t count_numbers(const struct seqset *set)
{
    uint64_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        const struct seq_range *r = &set->ranges[i];

        n += (uint64_t) MAX(r->first, r->last) - MIN(r->first, r->last) + 1;
    }
    return n;
}

/* Both sets have as many uids (RFC 4315 section 3). */
static bool args_copyuid(struct imap_input *in)
{
    struct seqset from, to;

    return args_nz_number(in) && lex_sp(in) && response_take_plain_set(in, &from) &&
           lex_sp(in) && response_take_plain_set(in, &to) &&
           count_numbers(&from) == count_numbers(&to);
}

static bool args_flags(struct imap_input *in)
{
    struct imap_flags flags;

    return lex_sp(in) && response_take_flags(in, true, &flags, NULL) == RC_OK;
}

/* ["(" astring *(SP astring) ")"] */
static bool args_charsets(struct imap_input *in)
{
    struct slice name;

    if (scan_done(&in->sc))
        return true;
    if (!lex_sp(in) || !lex_byte(in, '('))
        return false;
    do {
        if (!lex_astring(in, &name))
            return false;
    } while (lex_sp(in));
    return lex_byte(in, ')');
}

/* SP "(" event-name *(SP event-name) ")": RFC 5465 8 */
static bool args_events(struct imap_input *in)
{
    struct slice name;

    if (!lex_sp(in) || !lex_byte(in, '('))
        return false;
    do {
        bool known = false;

        if (!lex_atom(in, &name))
            return false;
        for (size_t i = 0; lex_notify_event_name(i) != NULL; i++)
            known = known || slice_eq_nocase(name, slice_from_str(lex_notify_event_name(i)));
        if (!known)
            return false;
    } while (lex_sp(in));
    return lex_byte(in, ')');
}

/* SP nz-number [SP nz-number]: RFC 9738 5 */
static bool args_limit(struct imap_input *in)
{
    uint32_t limit, uid;

    if (!lex_sp(in) || !lex_nz_number(in, &limit))
        return false;
    return !lex_sp(in) || lex_nz_number(in, &uid);
}

/* [SP "(" (quoted / NIL) SP (number / NIL) SP (nz-number / NIL) ")"]: RFC 9585 4 */
static bool args_progress(struct imap_input *in)
{
    struct slice tag;
    uint32_t done, goal;

    if (scan_done(&in->sc))
        return true;
    if (!lex_sp(in) || !lex_byte(in, '(') || !(lex_word(in, "NIL") || lex_quoted(in, &tag)) ||
        !lex_sp(in))
        return false;
    if (lex_word(in, "NIL"))
        return lex_sp(in) && lex_word(in, "NIL") && lex_byte(in, ')');
    if (!lex_number(in, &done) || !lex_sp(in))
        return false;
    if (!lex_word(in, "NIL") && !(lex_nz_number(in, &goal) && done < goal))
        return false;
    return lex_byte(in, ')');
}

static bool args_capabilities(struct imap_input *in)
{
    struct slice name;
    size_t n = 0;

    for (; lex_sp(in); n++)
        if (!lex_atom(in, &name))
            return false;
    return n > 0;
}

/* SP "INTERNAL" ...: RFC 4467 section 9; what mechanisms add is not looked at. */
static bool args_urlmech(struct imap_input *in)
{
    struct slice rest;

    return lex_sp(in) && lex_word(in, "INTERNAL") &&
           scan_take(&in->sc, scan_left(&in->sc), &rest);
}

/* SP quoted: RFC 5267 5 */
static bool args_quoted(struct imap_input *in)
{
    struct slice text;

    return lex_sp(in) && lex_quoted(in, &text);
}

// clang-format off
static const struct {
    const char *name;
    code_args_fn *args;
} codes[] = {
    {"ANNOTATE", args_annotate},    {"ANNOTATIONS", args_annotations},
    {"ALERT", args_none},           {"ALREADYEXISTS", args_none},  {"APPENDUID", args_appenduid},
    {"AUTHENTICATIONFAILED", args_none}, {"AUTHORIZATIONFAILED", args_none},
    {"BADCHARSET", args_charsets},  {"BADCOMPARATOR", args_none},  {"BADEVENT", args_events},     {"NOTIFICATIONOVERFLOW", args_none},
    {"CANNOT", args_none},         {"CAPABILITY", args_capabilities},
    {"CLIENTBUG", args_none},       {"CLOSED", args_none},         {"CONTACTADMIN", args_none},
    {"COPYUID", args_copyuid},      {"CORRUPTION", args_none},
    {"DOWNGRADED", args_set},       {"EXPIRED", args_none},
    {"EXPUNGEISSUED", args_none},   {"HASCHILDREN", args_none},    {"HIGHESTMODSEQ", args_modseq},
    {"INUSE", args_none},           {"LIMIT", args_none},          {"MODIFIED", args_set},
    {"NOUPDATE", args_quoted},
    {"NOMODSEQ", args_none},        {"NONEXISTENT", args_none},    {"NOPERM", args_none},
    {"NOTSAVED", args_none},        {"OVERQUOTA", args_none},      {"PARSE", args_none},
    {"PERMANENTFLAGS", args_flags}, {"PRIVACYREQUIRED", args_none}, {"READ-ONLY", args_none},
    {"READ-WRITE", args_none},      {"SERVERBUG", args_none},      {"TOOBIG", args_none},
    {"TRYCREATE", args_none},       {"UIDNEXT", args_nz_number},   {"UIDNOTSTICKY", args_none},
    {"UIDVALIDITY", args_nz_number}, {"UNAVAILABLE", args_none},   {"UNKNOWN-CTE", args_none},
    {"UNSEEN", args_nz_number},     {"USEATTR", args_none},
    {"UIDREQUIRED", args_none},     {"TOOFEW", args_none},         {"TOOMANY", args_none},
    {"MESSAGELIMIT", args_limit},   {"INPROGRESS", args_progress},
    {"UNSEEN", args_nz_number},     {"URLMECH", args_urlmech},     {"USEATTR", args_none},
    {"UIDREQUIRED", args_none},
};
// clang-format on

/* The arguments of a code we know are what its RFC says; of others anything. */
static bool code_is_good(struct slice code, struct slice args, const struct imap_input *in)
{
    struct imap_input inside = *in;

    inside.sc = scan_of(args);
    for (size_t i = 0; i < COUNT(codes); i++)
        if (slice_eq_nocase(code, slice_from_str(codes[i].name)))
            return codes[i].args(&inside) && scan_done(&inside.sc);
    return true;
}

/* "[" resp-text-code "]" SP */
static enum rc take_code(struct imap_input *in, struct imap_response *out, struct err *err)
{
    struct scan before = in->sc;

    if (!lex_byte(in, '['))
        return RC_OK;
    if (!lex_atom(in, &out->code))
        return lex_fail(in, err, "a response code");
    out->code_args = scan_while(&in->sc, is_code_arg_char);
    if (!code_is_good(out->code, out->code_args, in)) {
        in->sc = before;
        return lex_fail(in, err, "a response code with its arguments");
    }
    if (!lex_byte(in, ']') || !lex_sp(in))
        return lex_fail(in, err, "\"]\" and a space");
    return RC_OK;
}

static bool has_8bit(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (ascii_is_8bit(s.ptr[i]))
            return true;
    return false;
}

/* resp-text: [code] text. text is not empty in RFC 3501, and we keep to that. */
enum rc response_take_text(struct imap_input *in, struct imap_response *out, struct err *err)
{
    enum rc rc = take_code(in, out, err);
    struct scan before = in->sc;

    if (rc)
        return rc;
    out->text = scan_while(&in->sc, is_text_char);
    if (imap_mode_utf8(in->mode) || in->mode.language >= IMAP_LANGUAGE_DE
            ? !utf8_is_valid(out->text)
            : has_8bit(out->text)) {
        in->sc = before;
        return lex_fail(in, err, "text in the session's charset");
    }
    return out->text.len > 0 ? RC_OK : lex_fail(in, err, "text");
}
