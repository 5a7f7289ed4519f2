/* oracle.c - see oracle.h. */
#include "lib/oracle.h"

#include "imap/flags.h"

static void *grow(void *array, size_t n, size_t *cap, size_t width)
{
    if (n < *cap)
        return array;
    *cap = MAX(*cap * 2, (size_t) 16);
    return xrealloc(array, *cap * width);
}

/* RFC 4314 leaves it open: a new mailbox has the list of the one above it. */
static void inherit(const struct oracle *oracle, struct oracle_mailbox *mailbox)
{
    const struct oracle_mailbox *parent;
    char above[ORACLE_NAME_BYTES];
    const char *end = strrchr(mailbox->name, '/');

    if (end == NULL)
        return;
    (void) snprintf(above, sizeof(above), "%.*s", (int) (end - mailbox->name), mailbox->name);
    parent = oracle_find(oracle, above);
    if (parent != NULL)
        memcpy(mailbox->rights, parent->rights, sizeof(mailbox->rights));
}

/* Every reader's MODSEQ shows it. */
static void change_all(struct oracle_told told[ORACLE_READERS])
{
    for (unsigned reader = 0; reader < ORACLE_READERS; reader++)
        told[reader].version++;
}

static struct oracle_mailbox *add_mailbox(struct oracle *oracle, const char *name)
{
    struct oracle_mailbox *mailbox = xcalloc(1, sizeof(*mailbox));

    (void) snprintf(mailbox->name, sizeof(mailbox->name), "%s", name);
    mailbox->uidnext = 1;
    inherit(oracle, mailbox);
    oracle->mailboxes = grow(oracle->mailboxes, oracle->n, &oracle->cap, sizeof(mailbox));
    oracle->mailboxes[oracle->n++] = mailbox;
    return mailbox;
}

struct oracle *oracle_new(void)
{
    static const char *const defaults[] = {"INBOX", "Drafts", "Sent",
                                           "Junk",  "Trash",  "Archive"};
    struct oracle *oracle = xcalloc(1, sizeof(*oracle));

    for (size_t i = 0; i < COUNT(defaults); i++) {
        (void) add_mailbox(oracle, defaults[i]);
        oracle_name(oracle, defaults[i])->subscribed = true;
    }
    return oracle;
}

void oracle_free(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->n; i++) {
        free(oracle->mailboxes[i]->messages);
        free(oracle->mailboxes[i]);
    }
    for (size_t i = 0; i < oracle->n_all; i++)
        free(oracle->all[i]);
    free(oracle->mailboxes);
    free(oracle->names);
    free(oracle->all);
    free(oracle);
}

/* ---- mailboxes ---- */

struct oracle_mailbox *oracle_find(const struct oracle *oracle, const char *name)
{
    for (size_t i = 0; i < oracle->n; i++)
        if (!oracle->mailboxes[i]->deleted && strcmp(oracle->mailboxes[i]->name, name) == 0)
            return oracle->mailboxes[i];
    return NULL;
}

static bool is_below(const char *name, const char *parent)
{
    size_t len = strlen(parent);

    return strncmp(name, parent, len) == 0 && name[len] == '/';
}

bool oracle_has_below(const struct oracle *oracle, unsigned reader, const char *name)
{
    for (size_t i = 0; i < oracle->n; i++)
        if (!oracle->mailboxes[i]->deleted && oracle_may(oracle->mailboxes[i], reader, 'l') &&
            is_below(oracle->mailboxes[i]->name, name))
            return true;
    return false;
}

struct oracle_name *oracle_name(struct oracle *oracle, const char *name)
{
    for (size_t i = 0; i < oracle->n_names; i++)
        if (strcmp(oracle->names[i].name, name) == 0)
            return &oracle->names[i];
    oracle->names =
        grow(oracle->names, oracle->n_names, &oracle->cap_names, sizeof(*oracle->names));
    oracle->names[oracle->n_names] = (struct oracle_name){0};
    (void) snprintf(oracle->names[oracle->n_names].name, ORACLE_NAME_BYTES, "%s", name);
    return &oracle->names[oracle->n_names++];
}

