/*
 * dict.c - dictionaries: trained, kept in two places, found again.
 *
 * Order: file, then row, then the row that makes it current; a pack is compressed with it only
 * after that, so no pack names a dictionary that a crash can take away.
 */
#include "store/local/dict.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zdict.h>
#include <zstd.h>

#include "base/log.h"
#include "base/random.h"
#include "store/local/bytes.h"
#include "store/local/hold.h"
#include "store/local/pack.h"
#include "store/local/pack_rows.h"

#define DICT_MAGIC      0x32445052u /* "RPD2" */
#define DICT_VERSION    2u
#define DICT_HEAD_BYTES 56u
#define DICT_HASHED     (DICT_HEAD_BYTES - 8u)
#define ASIDE_SUFFIX    ".dic.new" /* what layout_replace() leaves when it is cut */
#define CURRENT_KEY     SLICE("dictionary")
#define CURRENT_BYTES   16u

/* Clearly worse: a quarter more stored than at first, over enough bytes to tell. */
#define WORSE_PERCENT  125u
#define NOTE_MIN_BYTES ((uint64_t) 8 << 20)
#define DICT_FILES_MAX ((size_t) 4096) /* looked at in one sweep */

struct dicts {
    struct local *local;
    pthread_mutex_t lock;
    struct map *loaded;         /* lock: id -> dict */
    const struct dict *current; /* lock */
    uint64_t first_permille;    /* lock: stored of raw in its first pack; 0: not known yet */
    bool is_known;              /* lock: the current one was looked for */
};

struct dicts *dicts_new(struct local *local)
{
    struct dicts *dicts = xcalloc(1, sizeof(*dicts));

    dicts->local = local;
    (void) pthread_mutex_init(&dicts->lock, NULL);
    dicts->loaded = map_new();
    return dicts;
}

static void dict_free(struct dict *dict)
{
    if (dict == NULL)
        return;
    (void) ZSTD_freeCDict(dict->compress); /* always 0 */
    (void) ZSTD_freeDDict(dict->decompress);
    free(dict);
}

void dicts_free(struct dicts *dicts)
{
    struct slice key;
    void *value;

    if (dicts == NULL)
        return;
    for (size_t at = 0; map_next(dicts->loaded, &at, &key, &value);)
        dict_free(value);
    map_free(dicts->loaded);
    (void) pthread_mutex_destroy(&dicts->lock);
    free(dicts);
}

/* ---- as bytes: the same in the file and in the row ---- */

static struct slice dict_write(const struct dicts *dicts, uint64_t id, struct slice bytes,
                               char *out)
{
    memset(out, 0, DICT_HEAD_BYTES);
    put_le32(out, DICT_MAGIC);
    put_le32(out + 4, DICT_VERSION);
    memcpy(out + 8, dicts->local->super->uuid, 16);
    put_le64(out + 24, id);
    put_le64(out + 32, bytes.len);
    put_le64(out + 40, XXH3_64bits(bytes.ptr, bytes.len));
    put_le64(out + DICT_HASHED, XXH3_64bits(out, DICT_HASHED));
    memcpy(out + DICT_HEAD_BYTES, bytes.ptr, bytes.len);
    return slice_of(out, DICT_HEAD_BYTES + bytes.len);
}

static bool dict_read(const struct dicts *dicts, uint64_t id, struct slice image,
                      struct slice *out)
{
    struct scan sc = scan_of(image);
    struct slice uuid;
    uint32_t magic, version;
    uint64_t stored_id, len, hash, head_hash;

    if (!scan_le32(&sc, &magic) || magic != DICT_MAGIC || !scan_le32(&sc, &version) ||
        version != DICT_VERSION || !scan_take(&sc, 16, &uuid) ||
        !slice_eq(uuid, slice_of(dicts->local->super->uuid, 16)) ||
        !scan_le64(&sc, &stored_id) || stored_id != id || !scan_le64(&sc, &len) ||
        len > DICT_MAX_BYTES || !scan_le64(&sc, &hash) || !scan_le64(&sc, &head_hash) ||
        XXH3_64bits(image.ptr, DICT_HASHED) != head_hash)
        return false;
    if (scan_left(&sc) != len || XXH3_64bits(sc.pos, (size_t) len) != hash)
        return false;
    *out = scan_rest(&sc);
    return true;
}

