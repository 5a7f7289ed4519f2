#include "config/elsewhere.h"

#include <string.h>

#include "base/ascii.h"
#include "base/scan.h"
#include "base/utf8.h"

static bool is_server_byte(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("-.:[]", c) != NULL);
}

/* The last word, taken off; false if nothing stands before it. */
static bool cut_word(struct slice *text, struct slice *word)
{
    size_t at = slice_rfind(*text, ' ');

    if (at == text->len)
        return false;
    *word = slice_from(*text, at + 1);
    *text = slice_trim(slice_sub(*text, 0, at));
    return word->len > 0 && text->len > 0;
}

bool elsewhere_is_server(struct slice word)
{
    struct scan sc = scan_of(word);

    (void) scan_while(&sc, is_server_byte);
    return scan_done(&sc) && word.len > 0 && word.len <= ELSEWHERE_SERVER_MAX_BYTES;
}

bool elsewhere_parse(const char *item, struct elsewhere *out)
{
    struct slice text = slice_trim(slice_from_str(item)), word;
    bool guest = false;

    if (!utf8_is_valid(text) || !cut_word(&text, &word))
        return false;
    if (slice_eq(word, SLICE("guest"))) {
        guest = true;
        if (!cut_word(&text, &word))
            return false;
    }
    if (!elsewhere_is_server(word))
        return false;
    *out = (struct elsewhere){text, word, guest};
    return true;
}

bool elsewhere_is_host(const struct elsewhere *elsewhere, const char *hostname)
{
    struct slice host = slice_from_str(hostname), server = elsewhere->server;

    return slice_eq_nocase(server, host) ||
           (server.len > host.len && server.ptr[host.len] == ':' &&
            slice_starts_nocase(server, host));
}