static void create_superiors(struct oracle *oracle, const char *name)
{
    char superior[ORACLE_NAME_BYTES];

    for (size_t i = 0; name[i] != '\0'; i++) {
        if (name[i] != '/')
            continue;
        (void) snprintf(superior, sizeof(superior), "%.*s", (int) i, name);
        if (oracle_find(oracle, superior) == NULL)
            (void) add_mailbox(oracle, superior);
    }
}

bool oracle_create(struct oracle *oracle, const char *name)
{
    if (oracle_find(oracle, name) != NULL)
        return false;
    create_superiors(oracle, name);
    (void) add_mailbox(oracle, name);
    return true;
}

bool oracle_delete(struct oracle *oracle, const char *name)
{
    struct oracle_mailbox *mailbox = oracle_find(oracle, name);

    if (mailbox == NULL || strcmp(name, "INBOX") == 0)
        return false;
    while (mailbox->n > 0)
        oracle_expunge(mailbox, mailbox->messages[0]);
    mailbox->deleted = true;
    return true;
}

/* RFC 9051 6.3.6: the messages of INBOX go to a new mailbox, INBOX stays. */
static bool rename_inbox(struct oracle *oracle, const char *to)
{
    struct oracle_mailbox *inbox = oracle_find(oracle, "INBOX"), *target;

    if (!oracle_create(oracle, to))
        return false;
    target = oracle_find(oracle, to);
    while (inbox->n > 0) {
        oracle_copy_annotations(inbox->messages[0], target, 0,
                                oracle_append(oracle, target, 0, inbox->messages[0]->flags,
                                              inbox->messages[0]->marker));
        oracle_move_away(inbox, inbox->messages[0]);
    }
    return true;
}

static void new_name(char out[ORACLE_NAME_BYTES], const char *name, const char *from,
                     const char *to)
{
    (void) snprintf(out, ORACLE_NAME_BYTES, "%s%s", to, name + strlen(from));
}

static bool is_renamed(const struct oracle_mailbox *mailbox, const char *from)
{
    return !mailbox->deleted &&
           (strcmp(mailbox->name, from) == 0 || is_below(mailbox->name, from));
}

/* Would each mailbox of the tree find its new name free? */
static bool targets_are_free(const struct oracle *oracle, const char *from, const char *to)
{
    for (size_t i = 0; i < oracle->n; i++) {
        char name[ORACLE_NAME_BYTES];
        const struct oracle_mailbox *there;

        if (!is_renamed(oracle->mailboxes[i], from))
            continue;
        new_name(name, oracle->mailboxes[i]->name, from, to);
        there = oracle_find(oracle, name);
        if (there != NULL && !is_renamed(there, from))
            return false;
    }
    return true;
}

bool oracle_rename(struct oracle *oracle, const char *from, const char *to)
{
    bool is_known = oracle_find(oracle, from) != NULL || oracle_has_below(oracle, 0, from);

    if (!is_known || oracle_find(oracle, to) != NULL)
        return false;
    if (strcmp(from, "INBOX") == 0)
        return rename_inbox(oracle, to);
    if (is_below(to, from) || strcmp(from, to) == 0 || !targets_are_free(oracle, from, to))
        return false;
    for (size_t i = 0; i < oracle->n; i++) {
        char name[ORACLE_NAME_BYTES];

        if (!is_renamed(oracle->mailboxes[i], from))
            continue;
        new_name(name, oracle->mailboxes[i]->name, from, to);
        memcpy(oracle->mailboxes[i]->name, name, sizeof(name));
        change_all(oracle->mailboxes[i]->told);
        oracle->mailboxes[i]->renamed = true;
    }
    create_superiors(oracle, to);
    return true;
}

/* ---- rights ---- */

bool oracle_may(const struct oracle_mailbox *mailbox, unsigned reader, char right)
{
    const char *rights = mailbox->rights[reader];

    return reader == 0 || (strchr(rights, 'l') != NULL && strchr(rights, right) != NULL);
}

