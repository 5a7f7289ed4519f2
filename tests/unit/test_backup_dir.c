/* test_backup_dir.c - manifests, the directory they lie in, sealed files, times. */
// links: cli
// lib: local_store
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/backup_dir_names.h"
#include "lib/local_store.h"
#include "lib/test.h"

#define STORE "00112233445566778899aabbccddeeff"

static struct backup_manifest *sample(void)
{
    struct backup_manifest *manifest = backup_manifest_new();
    struct backup_hash hash;

    (void) snprintf(manifest->store, sizeof(manifest->store), STORE);
    manifest->time_us = 1795306477732305;
    manifest->lsn = 22;
    manifest->has_secrets = true;
    backup_hash_bytes(SLICE("one"), &hash);
    backup_manifest_add(manifest, "mail/super", 357, &hash);
    backup_hash_bytes(SLICE("two"), &hash);
    backup_manifest_add(manifest, "auth/auth.db", 4096, &hash);
    return manifest;
}

/* The text with its own hash made right again. */
static void seal_text(const char *text, struct buf *out)
{
    struct backup_hash hash;

    buf_str(out, text);
    backup_hash_bytes(buf_slice(out), &hash);
    buf_printf(out, "end %s\n", hash.text);
}

#define HEAD "roost backup 1\nstore " STORE "\ntime 5 x\nlsn 2\nsecrets none\n"
#define HASH "fd852f0fe103e5a8bf63a007a18a453c261713a36cc8a05962aad4ad2df4f355"

static const struct {
    const char *what, *text;
    bool is_good;
} texts[] = {
    {"no file at all",       HEAD,                                                                true },
    {"two files in order",   HEAD "file a 1 " HASH "\nfile b/c 2 " HASH "\n",                     true },
    {"another version",      "roost backup 2\nstore " STORE "\ntime 5 x\nlsn 2\nsecrets none\n",
     false                                                                                             },
    {"a short uuid",         "roost backup 1\nstore 0011\ntime 5 x\nlsn 2\nsecrets none\n",       false},
    {"a time that is none",  "roost backup 1\nstore " STORE "\ntime -5 x\nlsn 2\nsecrets none\n",
     false                                                                                             },
    {"perhaps secrets",      "roost backup 1\nstore " STORE "\ntime 5 x\nlsn 2\nsecrets some\n",
     false                                                                                             },
    {"files out of order",   HEAD "file b 1 " HASH "\nfile a 2 " HASH "\n",                       false},
    {"a file twice",         HEAD "file a 1 " HASH "\nfile a 1 " HASH "\n",                       false},
    {"a name that climbs",   HEAD "file ../a 1 " HASH "\n",                                       false},
    {"a name from the root", HEAD "file /etc/a 1 " HASH "\n",                                     false},
    {"a hidden component",   HEAD "file a/.b 1 " HASH "\n",                                       false},
    {"a name that ends",     HEAD "file a/ 1 " HASH "\n",                                         false},
    {"no length",            HEAD "file a x " HASH "\n",                                          false},
    {"a short hash",         HEAD "file a 1 abcd\n",                                              false},
    {"a hash in capitals",   HEAD "file a 1 F" HASH "\n",                                         false},
    {"an unknown line",      HEAD "link a b\n",                                                   false},
};

static void reads_what_it_writes_and_refuses_the_rest(void **state)
{
    AUTO(buf_done) struct buf text = {.max = 1 << 16};
    struct backup_manifest *manifest = sample(), *back = backup_manifest_new();
    struct err err;

    (void) state;
    backup_manifest_encode(manifest, &text);
    assert_int_equal(backup_manifest_decode(buf_slice(&text), back, &err), RC_OK);
    assert_string_equal(back->store, STORE);
    assert_int_equal(back->time_us, manifest->time_us);
    assert_int_equal(back->lsn, 22);
    assert_true(back->has_secrets);
    assert_int_equal(back->n, 2);
    assert_int_equal(backup_manifest_find(back, "mail/super")->length, 357);
    assert_null(backup_manifest_find(back, "mail/other"));
    backup_manifest_free(manifest);
    backup_manifest_free(back);
    for (size_t at = 0; at < text.len; at++) { /* any byte is noticed, and any end */
        text.ptr[at] ^= 1;
        back = backup_manifest_new();
        assert_int_equal(backup_manifest_decode(buf_slice(&text), back, &err), RC_CORRUPT);
        backup_manifest_free(back);
        text.ptr[at] ^= 1;
        back = backup_manifest_new();
        assert_int_equal(backup_manifest_decode(slice_sub(buf_slice(&text), 0, at), back, &err),
                         RC_CORRUPT);
        backup_manifest_free(back);
    }
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(buf_done) struct buf sealed = {.max = 1 << 16};

        print_message("%s\n", texts[i].what);
        seal_text(texts[i].text, &sealed);
        back = backup_manifest_new();
        assert_int_equal(backup_manifest_decode(buf_slice(&sealed), back, &err),
                         texts[i].is_good ? RC_OK : RC_CORRUPT);
        backup_manifest_free(back);
    }
}