static struct dict *dict_make(uint64_t id, struct slice bytes)
{
    struct dict *dict = xcalloc(1, sizeof(*dict));

    dict->id = id;
    dict->compress = ZSTD_createCDict(bytes.ptr, bytes.len, DICT_ZSTD_LEVEL);
    dict->decompress = ZSTD_createDDict(bytes.ptr, bytes.len);
    if (dict->compress == NULL || dict->decompress == NULL) {
        dict_free(dict);
        return NULL;
    }
    return dict;
}

/* ---- the two places ---- */

static enum rc read_file(const struct dicts *dicts, uint64_t id, char *image, struct slice *out,
                         struct err *err)
{
    char name[LAYOUT_NAME_BYTES];
    AUTO(closep) int fd = -1;
    struct stat st;
    enum rc rc;

    layout_name(name, id, ".dict");
    fd = openat(dicts->local->layout.packs, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        return file_error(err, name);
    if (st.st_size < (off_t) DICT_HEAD_BYTES ||
        st.st_size > (off_t) (DICT_HEAD_BYTES + DICT_MAX_BYTES))
        return err_set(err, RC_CORRUPT, "Stored data is damaged", "%s: length", name);
    rc = file_read_all(fd, image, (size_t) st.st_size, 0, err);
    if (!rc && !dict_read(dicts, id, slice_of(image, (size_t) st.st_size), out))
        rc = err_set(err, RC_CORRUPT, "Stored data is damaged", "%s: checksum", name);
    return rc;
}

static enum rc write_file(const struct dicts *dicts, uint64_t id, struct slice image,
                          struct err *err)
{
    char name[LAYOUT_NAME_BYTES];

    layout_name(name, id, ".dict");
    return layout_replace(dicts->local->layout.packs, name, image.ptr, image.len, err);
}

static enum rc read_dict_row(const struct dicts *dicts, uint64_t id, char *image,
                             struct slice *out, struct err *err)
{
    char key[8];
    size_t len = 0;
    enum rc rc;

    put_be64(key, id);
    rc = state_get_small(dicts->local->state, TABLE_DICTS, slice_of(key, sizeof(key)), image,
                         DICT_HEAD_BYTES + DICT_MAX_BYTES, &len, err);
    if (!rc && !dict_read(dicts, id, slice_of(image, len), out))
        rc = err_set(err, RC_CORRUPT, "Stored data is damaged", "row of dictionary %016llx",
                     (unsigned long long) id);
    return rc;
}

struct dict_job {
    uint64_t id;
    struct slice image; /* empty: the row goes */
};

static enum rc run_dict(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct dict_job *job = ctx;
    char key[8];

    put_be64(key, job->id);
    if (job->image.len == 0)
        return state_txn_del(txn, TABLE_DICTS, slice_of(key, sizeof(key)), err);
    return state_txn_put(txn, TABLE_DICTS, slice_of(key, sizeof(key)), job->image, err);
}

static enum rc write_dict_row(const struct dicts *dicts, uint64_t id, struct slice image,
                              struct err *err)
{
    struct dict_job job = {id, image};

    return state_write(dicts->local->state, run_dict, &job, err);
}

/* One place is bad: it is said, and written again from the other. */
static void mend(const struct dicts *dicts, uint64_t id, bool is_file, struct slice image,
                 const struct err *why)
{
    struct err err;
    enum rc rc;

    log_event(LEVEL_ERROR, "store.damage", LOG_ID("dictionary", id), LOG_ERR(why));
    rc = is_file ? write_file(dicts, id, image, &err) : write_dict_row(dicts, id, image, &err);
    if (rc)
        log_event(LEVEL_WARNING, "store.dictionary", LOG_ID("dictionary", id), LOG_ERR(&err));
}

/* Both places are looked at, once a start: what one flipped bit can take is known before a
 * second one comes. */
static enum rc load(const struct dicts *dicts, uint64_t id, struct dict **out, struct err *err)
{
    AUTO(freep) char *file = xmalloc(DICT_HEAD_BYTES + DICT_MAX_BYTES);
    AUTO(freep) char *row = xmalloc(DICT_HEAD_BYTES + DICT_MAX_BYTES);
    struct slice in_file, in_row;
    struct err file_err, row_err;
    enum rc file_rc = read_file(dicts, id, file, &in_file, &file_err);
    enum rc row_rc = read_dict_row(dicts, id, row, &in_row, &row_err);