struct oracle_mailbox *oracle_find_for(const struct oracle *oracle, unsigned reader,
                                       const char *name)
{
    struct oracle_mailbox *mailbox = oracle_find(oracle, name);

    return mailbox != NULL && oracle_may(mailbox, reader, 'l') ? mailbox : NULL;
}

uint32_t oracle_settable(const struct oracle_mailbox *mailbox, unsigned reader)
{
    uint32_t settable = 0;

    if (oracle_may(mailbox, reader, 's'))
        settable |= IMAP_SEEN;
    if (oracle_may(mailbox, reader, 't'))
        settable |= IMAP_DELETED;
    if (oracle_may(mailbox, reader, 'w'))
        settable |= ~(uint32_t) (IMAP_SEEN | IMAP_DELETED);
    return settable;
}

/* Their MODSEQs rise, whatever they had; the owner's do not. */
void oracle_share_seen(struct oracle_mailbox *mailbox, bool on)
{
    if (mailbox->shares_seen == on)
        return;
    mailbox->shares_seen = on;
    for (unsigned reader = 1; reader < ORACLE_READERS; reader++)
        for (size_t i = 0; i < mailbox->n; i++)
            mailbox->messages[i]->told[reader].version++;
}

/* ---- messages ---- */

/* Flags kept apart for a reader. */
static uint32_t own_of(const struct oracle_mailbox *mailbox, unsigned reader)
{
    return reader == 0 || mailbox->shares_seen ? 0 : IMAP_SEEN;
}

uint32_t oracle_flags(const struct oracle_mailbox *mailbox,
                      const struct oracle_message *message, unsigned reader)
{
    uint32_t own = own_of(mailbox, reader);

    return (message->flags & ~own) | (message->own[reader] & own);
}

struct oracle_message *oracle_append(struct oracle *oracle, struct oracle_mailbox *mailbox,
                                     unsigned reader, uint32_t flags, uint64_t marker)
{
    struct oracle_message *message = xcalloc(1, sizeof(*message));
    uint32_t own = own_of(mailbox, reader);

    flags &= oracle_settable(mailbox, reader);
    message->uid = mailbox->uidnext++;
    message->flags = flags & ~own;
    message->own[reader] = flags & own;
    message->marker = marker;
    change_all(mailbox->told);
    mailbox->messages = grow(mailbox->messages, mailbox->n, &mailbox->cap, sizeof(message));
    mailbox->messages[mailbox->n++] = message;
    oracle->all = grow(oracle->all, oracle->n_all, &oracle->cap_all, sizeof(message));
    oracle->all[oracle->n_all++] = message;
    return message;
}

void oracle_expunge(struct oracle_mailbox *mailbox, struct oracle_message *message)
{
    size_t at = 0;

    while (mailbox->messages[at] != message)
        at++;
    memmove(&mailbox->messages[at], &mailbox->messages[at + 1],
            (mailbox->n - at - 1) * sizeof(struct oracle_message *));
    mailbox->n--;
    change_all(mailbox->told);
    message->gone = true;
}

void oracle_move_away(struct oracle_mailbox *mailbox, struct oracle_message *message)
{
    oracle_expunge(mailbox, message);
    message->moved = true;
}

void oracle_set_flags(struct oracle_mailbox *mailbox, struct oracle_message *message,
                      unsigned reader, uint32_t flags)
{
    uint32_t old = oracle_flags(mailbox, message, reader), own = own_of(mailbox, reader);
    uint32_t changed = (old ^ flags) & oracle_settable(mailbox, reader);

    message->own[reader] ^= changed & own;
    message->flags ^= changed & ~own;
    if ((changed & ~own) != 0) {
        change_all(message->told);
        change_all(mailbox->told);
    } else if (changed != 0) {
        message->told[reader].version++;
        mailbox->told[reader].version++;
    }
}

