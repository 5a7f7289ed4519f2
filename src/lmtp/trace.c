#include "lmtp/trace.h"

#include "base/ascii.h"

static struct slice name_of(const struct trace_filter *filter)
{
    return slice_of(filter->name, filter->n_name);
}

/* name, blanks and a colon. */
static bool is_field(const struct trace_filter *filter, struct slice name)
{
    struct slice line = name_of(filter);

    if (!slice_starts_nocase(line, name) || !slice_ends(line, SLICE(":")))
        return false;
    line = slice_sub(line, name.len, line.len - name.len - 1);
    return slice_trim(line).len == 0;
}

/* Enough of the line is here to say what it is. */
static bool is_decided(const struct trace_filter *filter)
{
    char last = filter->name[filter->n_name - 1];

    return filter->n_name == TRACE_NAME_BYTES || last == ':' || last == '\n' ||
           (filter->n_name == 1 && (last == ' ' || last == '\t'));
}

static enum trace_state decide(const struct trace_filter *filter)
{
    if (filter->name[0] == ' ' || filter->name[0] == '\t') /* RFC 5322 2.2.3: a folded line */
        return filter->last != TRACE_LINE_START ? filter->last : TRACE_COPY;
    if (is_field(filter, SLICE("Return-Path")))
        return TRACE_DROP;
    if (is_field(filter, SLICE("Message-ID")) && filter->n_message_id == 0)
        return TRACE_ID;
    return TRACE_COPY;
}

/* The name of a line has come: let it through, or not. */
static void begin_line(struct trace_filter *filter, struct buf *out)
{
    struct slice name = name_of(filter);
    bool blank = slice_eq(name, SLICE("\r\n")) || slice_eq(name, SLICE("\n"));

    filter->state = blank ? TRACE_BODY : decide(filter);
    filter->last = filter->state;
    if (filter->state != TRACE_DROP)
        buf_append(out, name);
    if (!blank && name.ptr[name.len - 1] == '\n')
        filter->state = TRACE_LINE_START;
    filter->n_name = 0;
}

static void keep_id(struct trace_filter *filter, struct slice text)
{
    for (size_t i = 0; i < text.len && filter->n_message_id < TRACE_MESSAGE_ID_BYTES; i++) {
        if (!ascii_is_ctl(text.ptr[i]) && text.ptr[i] != ' ')
            filter->message_id[filter->n_message_id++] = text.ptr[i];
    }
}

/* The rest of a header line. */
static void rest_of_line(struct trace_filter *filter, struct slice *bytes, struct buf *out)
{
    size_t end = slice_find(*bytes, '\n');
    struct slice part = slice_sub(*bytes, 0, end == bytes->len ? end : end + 1);

    if (filter->state == TRACE_ID)
        keep_id(filter, part);
    if (filter->state != TRACE_DROP)
        buf_append(out, part);
    *bytes = slice_from(*bytes, part.len);
    if (end < part.len)
        filter->state = TRACE_LINE_START;
}

void trace_filter_feed(struct trace_filter *filter, struct slice bytes, struct buf *out)
{
    while (bytes.len > 0) {
        switch (filter->state) {
        case TRACE_LINE_START:
            filter->name[filter->n_name++] = bytes.ptr[0];
            bytes = slice_from(bytes, 1);
            if (is_decided(filter))
                begin_line(filter, out);
            break;
        case TRACE_COPY:
        case TRACE_DROP:
        case TRACE_ID:
            rest_of_line(filter, &bytes, out);
            break;
        case TRACE_BODY:
            buf_append(out, bytes);
            return;
        }
    }
}

void trace_filter_end(struct trace_filter *filter, struct buf *out)
{
    if (filter->state == TRACE_LINE_START)
        buf_append(out, name_of(filter));
    filter->n_name = 0;
}

struct slice trace_message_id(const struct trace_filter *filter)
{
    return slice_of(filter->message_id, filter->n_message_id);
}

static void print_date(int64_t wall_sec, struct buf *out)
{
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t) wall_sec;
    struct tm tm;

    (void) gmtime_r(&now, &tm);
    buf_printf(out, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + (ptrdiff_t) 3 * tm.tm_wday,
               tm.tm_mday, months + (ptrdiff_t) 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
               tm.tm_min, tm.tm_sec);
}

/* Text of a peer inside a field: no byte that could end or fold it. */
static void print_clean(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++)
        buf_byte(out, ascii_is_ctl(text.ptr[i]) ? '?' : text.ptr[i]);
}

/* An address literal of RFC 5321 4.1.3. */
static void print_literal(struct slice address, struct buf *out)
{
    bool is_v6 = slice_find(address, ':') < address.len;

    buf_printf(out, "[%s%.*s]", is_v6 ? "IPv6:" : "", SLICE_ARG(address));
}

void trace_print(const struct trace *trace, struct buf *out)
{
    buf_str(out, "Return-Path: <");
    print_clean(trace->sender, out);
    buf_str(out, ">\r\nDelivered-To: ");
    print_clean(trace->recipient, out);
    buf_str(out, "\r\nReceived: from ");
    print_clean(trace->helo.len > 0 ? trace->helo : SLICE("unknown"), out);
    if (trace->peer.len > 0) {
        buf_str(out, " (");
        print_literal(trace->peer, out);
        buf_byte(out, ')');
    }
    buf_printf(out, "\r\n\tby %s with %s id %016llx\r\n\tfor <", trace->hostname,
               trace->smtputf8 ? "UTF8LMTP" : "LMTP", (unsigned long long) trace->session);
    print_clean(trace->recipient, out);
    buf_str(out, ">; ");
    print_date(trace->wall_sec, out);
    buf_str(out, "\r\n");
}
