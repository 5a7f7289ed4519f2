#include "imap/annotation.h"

#include "base/ascii.h"

#define ENTRY_NAME_MAX_BYTES 1024u

static bool is_printable(char c)
{
    return c > 0x20 && c < 0x7f;
}

/* What stands before the next "/", and behind it with the "/". */
static struct slice first_component(struct slice path, struct slice *rest)
{
    struct slice body = slice_from(path, 1);
    size_t len = slice_find(body, '/');

    *rest = slice_from(body, MIN(len, body.len));
    return slice_sub(body, 0, MIN(len, body.len));
}

/* section-part: nz-number *("." nz-number). Their number; 0: it is none. */
static size_t read_part(struct slice text, uint32_t out[SECTION_MAX_PARTS])
{
    struct scan sc = scan_of(text);
    size_t n = 0;

    do {
        if (n == SECTION_MAX_PARTS || scan_peek(&sc) == '0' || !scan_u32(&sc, &out[n]))
            return 0;
        n++;
    } while (scan_byte(&sc, '.'));
    return scan_done(&sc) ? n : 0;
}

static bool begins_with_digit(struct slice entry)
{
    return entry.len > 1 && ascii_is_digit(entry.ptr[1]);
}

size_t imap_annotation_part(struct slice entry, uint32_t out[SECTION_MAX_PARTS])
{
    struct slice rest;

    return begins_with_digit(entry) ? read_part(first_component(entry, &rest), out) : 0;
}

bool imap_annotation_is_pattern(struct slice entry)
{
    for (size_t i = 0; i < entry.len; i++) {
        if (!is_printable(entry.ptr[i]))
            return false;
    }
    return entry.len > 0 && entry.len <= ENTRY_NAME_MAX_BYTES;
}

bool imap_annotation_is_name(struct slice entry)
{
    uint32_t part[SECTION_MAX_PARTS];

    if (!imap_annotation_is_pattern(entry) || entry.ptr[0] != '/' ||
        slice_find(entry, '*') < entry.len || slice_find(entry, '%') < entry.len ||
        slice_search(entry, SLICE("//")) < entry.len || slice_ends(entry, SLICE("/")))
        return false;
    return !begins_with_digit(entry) || imap_annotation_part(entry, part) > 0;
}

/* "/vendor/" and a token, and whatever stands below it. */
static bool is_vendors(struct slice path)
{
    return slice_starts(path, SLICE("/vendor/")) && path.len > SLICE("/vendor/").len;
}

static bool is_part_flag(struct slice path)
{
    return slice_eq(path, SLICE("/flags/seen")) || slice_eq(path, SLICE("/flags/answered")) ||
           slice_eq(path, SLICE("/flags/flagged")) || slice_eq(path, SLICE("/flags/forwarded"));
}

bool imap_annotation_is_registered(struct slice entry)
{
    struct slice path;

    if (!imap_annotation_is_name(entry))
        return false;
    if (!begins_with_digit(entry))
        return slice_eq(entry, SLICE("/comment")) || slice_eq(entry, SLICE("/altsubject")) ||
               is_vendors(entry);
    (void) first_component(entry, &path);
    return slice_eq(path, SLICE("/comment")) || is_part_flag(path) || is_vendors(path);
}

bool imap_annotation_takes(struct slice entry, struct slice value)
{
    struct slice path;

    if (!begins_with_digit(entry))
        return true;
    (void) first_component(entry, &path);
    return !is_part_flag(path) || slice_eq(value, SLICE("0")) || slice_eq(value, SLICE("1"));
}
