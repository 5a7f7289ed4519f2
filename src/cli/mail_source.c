#include "cli/mail_source.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "cli/mail_header.h"
#include "cli/maildir.h"
#include "cli/tar.h"

#define PATH_BYTES   4096u
#define FOLDER_BYTES 2048u
#define SNIFF_BYTES  4096u
#define A_DAY_SEC    86400
#define WALK_FDS     32
#define FORWARDED    "$Forwarded" /* RFC 5788 3 registers it */

/* A directory to be visited. */
struct visit {
    struct visit *next;
    unsigned depth;
    char path[PATH_BYTES];
    char folder[FOLDER_BYTES]; /* "": the root */
};

struct walk {
    const struct source_options *options;
    const struct source_events *events;
    void *ctx;
    const char *root;             /* as given */
    char root_name[FOLDER_BYTES]; /* its last component, for messages that lie right in it */
    struct visit *first, *last;
    struct map *visited; /* directories, by device and inode: links can make a ring of them */
    bool knows_subscriptions; /* a file says which folders are subscribed */
};

/* What stands around the bytes of one file or member. */
struct origin {
    const char *place;  /* path below the root */
    struct slice name;  /* its last component */
    const char *folder; /* of the directory it lies in */
    bool is_root;       /* the path that was given is this file, and no archive */
    int64_t mtime;
};

/* ---- folders ---- */

static struct slice base_name(struct slice path)
{
    size_t slash = slice_rfind(path, '/');

    return slash == path.len ? path : slice_from(path, slash + 1);
}

static bool ends_nocase(struct slice s, const char *suffix)
{
    struct slice end = slice_from_str(suffix);

    return s.len > end.len && slice_eq_nocase(slice_from(s, s.len - end.len), end);
}

/* Without what tells a program what is inside. */
static struct slice stem(struct slice name)
{
    static const char *const suffixes[] = {".zst", ".tar", ".mbox", ".mbx", ".sbd"};

    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (ends_nocase(name, suffixes[i]))
            name = slice_sub(name, 0, name.len - strlen(suffixes[i]));
    return name;
}

static void join(char out[FOLDER_BYTES], const char *folder, struct slice name)
{
    char joined[FOLDER_BYTES];

    (void) snprintf(joined, sizeof(joined), "%s%s%.*s", folder, *folder != '\0' ? "/" : "",
                    SLICE_ARG(name));
    memcpy(out, joined, sizeof(joined));
}

/* The folder in the account: below the target, if there is one. */
static void place_folder(const struct walk *walk, const char *folder, char out[FOLDER_BYTES])
{
    struct slice name = slice_from_str(folder);
    const char *target = walk->options->target;
    bool inbox = name.len == 0 || slice_eq_nocase(name, SLICE("INBOX")) ||
                 slice_eq_nocase(name, SLICE("mbox"));

    if (target == NULL)
        (void) snprintf(out, FOLDER_BYTES, "%s", inbox ? "INBOX" : folder);
    else if (inbox)
        (void) snprintf(out, FOLDER_BYTES, "%s", target);
    else
        join(out, target, name);
}

static void leave_out(const struct walk *walk, const char *place, const char *why)
{
    walk->events->left_out(walk->ctx, place, why);
}

/* ---- one message ---- */

static struct slice without_from_line(struct slice bytes)
{
    size_t line = MIN(MIN(slice_find(bytes, '\n'), slice_find(bytes, '\r')) + 1, bytes.len);
    int64_t date;

    if (line < bytes.len && bytes.ptr[line - 1] == '\r' && bytes.ptr[line] == '\n')
        line++;

    return mbox_is_from_line(slice_sub(bytes, 0, line), &date) ? slice_from(bytes, line)
                                                               : bytes;
}

/* Maildir's: the file system's date was the mailbox's, unless copying made it new. */
static int64_t maildir_date(const struct maildir_name *name, int64_t mtime)
{
    if (name->date != 0 && (mtime == 0 || mtime > name->date + A_DAY_SEC))
        return name->date;
    return mtime;
}

static enum rc single_message(struct walk *walk, struct feed *feed, const struct origin *origin,
                              struct err *err)
{
    char folder[FOLDER_BYTES];
    struct source_message message = {
        .folder = folder, .place = origin->place, .key = origin->place};
    struct slice seen = feed_see(feed, MBOX_MESSAGE_MAX_BYTES + 1);

