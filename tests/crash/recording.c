/* recording.c - see recording.h. */
#include "recording.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Process-wide on purpose: libc's calls carry no context. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recording *current; /* lock */
static uint32_t generations;      /* of this process; one thread begins recordings */

struct recording *recording_new(void)
{
    void *ptr = mmap(NULL, sizeof(struct recording), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (ptr == MAP_FAILED)
        die("no memory for a recording");
    return ptr;
}

void recording_free(struct recording *recording)
{
    (void) munmap(recording, sizeof(*recording));
}

void recording_lock(void)
{
    (void) pthread_mutex_lock(&lock);
}

void recording_unlock(void)
{
    (void) pthread_mutex_unlock(&lock);
}

struct recording *recording_current(void)
{
    return current;
}

struct op *recording_add(struct recording *recording, enum op_kind kind, uint32_t file)
{
    struct op *op = &recording->ops[recording->n_ops];

    if (recording->n_ops + 1 == RECORD_OPS_MAX)
        recording->is_full = true;
    else
        recording->n_ops++;
    memset(op, 0, sizeof(*op));
    op->kind = kind;
    op->file = file;
    return op;
}

static void set_name(char out[RECORD_NAME_BYTES], const char *name)
{
    if (strlen(name) >= RECORD_NAME_BYTES)
        die("recording: the name %s is too long", name);
    memcpy(out, name, strlen(name) + 1);
}

static struct record_entry *find_entry(const struct recording *recording, uint32_t dir,
                                       const char *name)
{
    for (uint32_t i = 0; i < recording->n_entries; i++) {
        const struct record_entry *entry = &recording->entries[i];

        if (entry->dir == dir && strcmp(entry->name, name) == 0)
            return (struct record_entry *) (uintptr_t) entry;
    }
    return NULL;
}

uint32_t recording_find(const struct recording *recording, uint32_t dir, const char *name)
{
    const struct record_entry *entry;

    if (name[0] == '\0')
        return dir;
    entry = find_entry(recording, dir, name);
    return entry != NULL ? entry->file : 0;
}

static const char *below_root(const struct recording *recording, const char *path)
{
    size_t len = strlen(recording->root);

    if (strncmp(path, recording->root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return path + len;
}

/* 0: above the folder that is recorded. */
static uint32_t parent_of(const struct recording *recording, uint32_t dir)
{
    for (uint32_t i = 0; i < recording->n_entries; i++) {
        if (recording->entries[i].file == dir)
            return recording->entries[i].dir;
    }
    return 0;
}

bool recording_resolve(const struct recording *recording, uint32_t base, const char *path,
                       uint32_t *out_dir, char out_name[RECORD_NAME_BYTES])
{
    uint32_t dir = base;

    if (path[0] == '/') {
        path = below_root(recording, path);
        dir = RECORD_ROOT;
    }
    if (path == NULL || dir == 0 || !recording->files[dir].is_dir)
        return false;
    out_name[0] = '\0';
    while (*path != '\0') {
        size_t n = strcspn(path, "/");

        if (n > 0 && !(n == 1 && path[0] == '.')) {
            if (out_name[0] != '\0')
                dir = recording_find(recording, dir, out_name);
            if (n == 2 && memcmp(path, "..", 2) == 0) {
                dir = parent_of(recording, dir);
                n = 0;
            }
            if (dir == 0 || n >= RECORD_NAME_BYTES)
                return false;
            memcpy(out_name, path, n);
            out_name[n] = '\0';
            path += n == 0 ? 2 : 0;
        }
        path += n;
        path += *path == '/';
    }
    *out_dir = dir;
    return true;
}

void recording_write(struct recording *recording, uint32_t file, uint64_t offset,
                     const void *bytes, size_t len)
{
    struct op *op = recording_add(recording, OP_WRITE, file);

    op->offset = offset;
    op->len = len;
    op->bytes = recording->n_bytes;
    if (len > RECORD_BYTES_MAX - recording->n_bytes) {
        recording->is_full = true;
        op->len = 0;
        return;
    }
    memcpy(recording->bytes + recording->n_bytes, bytes, len);
    recording->n_bytes += len;
}

static void add_entry(struct recording *recording, uint32_t dir, const char *name,
                      uint32_t file)
{
    struct record_entry *entry = find_entry(recording, dir, name);

    if (entry == NULL) {
        if (recording->n_entries == RECORD_ENTRIES_MAX)
            die("recording: too many files");
        entry = &recording->entries[recording->n_entries++];
        entry->dir = dir;
        set_name(entry->name, name);
    }
    entry->file = file;
}

static void drop_entry(struct recording *recording, uint32_t dir, const char *name)
{
    struct record_entry *entry = find_entry(recording, dir, name);

    if (entry != NULL)
        *entry = recording->entries[--recording->n_entries];
}

uint32_t recording_make(struct recording *recording, uint32_t dir, const char *name,
                        bool is_dir)
{
    uint32_t file = recording->n_files;
    struct op *op = recording_add(recording, OP_MAKE, file);

    if (recording->n_files + 1 == RECORD_FILES_MAX)
        die("recording: too many files");
    recording->n_files++;
    recording->files[file] = (struct record_file){.is_dir = is_dir};
    op->dir = dir;
    set_name(op->name, name);
    add_entry(recording, dir, name, file);
    return file;
}

void recording_rename(struct recording *recording, uint32_t dir, const char *name,
                      uint32_t dir2, const char *name2)
{
    uint32_t file = recording_find(recording, dir, name);
    struct op *op = recording_add(recording, OP_RENAME, file);

    op->dir = dir;
    op->dir2 = dir2;
    set_name(op->name, name);
    set_name(op->name2, name2);
    drop_entry(recording, dir, name);
    add_entry(recording, dir2, name2, file);
}

void recording_unlink(struct recording *recording, uint32_t dir, const char *name)
{
    struct op *op = recording_add(recording, OP_UNLINK, recording_find(recording, dir, name));

    op->dir = dir;
    set_name(op->name, name);
    drop_entry(recording, dir, name);
}

bool recording_fails(struct recording *recording, enum call_kind kind)
{
    uint64_t n = atomic_fetch_add(&recording->calls[kind], 1) + 1;

    if (recording->fault.at == 0 || recording->fault.kind != kind || recording->fault.at != n)
        return false;
    recording->has_fired = true;
    return true;
}

void recording_note_sync(struct recording *recording, uint32_t file)
{
    if (recording->files[file].sync_failed)
        recording->files[file].synced_again = true;
}

void recording_new_life(void)
{
    recording_lock();
    for (uint32_t i = 1; current != NULL && i < current->n_files; i++)
        current->files[i].sync_failed = false;
    recording_unlock();
}

const char *recording_synced_again(const struct recording *recording)
{
    for (uint32_t i = 1; i < recording->n_files; i++) {
        if (!recording->files[i].synced_again)
            continue;
        for (uint32_t k = 0; k < recording->n_entries; k++) {
            if (recording->entries[k].file == i)
                return recording->entries[k].name;
        }
        return "a file without a name";
    }
    return NULL;
}

void recording_mark(uint32_t what, uint64_t value, uint64_t more)
{
    recording_lock();
    if (current != NULL) {
        struct op *op = recording_add(current, OP_MARK, what);

        op->offset = value;
        op->len = more;
    }
    recording_unlock();
}

/* ---- the folder as it is found ---- */

static void take_file(struct recording *recording, int at, const char *name, uint32_t file)
{
    AUTO(closep) int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(freep) char *bytes = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        die("recording: %s cannot be read", name);
    bytes = xmalloc((size_t) st.st_size + 1);
    if (pread(fd, bytes, (size_t) st.st_size, 0) != (ssize_t) st.st_size)
        die("recording: %s cannot be read", name);
    recording_write(recording, file, 0, bytes, (size_t) st.st_size);
    (void) recording_add(recording, OP_SYNC, file);
}

static void take_folder(struct recording *recording, int at, uint32_t dir)
{
    int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (stream == NULL)
        die("recording: a folder cannot be read");
    while ((entry = readdir(stream)) != NULL) {
        struct stat st;
        uint32_t file;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        file = recording_make(recording, dir, entry->d_name, S_ISDIR(st.st_mode));
        if (S_ISDIR(st.st_mode)) {
            AUTO(closep)
            int below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

            take_folder(recording, below, file);
        } else {
            take_file(recording, fd, entry->d_name, file);
        }
    }
    (void) closedir(stream);
    (void) recording_add(recording, OP_SYNC, dir);
}

void recording_begin(struct recording *recording, const char *root, const struct fault *fault)
{
    AUTO(closep) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || current != NULL || strlen(root) >= sizeof(recording->root))
        die("recording: %s cannot be recorded", root);
    recording->generation = ++generations;
    recording->n_ops = recording->n_bytes = 0;
    recording->n_entries = 0;
    recording->n_files = RECORD_ROOT + 1;
    recording->files[RECORD_ROOT] = (struct record_file){.is_dir = true};
    recording->is_full = recording->has_fired = false;
    recording->hidden_writes = 0;
    recording->fault = fault != NULL ? *fault : (struct fault){0};
    for (size_t i = 0; i < CALL_KINDS; i++)
        atomic_store(&recording->calls[i], 0);
    (void) snprintf(recording->root, sizeof(recording->root), "%s", root);
    take_folder(recording, fd, RECORD_ROOT);
    recording->start = recording->n_ops;
    closep(&fd);
    fd = -1;
    recording_lock();
    current = recording;
    recording_unlock();
}

void recording_resume(struct recording *recording)
{
    recording->generation = ++generations;
    recording->fault.at = 0;
    recording_lock();
    current = recording;
    recording_unlock();
}

void recording_end(void)
{
    recording_lock();
    if (current != NULL && current->is_full)
        die("recording: it does not fit");
    current = NULL;
    recording_unlock();
}
