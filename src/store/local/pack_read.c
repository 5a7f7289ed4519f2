/*
 * pack_read.c - open packs: a small cache of handles that readers share, and reading by stream.
 *
 * A handle lives while somebody reads; PACKS_KEPT more stay open for the next reader, the least
 * recently used going first.
 *
 * Nothing in a file is believed: what says where bytes are (the directory) is checked against
 * the file's size at open and against the frame's own head at each read; a frame's length is
 * bounded before it is read, and decompression by the length of a block.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "store/local/block_cache.h"
#include "store/local/pack.h"

#define PACKS_KEPT 128u
#define FRAMES_MAX ((uint64_t) 1 << 22) /* in one pack: 256 GiB of raw bytes */

/* A frame as an open pack remembers it. */
struct frame_place {
    uint64_t file_at, at;
    uint32_t raw_len;
    enum pack_stream stream;
};

struct pack {
    struct local *local;
    uint64_t number;
    int fd;
    uint64_t size;
    struct pack_ident ident;
    struct frame_place *frames; /* in the order of the file */
    size_t n_frames;
    size_t *by_stream[PACK_STREAMS]; /* indexes of a stream's frames, in its order */
    size_t n_by_stream[PACK_STREAMS];
    uint64_t lengths[PACK_STREAMS];
    unsigned refs;     /* packs lock */
    struct link idle;  /* packs lock: listed when refs is 0, oldest first */
    bool is_forgotten; /* packs lock: not among the open ones any more */
};

struct packs {
    struct local *local;
    pthread_mutex_t lock;
    struct map *open; /* lock: number -> pack */
    struct list idle; /* lock */
    unsigned n_idle;  /* lock */
};

struct packs *packs_new(struct local *local)
{
    struct packs *packs = xcalloc(1, sizeof(*packs));

    packs->local = local;
    (void) pthread_mutex_init(&packs->lock, NULL);
    packs->open = map_new();
    list_init(&packs->idle);
    return packs;
}

static void pack_free(struct pack *pack)
{
    if (pack == NULL)
        return;
    closep(&pack->fd);
    for (size_t i = 0; i < PACK_STREAMS; i++)
        free(pack->by_stream[i]);
    free(pack->frames);
    free(pack);
}

static void pack_freep(struct pack **pack)
{
    pack_free(*pack);
}

void packs_free(struct packs *packs)
{
    struct slice key;
    void *value;

    if (packs == NULL)
        return;
    for (size_t at = 0; map_next(packs->open, &at, &key, &value);)
        pack_free(value);
    map_free(packs->open);
    (void) pthread_mutex_destroy(&packs->lock);
    free(packs);
}

static enum rc damaged(const struct pack *pack, const char *what, struct err *err)
{
    return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %llx: %s",
                   (unsigned long long) pack->number, what);
}

/* ---- opening ---- */

static void add_frame(struct pack *pack, const struct pack_frame *frame)
{
    struct frame_place *place = &pack->frames[pack->n_frames];

    *place = (struct frame_place){.file_at = frame->file_at,
                                  .at = pack->lengths[frame->stream],
                                  .raw_len = frame->raw_len,
                                  .stream = frame->stream};
    pack->lengths[frame->stream] += frame->raw_len;
    pack->n_frames++;
    pack->n_by_stream[frame->stream]++;
}

static void forget_frames(struct pack *pack)
{
    pack->n_frames = 0;
    memset(pack->n_by_stream, 0, sizeof(pack->n_by_stream));
    memset(pack->lengths, 0, sizeof(pack->lengths));
}

static void sort_streams(struct pack *pack)
{
    size_t n[PACK_STREAMS] = {0};

    for (size_t s = 0; s < PACK_STREAMS; s++)
        pack->by_stream[s] = xcalloc(pack->n_by_stream[s] + 1, sizeof(size_t));
    for (size_t i = 0; i < pack->n_frames; i++) {
        enum pack_stream stream = pack->frames[i].stream;

        pack->by_stream[stream][n[stream]++] = i;
    }
}

static enum rc read_ident(struct pack *pack, struct err *err)
{
    char bytes[PACK_HEADER_BYTES];
    struct pack_ident ident;
    enum rc rc = file_read_all(pack->fd, bytes, sizeof(bytes), 0, err);