    if (feed_failed(feed, err)) {
        leave_out(walk, origin->place, err->text);
        return RC_OK;
    }
    if (seen.len > MBOX_MESSAGE_MAX_BYTES || seen.len == 0) {
        leave_out(walk, origin->place, seen.len == 0 ? "it is empty" : "it is too long");
        return RC_OK;
    }
    message.bytes = without_from_line(seen);
    message.date = mail_header_date(message.bytes);
    if (message.date == 0)
        message.date = origin->mtime;
    place_folder(walk, *origin->folder != '\0' ? origin->folder : walk->root_name, folder);
    return walk->events->message(walk->ctx, &message, err);
}

/* ---- mbox ---- */

/* One file and one mailbox for it were named: its own name is none. */
static bool is_what_was_named(const struct walk *walk, const struct origin *origin)
{
    return origin->is_root && walk->options->target != NULL;
}

static enum rc whole_mbox(struct walk *walk, struct feed *feed, const struct origin *origin,
                          struct err *err)
{
    AUTO(mbox_reader_freep)
    struct mbox_reader *reader = mbox_reader_new(feed, walk->options->mbox);
    char folder[FOLDER_BYTES], named[FOLDER_BYTES], place[SOURCE_PLACE_BYTES];
    struct mbox_message read;
    enum rc rc;

    join(named, origin->folder, stem(origin->name));
    place_folder(walk, is_what_was_named(walk, origin) ? "" : named, folder);
    while ((rc = mbox_next(reader, &read, err)) == RC_OK) {
        struct source_message message = {.folder = folder,
                                         .bytes = read.bytes,
                                         .place = place,
                                         .key = origin->place,
                                         .flags = read.flags,
                                         .keywords = read.keywords,
                                         .n_keywords = read.n_keywords,
                                         .date = read.date};

        (void) snprintf(place, sizeof(place), "%s at byte %llu", origin->place,
                        (unsigned long long) read.offset);
        if (message.date == 0)
            message.date = mail_header_date(read.bytes);
        if (read.internal)
            continue;
        if (read.too_long || read.bytes.len == 0) {
            leave_out(walk, place, read.too_long ? "it is too long" : "it is empty");
            continue;
        }
        rc = walk->events->message(walk->ctx, &message, err);
        if (rc)
            return rc;
    }
    if (rc != RC_NOT_FOUND)
        leave_out(walk, origin->place, err->text);
    return RC_OK;
}

/* ---- a Maildir's file ---- */

static enum rc maildir_message(struct walk *walk, struct feed *feed,
                               const struct origin *origin, const struct maildir_notes *notes,
                               struct err *err)
{
    char folder[FOLDER_BYTES], key[SOURCE_PLACE_BYTES];
    struct slice keywords[SOURCE_KEYWORDS_MAX];
    struct maildir_name name;
    struct source_message message = {
        .folder = folder, .place = origin->place, .key = key, .keywords = keywords};

    maildir_parse_name(origin->name, &name);
    for (size_t i = 0; i < MAILDIR_LETTERS; i++)
        if ((name.letters >> i & 1) != 0 && notes->keywords[i] != NULL)
            keywords[message.n_keywords++] = slice_from_str(notes->keywords[i]);
    if (name.passed)
        keywords[message.n_keywords++] = SLICE(FORWARDED);
    message.bytes = feed_see(feed, MBOX_MESSAGE_MAX_BYTES + 1);
    if (feed_failed(feed, err)) {
        leave_out(walk, origin->place, err->text);
        return RC_OK;
    }
    if (message.bytes.len > MBOX_MESSAGE_MAX_BYTES || message.bytes.len == 0) {
        leave_out(walk, origin->place,
                  message.bytes.len == 0 ? "it is empty" : "it is too long");
        return RC_OK;
    }
    message.uid = maildir_uid(notes, name.unique);
    message.flags = name.flags;
    message.date = maildir_date(&name, origin->mtime);
    place_folder(walk, origin->folder, folder);
    (void) snprintf(key, sizeof(key), "%s/%.*s", origin->folder, SLICE_ARG(name.unique));
    return walk->events->message(walk->ctx, &message, err);
}

/* ---- tar ---- */

