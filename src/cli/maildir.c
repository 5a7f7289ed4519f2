#include "cli/maildir.h"

#include "base/ascii.h"
#include "base/scan.h"
#include "cli/feed.h"
#include "imap/mailbox_name.h"

#define NOTES_MAX_BYTES   ((size_t) 256 << 20)
#define PATH_BYTES        4096u
#define FIRST_DATE        ((uint64_t) 600000000) /* 1989: smaller numbers are no time */
#define KEYWORD_MAX_BYTES 250u
#define ESCAPED_DOT       "&AC4-"

void maildir_notes_free(struct maildir_notes *notes)
{
    map_free(notes->uids);
    for (size_t i = 0; i < MAILDIR_LETTERS; i++)
        free(notes->keywords[i]);
    *notes = (struct maildir_notes){0};
}

static struct slice next_line(struct slice *text)
{
    size_t len = slice_find(*text, '\n');
    struct slice line = slice_sub(*text, 0, len);

    *text = slice_from(*text, len + 1);
    return line;
}

static struct slice next_word(struct slice *line)
{
    size_t len = slice_find(*line, ' ');
    struct slice word = slice_sub(*line, 0, len);

    *line = slice_from(*line, len + 1);
    return word;
}

/* ---- uid list ---- */

/* "3 V1234 N567 G0123...", or version 1: "1 1234 567". */
static bool read_head(struct slice line, bool *out_old, struct maildir_notes *notes)
{
    struct slice version = next_word(&line);
    uint32_t validity = 0, next = 0;

    *out_old = slice_eq(version, SLICE("1"));
    if (!*out_old && !slice_eq(version, SLICE("3")))
        return false;
    if (*out_old) {
        (void) slice_to_u32(next_word(&line), &validity);
        (void) slice_to_u32(next_word(&line), &next);
    }
    while (!*out_old && line.len > 0) {
        struct slice word = next_word(&line);

        if (slice_starts(word, SLICE("V")))
            (void) slice_to_u32(slice_from(word, 1), &validity);
        else if (slice_starts(word, SLICE("N")))
            (void) slice_to_u32(slice_from(word, 1), &next);
    }
    if (validity == 0)
        return false;
    notes->uidvalidity = validity;
    notes->uidnext = next;
    return true;
}

static void read_uid(struct slice line, bool old, struct maildir_notes *notes)
{
    uint32_t uid;
    struct maildir_name name;
    size_t colon;

    if (!slice_to_u32(next_word(&line), &uid) || uid == 0)
        return;
    colon = old ? 0 : slice_search(line, SLICE(":"));
    if (!old && colon == line.len)
        return;
    maildir_parse_name(slice_from(line, old ? 0 : colon + 1), &name);
    /* The number is the pointer: nobody follows it. */
    (void) map_put(notes->uids, name.unique, (void *) (uintptr_t) uid);
}

void maildir_read_uidlist(struct slice text, struct maildir_notes *notes)
{
    bool old;

    if (!read_head(next_line(&text), &old, notes))
        return;
    notes->uids = map_new();
    while (text.len > 0)
        read_uid(next_line(&text), old, notes);
}

uint32_t maildir_uid(const struct maildir_notes *notes, struct slice unique)
{
    return notes->uids != NULL ? (uint32_t) (uintptr_t) map_get(notes->uids, unique) : 0;
}

/* ---- keywords ---- */

/* "0 $Label1" */
void maildir_read_keywords(struct slice text, struct maildir_notes *notes)
{
    while (text.len > 0) {
        struct slice line = next_line(&text);
        uint32_t letter;

        if (!slice_to_u32(next_word(&line), &letter) || letter >= MAILDIR_LETTERS ||
            line.len == 0 || line.len > KEYWORD_MAX_BYTES)
            continue;
        free(notes->keywords[letter]);
        notes->keywords[letter] = strndup(line.ptr, line.len);
    }
}

static void read_note(const char *folder, const char *name,
                      void (*take)(struct slice text, struct maildir_notes *notes),
                      struct maildir_notes *notes)
{
    AUTO(feed_freep) struct feed *feed = NULL;
    char path[PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) < (int) sizeof(path) &&
        feed_open(path, &feed, NULL) == RC_OK)
        take(feed_see(feed, NOTES_MAX_BYTES), notes);
}

void maildir_notes_read(const char *folder, struct maildir_notes *out)
{
    *out = (struct maildir_notes){0};
    read_note(folder, "dovecot-uidlist", maildir_read_uidlist, out);
    read_note(folder, "dovecot-keywords", maildir_read_keywords, out);
}

/* ---- names ---- */

static void take_flag(char letter, struct maildir_name *name)
{
    switch (letter) {
    case 'S':
        name->flags |= FLAG_SEEN;
        break;
    case 'R':
        name->flags |= FLAG_ANSWERED;
        break;
    case 'F':
        name->flags |= FLAG_FLAGGED;
        break;
    case 'T':
        name->flags |= FLAG_DELETED;
        break;
    case 'D':
        name->flags |= FLAG_DRAFT;
        break;
    case 'P':
        name->passed = true;
        break;
    default:
        if (letter >= 'a' && letter <= 'z')
            name->letters |= 1u << (letter - 'a');
        break;
    }
}

/* The separator is ":", or what file systems without it are given: ";" and "!". */
void maildir_parse_name(struct slice name, struct maildir_name *out)
{
    struct scan sc = scan_of(name);
    struct maildir_name parsed = {.unique = name};
    uint64_t date;

    for (size_t i = 0; i + 2 < name.len; i++) {
        if (strchr(":;!", name.ptr[i]) == NULL || name.ptr[i] == '\0' ||
            !slice_eq(slice_sub(name, i + 1, 2), SLICE("2,")))
            continue;
        parsed.unique = slice_sub(name, 0, i);
        for (size_t at = i + 3; at < name.len; at++)
            take_flag(name.ptr[at], &parsed);
        break;
    }
    if (scan_u64(&sc, INT32_MAX, &date) && scan_byte(&sc, '.') && date >= FIRST_DATE)
        parsed.date = (int64_t) date;
    *out = parsed;
}

/* "." is what separates, and "&AC4-" is a "." in a name: no canonical modified UTF-7 writes a
 * printable letter so, thus nothing else can mean it. */
static void swap_separators(struct slice entry, struct buf *out)
{
    while (entry.len > 0) {
        size_t skip = slice_starts(entry, SLICE(ESCAPED_DOT)) ? strlen(ESCAPED_DOT) : 1;

        if (skip > 1)
            buf_byte(out, '.');
        else
            buf_byte(out, entry.ptr[0] == '.' ? MAILBOX_SEPARATOR : entry.ptr[0]);
        entry = slice_from(entry, skip);
    }
}

bool maildir_folder_name(struct slice entry, struct buf *out)
{
    AUTO(buf_done) struct buf swapped = {.max = MAILBOX_NAME_MAX_BYTES};
    size_t mark = out->len;

    swap_separators(slice_from(entry, 1), &swapped);
    if (imap_utf7_decode(buf_slice(&swapped), out) != RC_OK) {
        buf_truncate(out, mark);
        buf_append(out, buf_slice(&swapped)); /* UTF-8, as newer servers write it */
    }
    return swapped.len > 0 && !swapped.overflow && !out->overflow;
}