    if (rc)
        return rc;
    if (!pack_header_read(slice_of(bytes, sizeof(bytes)), &ident))
        return damaged(pack, "header", err);
    pack->ident = ident;
    return RC_OK;
}

static enum rc read_footer(const struct pack *pack, struct pack_footer *out, struct err *err)
{
    char bytes[PACK_FOOTER_BYTES];
    enum rc rc = file_read_all(pack->fd, bytes, sizeof(bytes), pack->size - sizeof(bytes), err);

    if (rc)
        return rc;
    return pack_footer_read(slice_of(bytes, sizeof(bytes)), out) ? RC_OK
                                                                 : damaged(pack, "footer", err);
}

static bool footer_fits(const struct pack *pack, const struct pack_footer *footer)
{
    uint64_t end = pack->size - PACK_FOOTER_BYTES;

    return footer->n_frames <= FRAMES_MAX && footer->n_rows <= UINT32_MAX &&
           footer->directory_at >= PACK_HEADER_BYTES && footer->directory_at <= end &&
           end - footer->directory_at == footer->n_frames * PACK_DIRECTORY_BYTES;
}

/* Frames follow each other, so each must lie behind the one before and before the directory. */
static enum rc read_directory(struct pack *pack, const struct pack_footer *footer,
                              struct err *err)
{
    size_t len = (size_t) footer->n_frames * PACK_DIRECTORY_BYTES;
    AUTO(freep) char *bytes = xmalloc(len + 1);
    uint64_t end = PACK_HEADER_BYTES;
    enum rc rc = file_read_all(pack->fd, bytes, len, footer->directory_at, err);

    if (rc)
        return rc;
    if (XXH3_64bits(bytes, len) != footer->directory_hash)
        return damaged(pack, "directory", err);
    pack->frames = xcalloc((size_t) footer->n_frames + 1, sizeof(*pack->frames));
    for (size_t i = 0; i < footer->n_frames; i++) {
        struct pack_frame frame;

        if (!pack_directory_read(
                slice_of(bytes + i * PACK_DIRECTORY_BYTES, PACK_DIRECTORY_BYTES), &frame) ||
            frame.file_at < end || frame.file_at > footer->directory_at - PACK_FRAME_BYTES)
            return damaged(pack, "directory", err);
        add_frame(pack, &frame);
        end = frame.file_at + PACK_FRAME_BYTES;
    }
    return pack->lengths[PACK_ROWS] == footer->n_rows * PACK_ROW_BYTES
               ? RC_OK
               : damaged(pack, "rows", err);
}

/* The head of the frame at this place of the file; false: there is none. */
static bool frame_at(const struct pack *pack, uint64_t file_at, struct pack_frame *out)
{
    char head[PACK_FRAME_BYTES];

    if (file_at > pack->size || pack->size - file_at < PACK_FRAME_BYTES + PACK_FOOTER_BYTES ||
        file_read_all(pack->fd, head, sizeof(head), file_at, NULL) != RC_OK ||
        !pack_frame_read(slice_of(head, sizeof(head)), &pack->ident, out))
        return false;
    out->file_at = file_at;
    return true;
}

/* Without a directory: frame after frame from the header. */
static enum rc walk_frames(struct pack *pack, struct err *err)
{
    uint64_t at = PACK_HEADER_BYTES;
    struct pack_frame frame;
    size_t cap = 0;

    free(pack->frames);
    pack->frames = NULL;
    forget_frames(pack);
    while (pack->n_frames < FRAMES_MAX && frame_at(pack, at, &frame)) {
        if (frame.at != pack->lengths[frame.stream])
            return damaged(pack, "a frame is missing", err);
        if (pack->n_frames == cap) {
            cap = MAX(cap * 2, (size_t) 256);
            pack->frames = xrealloc(pack->frames, cap * sizeof(*pack->frames));
        }
        add_frame(pack, &frame);
        at += PACK_FRAME_BYTES + frame.stored_len;
    }
    return pack->n_frames > 0 && pack->lengths[PACK_ROWS] % PACK_ROW_BYTES == 0
               ? RC_OK
               : damaged(pack, "no frames", err);
}

static bool is_ours(const struct pack *pack)
{
    return pack->ident.number == pack->number &&
           slice_eq(slice_of(pack->ident.uuid, 16), slice_of(pack->local->super->uuid, 16));
}

/* Either end may be lost; the frames tell the rest. */
static enum rc load_pack(struct pack *pack, struct err *err)
{
    struct pack_footer footer;
    struct err why;
    enum rc header, rc;