static bool is_maildir_sub(struct slice name)
{
    return slice_eq(name, SLICE("cur")) || slice_eq(name, SLICE("new"));
}

/* Files that programs keep beside mail. */
static bool is_bookkeeping(struct slice name)
{
    return name.len == 0 || name.ptr[0] == '.' || slice_starts(name, SLICE("dovecot")) ||
           slice_starts(name, SLICE("courier")) || slice_eq(name, SLICE("subscriptions")) ||
           slice_starts(name, SLICE("maildir")) || ends_nocase(name, ".msf");
}

static enum rc one_file(struct walk *walk, struct feed *feed, const struct origin *origin,
                        struct err *err);

/* The folder of the Maildir that path, "X/cur/NAME" without "/cur/NAME", is. */
static void member_folder(struct slice path, char out[FOLDER_BYTES])
{
    AUTO(buf_done) struct buf name = {.max = FOLDER_BYTES - 1};
    struct slice last = base_name(path);

    if (last.len > 1 && last.ptr[0] == '.' && maildir_folder_name(last, &name))
        (void) snprintf(out, FOLDER_BYTES, "%.*s", SLICE_ARG(buf_slice(&name)));
    else if (slice_eq_nocase(path, SLICE("Maildir")) || slice_eq(path, SLICE(".")))
        out[0] = '\0';
    else
        (void) snprintf(out, FOLDER_BYTES, "%.*s", SLICE_ARG(path));
}

/* Notes beside the Maildirs of an archive may come behind the mail: they are not used. */
static enum rc tar_member(struct walk *walk, const struct tar_member *member,
                          const struct origin *archive, struct err *err)
{
    static const struct maildir_notes no_notes = {0};
    struct slice path = slice_from_str(member->name), folder;
    char place[SOURCE_PLACE_BYTES], in[FOLDER_BYTES];
    struct origin origin = {.place = place, .folder = in};

    while (slice_starts(path, SLICE("./")) || slice_starts(path, SLICE("/")))
        path = slice_from(path, path.ptr[0] == '.' ? 2 : 1);
    origin.name = base_name(path);
    folder = slice_sub(path, 0, slice_rfind(path, '/'));
    if (folder.len == path.len) /* no "/" */
        folder = slice_sub(path, 0, 0);
    (void) snprintf(place, sizeof(place), "%s:%.*s", archive->place, SLICE_ARG(path));
    if (is_maildir_sub(base_name(folder))) {
        size_t slash = slice_rfind(folder, '/');

        member_folder(slash == folder.len ? SLICE(".") : slice_sub(folder, 0, slash), in);
        return maildir_message(walk, member->feed, &origin, &no_notes, err);
    }
    if (is_bookkeeping(origin.name) || slice_eq(base_name(folder), SLICE("tmp")))
        return RC_OK;
    join(in, archive->folder, folder.len > 0 ? folder : stem(archive->name));
    if (folder.len == 0 && !ends_nocase(path, ".eml") && ends_nocase(path, ".mbox"))
        (void) snprintf(in, sizeof(in), "%s", archive->folder);
    return one_file(walk, member->feed, &origin, err);
}

static enum rc whole_tar(struct walk *walk, struct feed *feed, const struct origin *origin,
                         struct err *err)
{
    AUTO(tar_freep) struct tar *tar = tar_new(feed);
    struct tar_member member;
    enum rc rc;

    while ((rc = tar_next(tar, &member, err)) == RC_OK) {
        rc = tar_member(walk, &member, origin, err);
        if (rc)
            return rc;
    }
    if (rc != RC_NOT_FOUND)
        leave_out(walk, origin->place, err->text);
    return RC_OK;
}

/* ---- files ---- */

/* What a file or member is, by its name and its beginning. Archives lie in no archives. */
static enum rc one_file(struct walk *walk, struct feed *feed, const struct origin *origin,
                        struct err *err)
{
    struct slice seen = feed_see(feed, SNIFF_BYTES), name = origin->name;
    int64_t date;

