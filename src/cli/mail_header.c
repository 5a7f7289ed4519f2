#include "cli/mail_header.h"

#include "base/ascii.h"
#include "mime/date.h"

#define FIELDS_LOOKED_AT 1000u
#define DATE_LIMIT_SEC                                                                         \
    ((int64_t) UINT32_MAX) /* the year 2106; mail of later came by mistake                     \
                            */

bool mail_next_field(struct slice text, struct mail_field *out)
{
    size_t colon = slice_find(text, ':'), end = 0;

    if (text.len == 0 || text.ptr[0] == '\n' || slice_starts(text, SLICE("\r\n")))
        return false;
    do {
        end += MIN(slice_find(slice_from(text, end), '\n') + 1, text.len - end);
    } while (end < text.len && (text.ptr[end] == ' ' || text.ptr[end] == '\t'));
    out->all = slice_sub(text, 0, end);
    out->name = slice_sub(out->all, 0, colon);
    out->value = slice_trim(slice_from(out->all, MIN(colon + 1, end)));
    return true;
}

bool mail_looks_like(struct slice text)
{
    size_t n = 0;

    while (n < text.len && text.ptr[n] > ' ' && text.ptr[n] != ':' && text.ptr[n] != '\x7f')
        n++;
    while (n < text.len && n > 0 && text.ptr[n] == ' ')
        n++; /* "Subject : x" is seen */
    return n > 0 && n < text.len && text.ptr[n] == ':';
}

static bool plausible_date(struct slice text, struct mime_date *out)
{
    return date_parse(text, out) && out->utc_sec > 0 && out->utc_sec < DATE_LIMIT_SEC;
}

int64_t mail_header_date(struct slice message)
{
    struct mime_date date, received;
    bool has_date = false;
    struct mail_field field;

    for (size_t i = 0; i < FIELDS_LOOKED_AT && mail_next_field(message, &field); i++) {
        if (slice_eq_nocase(field.name, SLICE("Received"))) {
            size_t semicolon = slice_rfind(field.value, ';');

            if (semicolon < field.value.len &&
                plausible_date(slice_from(field.value, semicolon + 1), &received))
                return received.utc_sec;
        } else if (!has_date && slice_eq_nocase(field.name, SLICE("Date"))) {
            has_date = plausible_date(field.value, &date);
        }
        message = slice_from(message, field.all.len);
    }
    return has_date ? date.utc_sec : 0;
}