    if (pack->size < PACK_HEADER_BYTES + PACK_FOOTER_BYTES)
        return damaged(pack, "too short", err);
    header = read_ident(pack, &why);
    rc = read_footer(pack, &footer, header ? err : &why);
    if (header && rc)
        return rc;
    if (header)
        pack->ident = footer.ident;
    if (!is_ours(pack))
        return damaged(pack, "not a pack of this store", err);
    if (!rc && !footer_fits(pack, &footer))
        rc = damaged(pack, "footer", &why);
    if (!rc)
        rc = read_directory(pack, &footer, &why);
    if (header || rc)
        log_event(LEVEL_ERROR, "store.damage", LOG_NUM("pack", pack->number), LOG_ERR(&why));
    if (rc)
        rc = walk_frames(pack, err);
    if (!rc)
        sort_streams(pack);
    return rc;
}

static enum rc open_pack(struct packs *packs, uint64_t number, struct pack **out,
                         struct err *err)
{
    AUTO(pack_freep) struct pack *pack = xcalloc(1, sizeof(*pack));
    char name[LAYOUT_NAME_BYTES];
    struct stat st;
    enum rc rc;

    pack->local = packs->local;
    pack->number = number;
    layout_name(name, number, ".pack");
    pack->fd = openat(packs->local->layout.packs, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (pack->fd < 0 && errno == ENOENT)
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "pack %s is missing", name);
    if (pack->fd < 0)
        return file_error(err, name);
    if (fstat(pack->fd, &st) != 0)
        return file_error(err, "fstat of a pack");
    pack->size = (uint64_t) st.st_size;
    rc = load_pack(pack, err);
    if (rc)
        return rc;
    *out = TAKE(pack);
    return RC_OK;
}

enum rc packs_get(struct packs *packs, uint64_t number, struct pack **out, struct err *err)
{
    struct pack *pack;
    enum rc rc = RC_OK;

    (void) pthread_mutex_lock(&packs->lock);
    pack = map_get(packs->open, MAP_KEY(number));
    if (pack == NULL) {
        rc = open_pack(packs, number, &pack, err);
        if (!rc)
            (void) map_put(packs->open, MAP_KEY(number), pack);
    } else if (pack->refs == 0) {
        list_remove(&pack->idle);
        packs->n_idle--;
    }
    if (!rc) {
        pack->refs++;
        *out = pack;
    }
    (void) pthread_mutex_unlock(&packs->lock);
    return rc;
}

void packs_put(struct packs *packs, struct pack *pack)
{
    struct pack *dead = NULL;

    if (pack == NULL)
        return;
    (void) pthread_mutex_lock(&packs->lock);
    if (--pack->refs == 0 && pack->is_forgotten) {
        dead = pack;
    } else if (pack->refs == 0) {
        list_push_back(&packs->idle, &pack->idle);
        if (++packs->n_idle > PACKS_KEPT) {
            dead = LINK_OWNER(list_pop_front(&packs->idle), struct pack, idle);
            packs->n_idle--;
            (void) map_remove(packs->open, MAP_KEY(dead->number));
        }
    }
    (void) pthread_mutex_unlock(&packs->lock);
    pack_free(dead);
}

void packs_forget(struct packs *packs, uint64_t number)
{
    struct pack *pack, *dead = NULL;

    (void) pthread_mutex_lock(&packs->lock);
    pack = map_remove(packs->open, MAP_KEY(number));
    if (pack != NULL && pack->refs == 0) {
        list_remove(&pack->idle);
        packs->n_idle--;
        dead = pack;
    } else if (pack != NULL) {
        pack->is_forgotten = true;
    }
    (void) pthread_mutex_unlock(&packs->lock);
    pack_free(dead);
}

int pack_fd(const struct pack *pack)
{
    return pack->fd;
}

uint64_t pack_number(const struct pack *pack)
{
    return pack->number;
}

uint64_t pack_dictionary(const struct pack *pack)
{
    return pack->ident.dictionary;
}

uint32_t pack_rows(const struct pack *pack)
{
    return (uint32_t) MIN(pack->lengths[PACK_ROWS] / PACK_ROW_BYTES, (uint64_t) UINT32_MAX);
}

size_t pack_frames(const struct pack *pack)
{
    return pack->n_frames;
}

/* ---- reading ---- */