    if (file_rc && row_rc)
        return err_set(err, RC_CORRUPT, "The message is damaged",
                       "dictionary %016llx: file and row are damaged or missing",
                       (unsigned long long) id);
    if (file_rc)
        mend(dicts, id, true, slice_of(row, DICT_HEAD_BYTES + in_row.len), &file_err);
    if (row_rc)
        mend(dicts, id, false, slice_of(file, DICT_HEAD_BYTES + in_file.len), &row_err);
    *out = dict_make(id, file_rc ? in_row : in_file);
    return *out != NULL
               ? RC_OK
               : err_set(err, RC_CORRUPT, "The message is damaged",
                         "dictionary %016llx: zstd does not take it", (unsigned long long) id);
}

enum rc dicts_verify(struct dicts *dicts, uint64_t id, struct dict_check *out, struct err *err)
{
    AUTO(freep) char *file = xmalloc(DICT_HEAD_BYTES + DICT_MAX_BYTES);
    AUTO(freep) char *row = xmalloc(DICT_HEAD_BYTES + DICT_MAX_BYTES);
    struct slice in_file = {0}, in_row = {0};
    enum rc file_rc = read_file(dicts, id, file, &in_file, err);
    enum rc row_rc = read_dict_row(dicts, id, row, &in_row, err);

    *out = (struct dict_check){.bytes = in_file.len + in_row.len,
                               .is_file_bad = file_rc == RC_CORRUPT,
                               .is_row_bad = row_rc == RC_CORRUPT,
                               .is_mended = file_rc == RC_OK || row_rc == RC_OK};
    if (!out->is_mended)
        return RC_OK;
    if (out->is_file_bad)
        return write_file(dicts, id, slice_of(row, DICT_HEAD_BYTES + in_row.len), err);
    if (out->is_row_bad)
        return write_dict_row(dicts, id, slice_of(file, DICT_HEAD_BYTES + in_file.len), err);
    return RC_OK;
}

/* Takes dict over; one that came first stays. */
static const struct dict *keep(struct dicts *dicts, struct dict *dict)
{
    struct dict *found;

    (void) pthread_mutex_lock(&dicts->lock);
    found = map_get(dicts->loaded, MAP_KEY(dict->id));
    if (found == NULL)
        (void) map_put(dicts->loaded, MAP_KEY(dict->id), dict);
    (void) pthread_mutex_unlock(&dicts->lock);
    if (found == NULL)
        return dict;
    dict_free(dict);
    return found;
}

enum rc dicts_get(struct dicts *dicts, uint64_t id, const struct dict **out, struct err *err)
{
    struct dict *dict;
    enum rc rc;

    (void) pthread_mutex_lock(&dicts->lock);
    dict = map_get(dicts->loaded, MAP_KEY(id));
    (void) pthread_mutex_unlock(&dicts->lock);
    if (dict != NULL) {
        *out = dict;
        return RC_OK;
    }
    rc = load(dicts, id, &dict, err);
    if (!rc)
        *out = keep(dicts, dict);
    return rc;
}

/* ---- the current one ---- */

struct current_job {
    uint64_t id; /* 0: none */
    uint64_t permille;
};

static enum rc run_current(struct state_txn *txn, void *ctx, struct err *err)
{
    const struct current_job *job = ctx;
    char value[CURRENT_BYTES];