    if (ends_nocase(name, ".zst"))
        name = slice_sub(name, 0, name.len - strlen(".zst"));
    if (feed_failed(feed, err)) {
        leave_out(walk, origin->place, err->text);
        return RC_OK;
    }
    if (seen.len == 0)
        return RC_OK; /* an mbox without mail */
    if (ends_nocase(name, ".eml"))
        return single_message(walk, feed, origin, err);
    if (mbox_is_from_line(slice_sub(seen, 0, slice_find(seen, '\n') + 1), &date))
        return whole_mbox(walk, feed, origin, err);
    if (mail_looks_like(seen))
        return single_message(walk, feed, origin, err);
    leave_out(walk, origin->place, "it is no mail");
    return RC_OK;
}

static const char *below_root(const struct walk *walk, const char *path)
{
    size_t len = strlen(walk->root);

    if (strncmp(path, walk->root, len) == 0 && path[len] == '/')
        return path + len + 1;
    return base_name(slice_from_str(path)).ptr;
}

static enum rc visit_file(struct walk *walk, const char *path, const char *folder,
                          const struct maildir_notes *notes, struct err *err)
{
    AUTO(feed_freep) struct feed *feed = NULL;
    struct origin origin = {.place = below_root(walk, path),
                            .name = base_name(slice_from_str(path)),
                            .folder = folder,
                            .is_root = strcmp(path, walk->root) == 0};
    struct stat st;
    enum rc rc = feed_open(path, &feed, err);

    if (rc || stat(path, &st) != 0) {
        leave_out(walk, origin.place, rc ? err->text : "it vanished");
        return RC_OK;
    }
    origin.mtime = st.st_mtime;
    if (notes != NULL)
        rc = maildir_message(walk, feed, &origin, notes, err);
    else if (tar_is_archive(feed_see(feed, SNIFF_BYTES)))
        rc = whole_tar(walk, feed, &origin, err);
    else
        rc = one_file(walk, feed, &origin, err);
    walk->events->advanced(walk->ctx, (uint64_t) st.st_size);
    return rc;
}

/* ---- directories ---- */

