/* picture.c - see picture.h. */
#include "lib/picture.h"

#define PICTURE_MAX 100000u

const char *const picture_entries[ORACLE_ENTRIES] = {"/comment", "/altsubject", "/1/comment",
                                                     "/vendor/x/y"};
const char *const picture_values[PICTURE_VALUES] = {NULL,  "",        "\"q\\",
                                                    "one", "one two", "two\r\nlines"};

void picture_clear(struct picture *picture)
{
    free(picture->messages);
    *picture = (struct picture){.recent = -1, .now = picture->now};
}

uint32_t picture_flags(const struct imap_flags *flags)
{
    uint32_t bits = flags->bits & ORACLE_SYSTEM;

    for (size_t i = 0; i < flags->n_keywords; i++)
        for (uint32_t k = 0; k < ORACLE_KEYWORDS; k++)
            if (flags->keywords[i].len == 2 && flags->keywords[i].ptr[0] == 'k' &&
                flags->keywords[i].ptr[1] == (char) ('0' + k))
                bits |= ORACLE_KEYWORD(k);
    return bits;
}

static const char *draw_exists(struct picture *picture, uint32_t n)
{
    if (n < picture->n)
        return "EXISTS shrinks";
    if (n > PICTURE_MAX)
        return "EXISTS is huge";
    if (n > picture->cap) {
        picture->cap = MAX(picture->cap * 2, (size_t) n);
        picture->messages =
            xrealloc(picture->messages, picture->cap * sizeof(*picture->messages));
    }
    if (n > picture->n)
        memset(&picture->messages[picture->n], 0,
               (n - picture->n) * sizeof(*picture->messages));
    picture->n = n;
    return NULL;
}

static const char *draw_expunge(struct picture *picture, uint32_t seq)
{
    if (seq == 0 || seq > picture->n)
        return "EXPUNGE of a number that is not there";
    memmove(&picture->messages[seq - 1], &picture->messages[seq],
            (picture->n - seq) * sizeof(*picture->messages));
    picture->n--;
    return NULL;
}

/* RFC 7162 3.2.10.2: each uid is of a message that the client counts. */
static const char *draw_vanished(struct picture *picture, const struct imap_response *response)
{
    const struct seqset *uids = &response->vanished.uids;

    for (size_t i = 0; i < uids->n; i++) {
        for (uint64_t uid = uids->ranges[i].first; uid <= uids->ranges[i].last; uid++) {
            uint32_t seq = 1;

            while (seq <= picture->n && picture->messages[seq - 1].uid != uid)
                seq++;
            if (seq > picture->n)
                return "VANISHED of a message that is not counted";
            (void) draw_expunge(picture, seq);
        }
    }
    return NULL;
}

static struct picture_annotation *entry_of(struct picture_message *message, struct slice name)
{
    for (size_t i = 0; i < ORACLE_ENTRIES; i++)
        if (slice_eq(name, slice_from_str(picture_entries[i])))
            return &message->annotations[i];
    return NULL;
}

/* False: none of those that there are. */
static bool draw_value(struct picture_annotation *entry, size_t whose, bool nil,
                       struct slice value)
{
    entry->is_known[whose] = true;
    entry->value[whose] = 0;
    if (nil)
        return true;
    for (uint8_t i = 1; i < PICTURE_VALUES; i++)
        if (slice_eq(value, slice_from_str(picture_values[i])))
            entry->value[whose] = i;
    return entry->value[whose] != 0;
}

static const char *draw_annotation(struct picture_message *message,
                                   const struct imap_annotation_data *data)
{
    struct picture_annotation *entry = entry_of(message, data->entry);

    if (entry == NULL)
        return "an entry that nobody has made";
    if (data->n == 0) {
        entry->is_told = true;
        entry->is_known[0] = entry->is_known[1] = false;
    }
    for (size_t i = 0; i < data->n; i++) {
        enum imap_annotation_attribute attribute = data->values[i].attribute;

        if ((attribute == IMAP_ANNOTATION_VALUE_PRIV ||
             attribute == IMAP_ANNOTATION_VALUE_SHARED) &&
            !draw_value(entry, attribute == IMAP_ANNOTATION_VALUE_SHARED, data->values[i].nil,
                        data->values[i].value))
            return "a value that nobody has stored";
    }
    return NULL;
}