    if (job->id == 0)
        return state_txn_del(txn, TABLE_META, CURRENT_KEY, err);
    put_le64(value, job->id);
    put_le64(value + 8, job->permille);
    return state_txn_put(txn, TABLE_META, CURRENT_KEY, slice_of(value, sizeof(value)), err);
}

static void write_current(struct dicts *dicts, uint64_t id, uint64_t permille)
{
    struct current_job job = {id, permille};
    struct err err;

    if (state_write(dicts->local->state, run_current, &job, &err))
        log_event(LEVEL_WARNING, "store.dictionary", LOG_ERR(&err));
}

static const struct dict *find_current(struct dicts *dicts, uint64_t *out_permille)
{
    char value[CURRENT_BYTES];
    size_t len = 0;
    uint64_t id = 0;
    const struct dict *dict;
    struct err err;
    struct scan sc;

    if (state_get_small(dicts->local->state, TABLE_META, CURRENT_KEY, value, sizeof(value),
                        &len, NULL) != RC_OK)
        return NULL;
    sc = scan_of(slice_of(value, len));
    if (!scan_le64(&sc, &id) || !scan_le64(&sc, out_permille))
        return NULL; /* another is trained in time */
    if (dicts_get(dicts, id, &dict, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "store.damage", LOG_ID("dictionary", id), LOG_ERR(&err));
        return NULL;
    }
    return dict;
}

/* Of a dictionary that is listed. With the lock held. */
static void add_pins(struct dicts *dicts, uint64_t id, int n)
{
    struct dict *dict = map_get(dicts->loaded, MAP_KEY(id));

    dict->pins = (unsigned) ((int) dict->pins + n);
}

static void set_current(struct dicts *dicts, const struct dict *dict, uint64_t permille)
{
    dicts->is_known = true;
    dicts->current = dict;
    dicts->first_permille = permille;
}

const struct dict *dicts_current(struct dicts *dicts)
{
    const struct dict *dict = NULL;
    uint64_t permille = 0;
    bool is_known;

    (void) pthread_mutex_lock(&dicts->lock);
    is_known = dicts->is_known;
    (void) pthread_mutex_unlock(&dicts->lock);
    if (!is_known)
        dict = find_current(dicts, &permille);
    (void) pthread_mutex_lock(&dicts->lock);
    if (!dicts->is_known)
        set_current(dicts, dict, permille);
    dict = dicts->current;
    if (dict != NULL)
        add_pins(dicts, dict->id, 1);
    (void) pthread_mutex_unlock(&dicts->lock);
    return dict;
}

void dicts_unpin(struct dicts *dicts, const struct dict *dict)
{
    if (dict == NULL)
        return;
    (void) pthread_mutex_lock(&dicts->lock);
    add_pins(dicts, dict->id, -1);
    (void) pthread_mutex_unlock(&dicts->lock);
}

enum rc dicts_train(struct dicts *dicts, const char *samples, const size_t *lens, unsigned n,
                    const struct dict **out, struct err *err)
{
    AUTO(freep) char *bytes = xmalloc(DICT_MAX_BYTES);
    AUTO(freep) char *image = xmalloc(DICT_HEAD_BYTES + DICT_MAX_BYTES);
    size_t len = ZDICT_trainFromBuffer(bytes, DICT_MAX_BYTES, samples, lens, n);
    uint64_t id = random_id();
    struct dict *dict = NULL;
    struct slice whole;
    enum rc rc;

    if (!ZDICT_isError(len))
        dict = dict_make(id, slice_of(bytes, len));
    if (dict == NULL)
        return err_set(err, RC_NOT_FOUND, "No dictionary", "training: %s",
                       ZDICT_isError(len) ? ZDICT_getErrorName(len) : "zstd refuses it");
    whole = dict_write(dicts, id, slice_of(bytes, len), image);
    rc = write_file(dicts, id, whole, err);
    if (!rc)
        rc = write_dict_row(dicts, id, whole, err);
    if (rc) {
        dict_free(dict);
        return rc;
    }
    write_current(dicts, id, 0);
    *out = keep(dicts, dict);
    (void) pthread_mutex_lock(&dicts->lock);
    set_current(dicts, *out, 0);
    add_pins(dicts, id, 1);
    (void) pthread_mutex_unlock(&dicts->lock);
    log_event(LEVEL_INFO, "store.dictionary", LOG_ID("dictionary", id), LOG_NUM("bytes", len),
              LOG_NUM("samples", n));
    return RC_OK;
}

void dicts_retire(struct dicts *dicts)
{
    (void) pthread_mutex_lock(&dicts->lock);
    set_current(dicts, NULL, 0);
    (void) pthread_mutex_unlock(&dicts->lock);
    write_current(dicts, 0, 0);
}

void dicts_note(struct dicts *dicts, const struct dict *dict, uint64_t raw, uint64_t stored)
{
    uint64_t permille, first;
    bool is_current;

    if (raw < NOTE_MIN_BYTES)
        return;
    permille = stored * 1000 / raw;
    (void) pthread_mutex_lock(&dicts->lock);
    is_current = dicts->current == dict;
    first = dicts->first_permille;
    if (is_current && first == 0)
        dicts->first_permille = permille;
    (void) pthread_mutex_unlock(&dicts->lock);
    if (is_current && first == 0)
        write_current(dicts, dict->id, permille);
    else if (is_current && permille * 100 > first * WORSE_PERCENT)
        dicts_retire(dicts);
}

/* ---- those that nobody needs ---- */

struct sweep {
    struct dicts *dicts;
    struct map *used; /* id -> anything */
    uint64_t *files;
    size_t n_files;
    uint64_t *packs;
    size_t n_packs, cap_packs;
};

static bool see_file(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    uint64_t id;

    if (layout_number(name, ASIDE_SUFFIX, &id))
        (void) unlinkat(sweep->dicts->local->layout.packs, name, 0); /* else the next sweep */
    if (layout_number(name, ".dict", &id) && sweep->n_files < DICT_FILES_MAX)
        sweep->files[sweep->n_files++] = id;
    return true;
}

static bool see_pack(void *ctx, const struct pack_info *pack)
{
    struct sweep *sweep = ctx;

    if (pack->state != PACK_LIVE)
        return true;
    if (sweep->n_packs == sweep->cap_packs) {
        sweep->cap_packs = MAX(sweep->cap_packs * 2, (size_t) 256);
        sweep->packs = xrealloc(sweep->packs, sweep->cap_packs * sizeof(*sweep->packs));
    }
    sweep->packs[sweep->n_packs++] = pack->number;
    return true;
}

/* A pack that cannot be read may need any of them. */
static enum rc mark_used(struct sweep *sweep, struct err *err)
{
    struct local *local = sweep->dicts->local;