static bool path_join(char out[PATH_BYTES], const char *folder, const char *name)
{
    return snprintf(out, PATH_BYTES, "%s/%s", folder, name) < (int) PATH_BYTES;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_maildir(const char *path)
{
    char cur[PATH_BYTES];

    return path_join(cur, path, "cur") && is_directory(cur);
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

struct listing {
    struct dirent **entries;
    int n;
};

static void listing_done(struct listing *listing)
{
    for (int i = 0; i < listing->n; i++)
        free(listing->entries[i]);
    free(listing->entries);
}

/* In byte order of names. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool list_directory(const struct walk *walk, const char *path, struct listing *out)
{
    out->n = scandir(path, &out->entries, not_dots, by_bytes);
    if (out->n >= 0)
        return true;
    leave_out(walk, below_root(walk, path), strerror(errno));
    *out = (struct listing){NULL, 0};
    return false;
}

static void queue_visit(struct walk *walk, const char *path, const char *folder, unsigned depth)
{
    struct visit *visit;
    struct stat st;
    uint64_t id[2];

    if (stat(path, &st) != 0)
        return;
    id[0] = st.st_dev;
    id[1] = st.st_ino;
    if (map_put(walk->visited, slice_of(id, sizeof(id)), walk) != NULL) {
        leave_out(walk, below_root(walk, path), "it came already, by another name");
        return;
    }
    if (depth > SOURCE_DEPTH_MAX) {
        leave_out(walk, below_root(walk, path), "it lies too deep");
        return;
    }
    visit = xcalloc(1, sizeof(*visit));
    visit->depth = depth;
    (void) snprintf(visit->path, sizeof(visit->path), "%s", path);
    (void) snprintf(visit->folder, sizeof(visit->folder), "%s", folder);
    if (walk->last != NULL)
        walk->last->next = visit;
    else
        walk->first = visit;
    walk->last = visit;
}

/* A message of a Maildir on its way to be sorted. */
struct maildir_file {
    uint32_t uid; /* 0: none; comes last */
    const char *sub, *name;
};

static int by_uid(const void *left, const void *right)
{
    const struct maildir_file *a = left, *b = right;
    uint32_t a_rank = a->uid - 1, b_rank = b->uid - 1; /* 0 becomes the greatest */

    if (a_rank != b_rank)
        return a_rank < b_rank ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void add_files(struct maildir_file *files, size_t *n, const struct listing *listing,
                      const char *sub, const struct maildir_notes *notes)
{
    for (int i = 0; i < listing->n; i++) {
        struct maildir_name name;

        if (listing->entries[i]->d_name[0] == '.')
            continue;
        maildir_parse_name(slice_from_str(listing->entries[i]->d_name), &name);
        files[(*n)++] = (struct maildir_file){maildir_uid(notes, name.unique), sub,
                                              listing->entries[i]->d_name};
    }
}

static enum rc one_maildir(struct walk *walk, const char *path, const char *folder,
                           struct err *err)
{
    AUTO(maildir_notes_free) struct maildir_notes notes = {0};
    AUTO(listing_done) struct listing cur = {0};
    AUTO(listing_done) struct listing new = {0};
    AUTO(freep) struct maildir_file *files = NULL;
    char sub[PATH_BYTES], file[PATH_BYTES], placed[FOLDER_BYTES];
    size_t n = 0;
    enum rc rc;

    maildir_notes_read(path, &notes);
    place_folder(walk, folder, placed);
    rc = walk->events->folder(walk->ctx,
                              &(struct source_folder){.name = placed,
                                                      .uidvalidity = notes.uidvalidity,
                                                      .uidnext = notes.uidnext,
                                                      .subscribe = !walk->knows_subscriptions},
                              err);
    if (path_join(sub, path, "cur"))
        (void) list_directory(walk, sub, &cur);
    if (path_join(sub, path, "new") && is_directory(sub))
        (void) list_directory(walk, sub, &new);
    files = xcalloc((size_t) (cur.n + new.n) + 1, sizeof(*files));
    add_files(files, &n, &cur, "cur", &notes);
    add_files(files, &n, &new, "new", &notes);
    qsort(files, n, sizeof(*files), by_uid);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        if (path_join(sub, path, files[i].sub) && path_join(file, sub, files[i].name) &&
            is_file(file))
            rc = visit_file(walk, file, folder, &notes, err);
        else
            leave_out(walk, files[i].name, "it is no file");
    }
    return rc;
}

/* Dovecot's and Courier's file of subscribed names: one a line, components joined by "." or,
 * in Dovecot's version 2, by TAB. */
static enum rc read_subscriptions(struct walk *walk, const char *path, struct err *err)
{
    AUTO(feed_freep) struct feed *feed = NULL;
    char file[PATH_BYTES], folder[FOLDER_BYTES];
    struct slice line;
    enum rc rc = RC_OK;

    if (!path_join(file, path, "subscriptions") || feed_open(file, &feed, NULL) != RC_OK)
        return RC_OK;
    while (rc == RC_OK && (line = feed_line(feed)).len > 0) {
        AUTO(buf_done) struct buf name = {.max = FOLDER_BYTES - 1};
        char entry[FOLDER_BYTES];

        line = slice_trim(line);
        if (line.len == 0 || slice_starts(line, SLICE("V\t")))
            continue;
        (void) snprintf(entry, sizeof(entry), ".%.*s", SLICE_ARG(line));
        for (char *c = entry; *c != '\0'; c++)
            if (*c == '\t')
                *c = '.';
        if (!maildir_folder_name(slice_from_str(entry), &name))
            continue;
        buf_byte(&name, '\0');
        place_folder(walk,
                     slice_starts_nocase(buf_slice(&name), SLICE("INBOX/")) ? name.ptr + 6
                                                                            : name.ptr,
                     folder);
        rc = walk->events->subscribed(walk->ctx, folder, err);
    }
    return rc;
}

/* ".Work.2026" beside cur/ of the Maildir. */
static enum rc plus_folder(struct walk *walk, const char *path, const char *folder,
                           const char *entry, struct err *err)
{
    AUTO(buf_done) struct buf name = {.max = FOLDER_BYTES - 1};
    char joined[FOLDER_BYTES];

    if (!maildir_folder_name(slice_from_str(entry), &name)) {
        leave_out(walk, below_root(walk, path), "its name cannot be read");
        return RC_OK;
    }
    join(joined, folder, buf_slice(&name));
    return one_maildir(walk, path, joined, err);
}

/* A Maildir with what lies in it: Maildir++ folders, and directories that are folders too. */
static enum rc visit_maildir(struct walk *walk, const struct visit *visit, struct err *err)
{
    AUTO(listing_done) struct listing listing = {0};
    char subscriptions[PATH_BYTES];
    enum rc rc;

    if (path_join(subscriptions, visit->path, "subscriptions") && is_file(subscriptions))
        walk->knows_subscriptions = true;
    rc = one_maildir(walk, visit->path, visit->folder, err);
    if (rc || !list_directory(walk, visit->path, &listing))
        return rc;
    for (int i = 0; rc == RC_OK && i < listing.n; i++) {
        const char *entry = listing.entries[i]->d_name;
        char path[PATH_BYTES], folder[FOLDER_BYTES];

        if (is_maildir_sub(slice_from_str(entry)) || strcmp(entry, "tmp") == 0 ||
            !path_join(path, visit->path, entry) || !is_directory(path))
            continue;
        join(folder, visit->folder, slice_from_str(entry));
        if (entry[0] != '.')
            queue_visit(walk, path, folder, visit->depth + 1);
        else if (is_maildir(path))
            rc = plus_folder(walk, path, visit->folder, entry, err);
    }
    return rc ? rc : read_subscriptions(walk, visit->path, err);
}

static enum rc visit_plain(struct walk *walk, const struct visit *visit, struct err *err)
{
    AUTO(listing_done) struct listing listing = {0};
    enum rc rc = RC_OK;

    if (!list_directory(walk, visit->path, &listing))
        return RC_OK;
    for (int i = 0; rc == RC_OK && i < listing.n; i++) {
        const char *entry = listing.entries[i]->d_name;
        char path[PATH_BYTES], folder[FOLDER_BYTES];

        if (is_bookkeeping(slice_from_str(entry)) || !path_join(path, visit->path, entry))
            continue;
        join(folder, visit->folder, stem(slice_from_str(entry)));
        if (is_directory(path))
            queue_visit(walk, path, folder, visit->depth + 1);
        else if (is_file(path))
            rc = visit_file(walk, path, visit->folder, NULL, err);
    }
    return rc;
}

static enum rc walk_queue(struct walk *walk, struct err *err)
{
    enum rc rc = RC_OK;

    while (rc == RC_OK && walk->first != NULL) {
        AUTO(freep) struct visit *visit = walk->first;

        walk->first = visit->next;
        if (walk->first == NULL)
            walk->last = NULL;
        rc = is_maildir(visit->path) ? visit_maildir(walk, visit, err)
                                     : visit_plain(walk, visit, err);
    }
    while (walk->first != NULL) {
        struct visit *visit = walk->first;

        walk->first = visit->next;
        free(visit);
    }
    return rc;
}

enum rc mail_source_walk(const char *path, const struct source_options *options,
                         const struct source_events *events, void *ctx, struct err *err)
{
    struct walk walk = {.options = options, .events = events, .ctx = ctx};
    char root[PATH_BYTES];
    struct slice trimmed = slice_from_str(path);
    enum rc rc;

    while (trimmed.len > 1 && trimmed.ptr[trimmed.len - 1] == '/')
        trimmed.len--;
    if (trimmed.len >= sizeof(root))
        return err_set(err, RC_LIMIT, "The path is too long", "import: path too long");
    (void) snprintf(root, sizeof(root), "%.*s", SLICE_ARG(trimmed));
    walk.root = root;
    if (is_directory(root)) {
        struct slice name = base_name(trimmed);

        if (!slice_eq(name, SLICE(".")) && !slice_eq(name, SLICE("..")))
            (void) snprintf(walk.root_name, sizeof(walk.root_name), "%.*s", SLICE_ARG(name));
        walk.visited = map_new();
        queue_visit(&walk, root, "", 0);
        rc = walk_queue(&walk, err);
        map_free(walk.visited);
        return rc;
    }
    if (!is_file(root))
        return err_set(err, RC_NOT_FOUND, "There is no such file or directory", "%s", root);
    return visit_file(&walk, root, "", NULL, err);
}

static _Thread_local uint64_t size_sum; /* nftw() has no context */

static int add_size(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void) path;
    (void) at;
    if (type == FTW_F)
        size_sum += (uint64_t) st->st_size;
    return 0;
}

uint64_t mail_source_size(const char *path)
{
    size_sum = 0;
    (void) nftw(path, add_size, WALK_FDS, 0); /* a guess for the time left, nothing else */
    return size_sum;
}
