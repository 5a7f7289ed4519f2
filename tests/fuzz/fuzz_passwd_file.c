/* fuzz_passwd_file.c - one line of a passwd-file; what is taken survives being written again.
 */
// links: auth
#include <assert.h>

#include "auth/admin.h"
#include "auth/passwd_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf line = {.max = PASSWD_LINE_MAX_BYTES * 4};
    struct passwd_entry entry, again;

    if (auth_init(NULL) != RC_OK)
        abort();
    if (passwd_parse_line(slice_of(data, size), &entry, NULL) != RC_OK)
        return 0;
    buf_append(&line, auth_key_slice(&entry.name));
    buf_byte(&line, ':');
    password_hash_print(&entry.hash, &line);
    assert(!line.overflow);
    assert(passwd_parse_line(buf_slice(&line), &again, NULL) == RC_OK);
    assert(slice_eq(auth_key_slice(&entry.key), auth_key_slice(&again.key)));
    assert(slice_eq(auth_key_slice(&entry.name), auth_key_slice(&again.name)));
    assert(slice_eq(entry.hash.hash, again.hash.hash));
    return 0;
}
