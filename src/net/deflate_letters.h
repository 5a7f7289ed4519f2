/*
 * deflate_letters.h - DEFLATE (RFC 1951) of base64 in which nothing comes twice: what pictures,
 * archives and documents look like in mail.
 *
 * Its 64 letters are equally frequent, so that one Huffman code, always the same, is as short
 * as any that could be made for it, and no time goes into looking for what has been before.
 *
 * What is written is whole blocks from a byte border to a byte border; nothing in them refers
 * to what is before them.
 */
#ifndef ROOST_NET_DEFLATE_LETTERS_H
#define ROOST_NET_DEFLATE_LETTERS_H

#include "base/buf.h"

#define LETTERS_LITERALS  257u /* each byte, and the end of a block */
#define LETTERS_DISTANCES 2u   /* none is used, but a code must be there, and be whole */
#define LETTERS_LENGTHS   (LETTERS_LITERALS + LETTERS_DISTANCES)

struct letters_code {
    uint8_t lengths[LETTERS_LENGTHS]; /* 0: no letter of base64 and no line end */
    uint8_t codes[LETTERS_LITERALS];  /* as the bits go out, the first one lowest */
    uint8_t steps[256];               /* of each byte the length, or LETTERS_FOREIGN */
};

void letters_init(struct letters_code *code);
/* Where the first stretch begins that is to be written by letters_put(), or plain.len. */
size_t letters_find(const struct letters_code *code, struct slice plain);
/* Of plain, which begins where letters_find() has said, as much as it is good for; how many
 * bytes these were, at least one. out has room for letters_bound(plain.len) bytes. */
size_t letters_put(const struct letters_code *code, struct slice plain, struct buf *out);
size_t letters_bound(size_t len);

#endif
