/*
 * recording.h - what a program under test did to the files below one folder, call by call.
 *
 * interpose.c stands in front of libc's file calls and writes each one that changes bytes,
 * sizes or names into the current recording, with every sync and with marks the test sets
 * ("this was acknowledged"). disk.c then says what a disk may hold after a power cut at any
 * point.
 *
 * Files are known by number, not by name: a number is given when a name is made, stays with the
 * file when it is renamed, and is never used again. Number 1 is the folder itself.
 *
 * A recording lies in shared memory: what a child process did can be read when it has ended.
 * One lock makes the order of the recording the order of the calls.
 */
#ifndef ROOST_TESTS_CRASH_RECORDING_H
#define ROOST_TESTS_CRASH_RECORDING_H

#include <stdatomic.h>

#include "base/slice.h"

#define RECORD_OPS_MAX     32768u
#define RECORD_FILES_MAX   4096u
#define RECORD_ENTRIES_MAX 1024u
#define RECORD_BYTES_MAX   ((size_t) 256 << 20) /* touched only as far as it is used */
#define RECORD_NAME_BYTES  48u
#define RECORD_ROOT        1u

enum op_kind {
    OP_WRITE,       /* file, offset, bytes */
    OP_SIZE,        /* file: its size is now offset */
    OP_SYNC,        /* file: everything of it is on disk; a folder: its names */
    OP_SYNC_WRITE,  /* the write before (file, offset, len) is on disk */
    OP_SYNC_FAILED, /* file: its pages count as written from here on, wherever they are */
    OP_MAKE,        /* file has this name in dir */
    OP_RENAME,      /* from dir, name to dir2, name2 */
    OP_UNLINK,      /* dir, name */
    OP_MARK,        /* of the test: see recording_mark() */
};

struct op {
    enum op_kind kind;
    uint32_t file, dir, dir2;
    uint64_t offset, len;
    size_t bytes; /* where in the recording's bytes */
    char name[RECORD_NAME_BYTES], name2[RECORD_NAME_BYTES];
};

struct record_file {
    bool is_dir;
    bool sync_failed; /* a sync of it has failed: another may not be tried */
    bool synced_again;
};

/* A name as the running program sees it. */
struct record_entry {
    uint32_t dir, file;
    char name[RECORD_NAME_BYTES];
};

/* Kinds of calls that can be made to fail. */
enum call_kind { CALL_OPEN, CALL_READ, CALL_WRITE, CALL_SYNC, CALL_NAME, CALL_MAP, CALL_KINDS };

/* The n-th call of a kind (from 1) fails once. */
struct fault {
    enum call_kind kind;
    uint64_t at; /* 0: none */
    int error;   /* errno; 0: the call is done by half (writes); or FAULT_DIES */
};
#define FAULT_DIES                                                                             \
    (-1) /* the process ends there, with what it wrote in the kernel's memory                  \
          */

struct recording {
    char root[256];
    uint32_t generation; /* other than any recording's before: descriptors outlive recordings */
    size_t n_ops;
    size_t start; /* ops before it describe the folder as it was found, all of it on disk */
    size_t n_bytes;
    uint32_t n_files, n_entries;
    bool is_full; /* something did not fit: the recording is worthless */
    struct fault fault;
    _Atomic uint64_t calls[CALL_KINDS]; /* since recording_begin() */
    bool has_fired;
    uint32_t hidden_writes; /* writable shared mappings: writes that nobody records */
    struct record_file files[RECORD_FILES_MAX];
    struct record_entry entries[RECORD_ENTRIES_MAX];
    struct op ops[RECORD_OPS_MAX];
    char bytes[RECORD_BYTES_MAX];
};

struct recording *recording_new(void);
void recording_free(struct recording *recording);

/* Take down what is below root, and from now on what is done to it. No other thread runs. */
void recording_begin(struct recording *recording, const char *root, const struct fault *fault);
/* Go on with what a process that has died recorded: what it did not sync is still not certain.
 */
void recording_resume(struct recording *recording);
/* The recording that is running ends. No other thread touches the files. */
void recording_end(void);

/* The program under test stands for a new process from here on: descriptors begin anew. */
void recording_new_life(void);
/* The name of a file that was synced again after a sync of it had failed, which is never
 * allowed; NULL: there is none. */
const char *recording_synced_again(const struct recording *recording);

/* From a thread of the program under test: what must be true of every state from here on. */
void recording_mark(uint32_t what, uint64_t value, uint64_t more);

/* ---- for interpose.c, with the lock held ---- */

void recording_lock(void);
void recording_unlock(void);
/* NULL: nothing is being recorded. */
struct recording *recording_current(void);

/* The folder and the last name of a path; false when it lies outside. */
bool recording_resolve(const struct recording *recording, uint32_t base, const char *path,
                       uint32_t *out_dir, char out_name[RECORD_NAME_BYTES]);
/* 0: no such name. An empty name is the folder itself. */
uint32_t recording_find(const struct recording *recording, uint32_t dir, const char *name);
struct op *recording_add(struct recording *recording, enum op_kind kind, uint32_t file);
void recording_write(struct recording *recording, uint32_t file, uint64_t offset,
                     const void *bytes, size_t len);
uint32_t recording_make(struct recording *recording, uint32_t dir, const char *name,
                        bool is_dir);
void recording_rename(struct recording *recording, uint32_t dir, const char *name,
                      uint32_t dir2, const char *name2);
void recording_unlink(struct recording *recording, uint32_t dir, const char *name);

/* A sync is asked for: was it allowed? */
void recording_note_sync(struct recording *recording, uint32_t file);
/* Counts the call; true when it is the one to fail. */
bool recording_fails(struct recording *recording, enum call_kind kind);

#endif