enum rc pack_read_frame(const struct pack *pack, size_t i, char *room, struct pack_frame *out,
                        struct slice *out_stored, struct err *err)
{
    const struct frame_place *place = &pack->frames[i];
    uint64_t left = pack->size - place->file_at;
    size_t len = (size_t) MIN(left, (uint64_t) PACK_FRAME_BYTES + place->raw_len);
    struct pack_frame frame;
    struct slice stored;
    enum rc rc = file_read_all(pack->fd, room, len, place->file_at, err);

    if (rc)
        return rc;
    if (!pack_frame_read(slice_of(room, len), &pack->ident, &frame) ||
        frame.stream != place->stream || frame.at != place->at ||
        frame.raw_len != place->raw_len || frame.stored_len > len - PACK_FRAME_BYTES)
        return damaged(pack, "head of a frame", err);
    stored = slice_of(room + PACK_FRAME_BYTES, frame.stored_len);
    if (XXH3_64bits(stored.ptr, stored.len) != frame.hash)
        return damaged(pack, "bytes of a frame", err);
    frame.file_at = place->file_at;
    *out = frame;
    *out_stored = stored;
    return RC_OK;
}

/* The number of the stream's frame with this byte, by bisection. at < the stream's length. */
static size_t find_frame(const struct pack *pack, enum pack_stream stream, uint64_t at)
{
    const size_t *frames = pack->by_stream[stream];
    size_t low = 0, high = pack->n_by_stream[stream];

    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (pack->frames[frames[mid]].at <= at)
            low = mid;
        else
            high = mid;
    }
    return frames[low];
}

struct pack_frame pack_frame_place(const struct pack *pack, size_t i)
{
    const struct frame_place *place = &pack->frames[i];

    return (struct pack_frame){.stream = place->stream,
                               .raw_len = place->raw_len,
                               .at = place->at,
                               .file_at = place->file_at};
}

enum rc pack_find_frame(const struct pack *pack, enum pack_stream stream, uint64_t at,
                        size_t *out_i, struct pack_frame *out, struct err *err)
{
    if (at >= pack->lengths[stream])
        return damaged(pack, "a place behind the end", err);
    *out_i = find_frame(pack, stream, at);
    *out = pack_frame_place(pack, *out_i);
    return RC_OK;
}

static enum rc decompress(const struct pack *pack, const struct pack_frame *frame,
                          struct slice stored, char *out, struct err *err)
{
    struct block_cache *cache = pack->local->blocks;
    const struct dict *dict = NULL;
    struct decompressor *decompressor;
    enum rc rc = RC_OK;
    bool is_whole;

    if (frame->codec == PACK_ZSTD_DICT)
        rc = dicts_get(pack->local->dicts, pack->ident.dictionary, &dict, err);
    if (rc)
        return rc;
    decompressor = block_cache_borrow(cache);
    is_whole = codec_decompress(decompressor, frame->codec, dict, stored, out, frame->raw_len);
    block_cache_return(cache, decompressor);
    return is_whole ? RC_OK : damaged(pack, "a frame does not decompress", err);
}

static enum rc get_block(const struct pack *pack, size_t i, struct block **out, struct err *err)
{
    struct block_cache *cache = pack->local->blocks;
    AUTO(freep) char *room = NULL;
    AUTO(freep) char *raw = NULL;
    struct pack_frame frame;
    struct slice stored;
    enum rc rc;

    *out = block_cache_find(cache, pack->number, i);
    if (*out != NULL)
        return RC_OK;
    room = xmalloc(PACK_FRAME_ROOM_BYTES);
    rc = pack_read_frame(pack, i, room, &frame, &stored, err);
    if (rc)
        return rc;
    raw = xmalloc(frame.raw_len);
    rc = decompress(pack, &frame, stored, raw, err);
    if (!rc)
        *out = block_cache_add(cache, pack->number, i, TAKE(raw), frame.raw_len);
    return rc;
}

enum rc pack_stream_read(const struct pack *pack, enum pack_stream stream, uint64_t at,
                         char *out, size_t len, struct err *err)
{
    if (at > pack->lengths[stream] || len > pack->lengths[stream] - at)
        return damaged(pack, "a range behind the end", err);
    while (len > 0) {
        size_t i = find_frame(pack, stream, at);
        struct block *block;
        struct slice bytes;
        enum rc rc = get_block(pack, i, &block, err);

        if (rc)
            return rc;
        bytes = slice_sub(block_bytes(block), (size_t) (at - pack->frames[i].at), len);
        memcpy(out, bytes.ptr, bytes.len);
        block_put(pack->local->blocks, block);
        out += bytes.len;
        at += bytes.len;
        len -= bytes.len;
    }
    return RC_OK;
}