bool oracle_annotate(struct oracle_mailbox *mailbox, struct oracle_message *message,
                     unsigned keeper, unsigned entry, uint8_t value)
{
    struct oracle_annotation *annotation = &message->annotations[keeper][entry];

    if (annotation->value == value)
        return false;
    annotation->value = value;
    annotation->changes++;
    if (keeper == ORACLE_EVERYBODY) {
        change_all(message->told);
        change_all(mailbox->told);
    } else {
        message->told[keeper].version++;
        mailbox->told[keeper].version++;
    }
    return true;
}

void oracle_copy_annotations(const struct oracle_message *from,
                             const struct oracle_mailbox *target, unsigned reader,
                             struct oracle_message *copy)
{
    for (unsigned entry = 0; entry < ORACLE_ENTRIES; entry++) {
        if (oracle_may(target, reader, 'r'))
            copy->annotations[reader][entry].value = from->annotations[reader][entry].value;
        if (oracle_may(target, reader, 'n'))
            copy->annotations[ORACLE_EVERYBODY][entry].value =
                from->annotations[ORACLE_EVERYBODY][entry].value;
    }
}

size_t oracle_count(const struct oracle_mailbox *mailbox, unsigned reader, uint32_t with,
                    uint32_t without)
{
    size_t n = 0;

    for (size_t i = 0; i < mailbox->n; i++) {
        uint32_t flags = oracle_flags(mailbox, mailbox->messages[i], reader);

        n += (flags & with) == with && (flags & without) == 0;
    }
    return n;
}

void oracle_restarted(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->n_all; i++)
        oracle->all[i]->recent_is_unknown = true;
}

/* ---- views ---- */

static void tell_new(struct oracle_view *view)
{
    for (size_t i = 0; i < view->mailbox->n; i++) {
        struct oracle_message *message = view->mailbox->messages[i];

        if (message->uid <= view->told_uid)
            continue;
        view->numbered =
            grow(view->numbered, view->n, &view->cap, sizeof(struct oracle_message *));
        view->numbered[view->n++] = message;
        if (!view->read_only && message->recent_owner == 0)
            message->recent_owner = view->selection;
    }
    view->told_uid = view->mailbox->uidnext - 1;
}

void oracle_view_open(struct oracle_view *view, struct oracle_mailbox *mailbox, bool read_only,
                      unsigned selection)
{
    oracle_view_close(view);
    *view = (struct oracle_view){
        .mailbox = mailbox, .read_only = read_only, .selection = selection};
    tell_new(view);
}

void oracle_view_close(struct oracle_view *view)
{
    free(view->numbered);
    *view = (struct oracle_view){0};
}

void oracle_view_sync(struct oracle_view *view, bool expunges)
{
    size_t kept = 0;

    for (size_t i = 0; i < view->n; i++)
        if (!expunges || !view->numbered[i]->gone)
            view->numbered[kept++] = view->numbered[i];
    view->n = kept;
    tell_new(view);
}

bool oracle_view_has_withheld(const struct oracle_view *view)
{
    for (size_t i = 0; i < view->n; i++)
        if (view->numbered[i]->gone)
            return true;
    return false;
}

int64_t oracle_view_recent(const struct oracle_view *view)
{
    int64_t n = 0;

    for (size_t i = 0; i < view->n; i++) {
        const struct oracle_message *message = view->numbered[i];

        if (message->gone)
            continue;
        if (message->recent_is_unknown)
            return -1;
        n += message->recent_owner == (view->read_only ? 0 : view->selection);
    }
    return n;
}

uint32_t oracle_view_seq(const struct oracle_view *view, uint32_t uid)
{
    for (size_t i = 0; i < view->n; i++)
        if (view->numbered[i]->uid == uid)
            return (uint32_t) i + 1;
    return 0;
}

uint32_t oracle_view_last_uid(const struct oracle_view *view)
{
    for (size_t i = view->n; i > 0; i--)
        if (!view->numbered[i - 1]->gone)
            return view->numbered[i - 1]->uid;
    return 0;
}