static void a_directory_is_one_stores(void **state)
{
    char path[] = "/tmp/roost-dir-XXXXXX", below[64];
    struct backup_dir dir, second;
    uint64_t n_files = 9;
    struct err err;

    (void) state;
    assert_non_null(mkdtemp(path));
    assert_int_equal(backup_dir_open(path, NULL, false, &dir, &err), RC_NOT_FOUND);
    assert_int_equal(backup_dir_open(path, STORE, true, &dir, &err), RC_OK);
    assert_int_equal(backup_dir_open(path, STORE, true, &second, &err), RC_UNAVAILABLE);
    assert_int_equal(
        backup_dir_open(path, "ff112233445566778899aabbccddeeff", true, &second, &err),
        RC_CONFLICT);
    for (int i = 0; i < 3; i++) {
        struct backup_manifest *manifest = backup_manifest_new();
        struct backup_hash hash;
        char aside[BACKUP_FILE_PATH], text[2] = {(char) ('a' + i), '\0'};

        (void) snprintf(manifest->store, sizeof(manifest->store), STORE);
        manifest->time_us = 1795306477000000 + i;
        backup_hash_bytes(slice_from_str(text), &hash);
        backup_pool_new(&dir, aside);
        assert_int_equal(backup_write_file(aside, slice_from_str(text), &err), RC_OK);
        assert_int_equal(backup_pool_take(&dir, aside, "mail/x", &hash, &err), RC_OK);
        backup_manifest_add(manifest, "mail/x", 1, &hash);
        assert_int_equal(backup_dir_add(&dir, manifest, &err), RC_OK);
    }
    assert_ptr_equal(backup_dir_at(&dir, 1795306477000001), dir.manifests[1]);
    assert_null(backup_dir_at(&dir, 1795306476000000));
    assert_int_equal(backup_dir_prune(&dir, 2, &n_files, &err), RC_OK);
    assert_int_equal(n_files, 1);
    backup_dir_close(&dir);
    assert_int_equal(backup_dir_open(path, NULL, false, &dir, &err), RC_OK);
    assert_int_equal(dir.n, 2);
    backup_dir_close(&dir);
    local_store_remove_tree(path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void) snprintf(below, sizeof(below), "%s/letter", path);
    assert_int_equal(backup_write_file(below, SLICE("mine"), &err), RC_OK);
    assert_int_equal(backup_dir_open(path, STORE, true, &dir, &err), RC_INVALID);
    local_store_remove_tree(path);
}

static void a_sealed_file_opens_with_its_key_and_name_only(void **state)
{
    static const size_t lengths[] = {0, 1, 65535, 65536, 65537, 200000};
    char folder[] = "/tmp/roost-seal-XXXXXX", path[64], key_path[64];
    struct backup_key key, other;
    struct err err;

    (void) state;
    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/sealed", folder);
    (void) snprintf(key_path, sizeof(key_path), "%s/key", folder);
    assert_int_equal(
        backup_write_file(key_path, SLICE("0123456789abcdef0123456789abcde"), &err), RC_OK);
    assert_int_equal(backup_key_read(key_path, &key, &err), RC_INVALID); /* a byte too short */
    assert_int_equal(
        backup_write_file(key_path, SLICE("0123456789abcdef0123456789abcdef"), &err), RC_OK);
    assert_int_equal(backup_key_read(key_path, &key, &err), RC_OK);
    other = key;
    other.bytes[31] ^= 1;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        AUTO(freep) char *plain = local_store_body(i, lengths[i]);
        AUTO(freep) char *back = NULL;
        AUTO(freep) char *raw = NULL;
        size_t len = 1, raw_len = 0;

        assert_int_equal(
            backup_seal(&key, SLICE("store a"), slice_of(plain, lengths[i]), path, &err),
            RC_OK);
        assert_int_equal(backup_unseal(&other, SLICE("store a"), path, &back, &len, &err),
                         RC_DENIED);
        assert_int_equal(backup_unseal(&key, SLICE("store b"), path, &back, &len, &err),
                         RC_DENIED);
        assert_int_equal(backup_unseal(&key, SLICE("store a"), path, &back, &len, &err), RC_OK);
        assert_int_equal(len, lengths[i]);
        assert_memory_equal(back, plain, len);
        assert_int_equal(backup_read_file(path, 1 << 20, &raw, &raw_len, &err), RC_OK);
        free(TAKE(back));
        assert_int_equal(truncate(path, (off_t) raw_len - 1), 0); /* cut short */
        assert_int_equal(backup_unseal(&key, SLICE("store a"), path, &back, &len, &err),
                         RC_DENIED);
        raw[raw_len - 1] ^= 1;
        assert_int_equal(backup_write_file(path, slice_of(raw, raw_len), &err), RC_OK);
        assert_int_equal(backup_unseal(&key, SLICE("store a"), path, &back, &len, &err),
                         RC_DENIED);
    }
    local_store_remove_tree(folder);
}

static const struct {
    const char *text;
    int64_t us; /* -1: not a time */
} times[] = {
    {"2026-11-22T00:14:37Z",    1795306477999999},
    {"2026-11-22 00:14:37",     1795306477999999},
    {"2026-11-22T00:14:37.5Z",  1795306477500000},
    {"2026-11-22T00:14",        1795306440999999},
    {"2026-11-22",              1795305600999999},
    {"2026-11-22T00:14:37Zulu", -1              },
    {"yesterday",               -1              },
    {"",                        -1              },
};

static void a_time_may_be_given_in_short(void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t us = -1;

        print_message("%s\n", times[i].text);
        assert_int_equal(backup_time_parse(times[i].text, &us), times[i].us >= 0);
        assert_int_equal(us, times[i].us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_writes_and_refuses_the_rest),
        cmocka_unit_test(a_directory_is_one_stores),
        cmocka_unit_test(a_sealed_file_opens_with_its_key_and_name_only),
        cmocka_unit_test(a_time_may_be_given_in_short),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