void pack_walk_done(struct pack_walk *walk)
{
    if (walk->block != NULL)
        block_put(walk->pack->local->blocks, walk->block);
    free(walk->joined);
    walk->block = NULL;
    walk->joined = NULL;
}

static bool walk_holds(const struct pack_walk *walk, uint64_t at)
{
    return walk->block != NULL && at >= walk->at &&
           at - walk->at < block_bytes(walk->block).len;
}

enum rc pack_walk_read(struct pack_walk *walk, uint64_t at, size_t len, struct slice *out,
                       struct err *err)
{
    uint64_t length = walk->pack->lengths[walk->stream];
    enum rc rc;

    if (at >= length || len > length - at)
        return damaged(walk->pack, "a range behind the end", err);
    if (!walk_holds(walk, at)) {
        size_t i = find_frame(walk->pack, walk->stream, at);

        if (walk->block != NULL)
            block_put(walk->pack->local->blocks, TAKE(walk->block));
        rc = get_block(walk->pack, i, &walk->block, err);
        if (rc)
            return rc;
        walk->at = walk->pack->frames[i].at;
    }
    *out = slice_sub(block_bytes(walk->block), (size_t) (at - walk->at), len);
    if (out->len == len)
        return RC_OK;
    free(walk->joined);
    walk->joined = xmalloc(len);
    rc = pack_stream_read(walk->pack, walk->stream, at, walk->joined, len, err);
    *out = slice_of(walk->joined, len);
    return rc;
}

enum rc pack_read_row(const struct pack *pack, uint32_t row, struct pack_row *out,
                      struct err *err)
{
    char bytes[PACK_ROW_BYTES];
    enum rc rc = pack_stream_read(pack, PACK_ROWS, (uint64_t) row * PACK_ROW_BYTES, bytes,
                                  sizeof(bytes), err);

    if (!rc && !pack_row_read(slice_of(bytes, sizeof(bytes)), out))
        rc = damaged(pack, "row", err);
    return rc;
}

enum rc pack_read_entry(const struct pack *pack, uint64_t at, uint64_t account,
                        uint64_t body_id, struct pack_entry *out, struct err *err)
{
    AUTO(freep) char *bytes = xmalloc(PACK_ENTRY_BYTES);
    struct pack_entry entry;
    size_t len;
    enum rc rc = pack_stream_read(pack, PACK_BODIES, at, bytes, PACK_ENTRY_BYTES, err);

    if (rc)
        return rc;
    if (!pack_entry_read_head(slice_of(bytes, PACK_ENTRY_BYTES), &entry) ||
        entry.account != account || entry.body_id != body_id)
        return damaged(pack, "head of an entry", err);
    len = pack_entry_len(&entry);
    bytes = xrealloc(bytes, len);
    rc = pack_stream_read(pack, PACK_BODIES, at, bytes, len, err);
    if (rc)
        return rc;
    if (!pack_entry_read(slice_of(bytes, len), &entry))
        return damaged(pack, "an entry", err);
    entry.bytes_at = at + len;
    *out = entry;
    return RC_OK;
}

enum rc pack_check_ends(const struct pack *pack, struct err *err)
{
    AUTO(pack_freep) struct pack *again = xcalloc(1, sizeof(*again));
    struct pack_footer footer;
    enum rc rc;

    *again = (struct pack){.local = pack->local, .number = pack->number, .size = pack->size};
    again->fd = fcntl(pack->fd, F_DUPFD_CLOEXEC, 3);
    if (again->fd < 0)
        return file_error(err, "descriptor for a pack");
    rc = read_ident(again, err);
    if (!rc)
        rc = read_footer(again, &footer, err);
    if (!rc &&
        (!is_ours(again) || memcmp(&again->ident, &footer.ident, sizeof(footer.ident)) != 0))
        rc = damaged(pack, "header and footer differ", err);
    if (!rc && !footer_fits(again, &footer))
        rc = damaged(pack, "footer", err);
    if (!rc)
        rc = read_directory(again, &footer, err);
    return rc;
}