    for (size_t i = 0; i < sweep->n_packs; i++) {
        struct pack *pack;
        uint64_t id;
        enum rc rc = packs_get(local->packs, sweep->packs[i], &pack, err);

        if (rc)
            return rc;
        id = pack_dictionary(pack);
        packs_put(local->packs, pack);
        if (id != 0)
            (void) map_put(sweep->used, MAP_KEY(id), sweep->dicts);
    }
    return RC_OK;
}

/* Current, or of a pack that is being written. */
static bool is_held(struct dicts *dicts, uint64_t id)
{
    const struct dict *current = dicts_current(dicts), *dict;
    bool is_held = current != NULL && current->id == id;

    dicts_unpin(dicts, current);
    (void) pthread_mutex_lock(&dicts->lock);
    dict = map_get(dicts->loaded, MAP_KEY(id));
    is_held = is_held || (dict != NULL && dict->pins > 0);
    (void) pthread_mutex_unlock(&dicts->lock);
    return is_held;
}

static enum rc remove_unused(const struct sweep *sweep, struct err *err)
{
    struct dicts *dicts = sweep->dicts;

    for (size_t i = 0; i < sweep->n_files; i++) {
        uint64_t id = sweep->files[i];
        char name[LAYOUT_NAME_BYTES];
        enum rc rc;

        if (map_get(sweep->used, MAP_KEY(id)) != NULL || is_held(dicts, id))
            continue;
        rc = write_dict_row(dicts, id, (struct slice){0}, err);
        if (rc)
            return rc;
        layout_name(name, id, ".dict");
        hold_unlink(dicts->local, dicts->local->layout.packs, name);
    }
    return RC_OK;
}

/* So it is nearly always. */
static bool has_only_current(const struct sweep *sweep)
{
    return sweep->n_files == 0 ||
           (sweep->n_files == 1 && is_held(sweep->dicts, sweep->files[0]));
}

enum rc dicts_sweep(struct dicts *dicts, struct err *err)
{
    AUTO(map_freep) struct map *used = map_new();
    AUTO(freep) uint64_t *files = xcalloc(DICT_FILES_MAX, sizeof(*files));
    struct sweep sweep = {.dicts = dicts, .used = used, .files = files};
    enum rc rc = layout_each(dicts->local->layout.packs, see_file, &sweep, err);

    if (rc || has_only_current(&sweep))
        return rc;
    rc = pack_rows_each(dicts->local->state, see_pack, &sweep, err);
    if (!rc)
        rc = mark_used(&sweep, err);
    if (!rc)
        rc = remove_unused(&sweep, err);
    free(sweep.packs);
    return rc;
}