static const char *draw_item(struct picture_message *message,
                             const struct imap_fetch_data *item, unsigned now)
{
    if (item->kind == IMAP_FETCH_UID) {
        if (message->uid != 0 && message->uid != item->number)
            return "a message's UID changed";
        message->uid = (uint32_t) item->number;
    } else if (item->kind == IMAP_FETCH_FLAGS) {
        message->has_flags = true;
        message->flags = picture_flags(&item->flags);
        message->is_recent = (item->flags.bits & IMAP_RECENT) != 0;
    } else if (item->kind == IMAP_FETCH_MODSEQ) {
        if (item->number < message->modseq)
            return "a message's MODSEQ fell";
        message->modseq = item->number;
        message->heard_modseq = now;
    } else if (item->kind == IMAP_FETCH_ANNOTATION) {
        const char *wrong = NULL;

        for (size_t i = 0; i < item->n_annotations && wrong == NULL; i++)
            wrong = draw_annotation(message, &item->annotations[i]);
        return wrong;
    }
    return NULL;
}

/* By uid: the message told of before, or the first nothing was told of. NULL: none. */
static struct picture_message *by_uid(struct picture *picture, uint32_t uid)
{
    struct picture_message *unknown = NULL;

    for (size_t i = 0; i < picture->n; i++) {
        if (picture->messages[i].uid == uid)
            return &picture->messages[i];
        if (picture->messages[i].uid == 0 && unknown == NULL)
            unknown = &picture->messages[i];
    }
    if (unknown != NULL)
        unknown->uid = uid;
    return unknown;
}

const char *picture_arrange(struct picture *picture, const uint32_t *uids)
{
    for (size_t i = 0; i < picture->n; i++) {
        struct picture_message moved;
        size_t at = i, unknown = picture->n;

        for (; at < picture->n && picture->messages[at].uid != uids[i]; at++)
            if (picture->messages[at].uid == 0 && unknown == picture->n)
                unknown = at;
        at = at < picture->n ? at : unknown;
        if (at == picture->n)
            return "told of a uid that is not there";
        moved = picture->messages[at];
        picture->messages[at] = picture->messages[i];
        moved.uid = uids[i];
        picture->messages[i] = moved;
    }
    return NULL;
}

static const char *draw_fetch(struct picture *picture, const struct imap_response *response)
{
    struct picture_message *message;
    const char *wrong = NULL;

    if (response->number == 0 || (!response->by_uid && response->number > picture->n))
        return "FETCH of a number that is not there";
    message = response->by_uid ? by_uid(picture, response->number)
                               : &picture->messages[response->number - 1];
    if (message == NULL)
        return "UIDFETCH of a message that is not counted";
    message->heard = picture->now;
    for (size_t i = 0; i < response->fetch.n && wrong == NULL; i++)
        wrong = draw_item(message, &response->fetch.items[i], picture->now);
    return wrong;
}

const char *picture_draw(struct picture *picture, const struct imap_response *response)
{
    switch (response->data) {
    case IMAP_DATA_EXISTS:
        return draw_exists(picture, response->number);
    case IMAP_DATA_RECENT:
        picture->recent = response->number;
        return NULL;
    case IMAP_DATA_EXPUNGE:
        return draw_expunge(picture, response->number);
    case IMAP_DATA_FETCH:
        return draw_fetch(picture, response);
    case IMAP_DATA_VANISHED: /* (EARLIER) is of what is not counted (RFC 7162 3.2.10.1) */
        return response->vanished.earlier ? NULL : draw_vanished(picture, response);
    case IMAP_DATA_CONTINUE:
    case IMAP_DATA_STATUS:
    case IMAP_DATA_CAPABILITY:
    case IMAP_DATA_ENABLED:
    case IMAP_DATA_FLAGS:
    case IMAP_DATA_LIST:
    case IMAP_DATA_LSUB:
    case IMAP_DATA_XLIST:
    case IMAP_DATA_MBOX_STATUS:
    case IMAP_DATA_SEARCH:
    case IMAP_DATA_ESEARCH:
    case IMAP_DATA_SORT:
    case IMAP_DATA_THREAD:
    case IMAP_DATA_UIDBATCHES:
    case IMAP_DATA_NAMESPACE:
    case IMAP_DATA_LANGUAGE:
    case IMAP_DATA_COMPARATOR:
    case IMAP_DATA_ID:
    case IMAP_DATA_METADATA:
    case IMAP_DATA_ACL:
    case IMAP_DATA_LISTRIGHTS:
    case IMAP_DATA_MYRIGHTS:
    case IMAP_DATA_QUOTA:
    case IMAP_DATA_QUOTAROOT:
    case IMAP_DATA_GENURLAUTH:
    case IMAP_DATA_URLFETCH:
        return NULL;
    }
    return NULL;
}
