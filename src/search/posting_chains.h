/*
 * posting_chains.h - byte strings that grow, many of them at once: lists of an index while it
 * is built. Each is a chain of small pieces of one array.
 */
#ifndef ROOST_SEARCH_POSTING_CHAINS_H
#define ROOST_SEARCH_POSTING_CHAINS_H

#include <stddef.h>
#include <stdint.h>

#define CHAIN_PIECE_BYTES  12u
#define CHAIN_VARINT_BYTES 5u

struct chain_piece {
    uint32_t next;
    unsigned char bytes[CHAIN_PIECE_BYTES];
};

/* The pieces of all chains; all zero at first. */
struct chain_pieces {
    struct chain_piece *list;
    uint32_t n, cap;
};

struct chain {
    uint32_t head, tail; /* pieces; there is none while used is 0 */
    uint32_t used;       /* bytes of the tail */
};

void chain_pieces_done(struct chain_pieces *pieces);
size_t chain_pieces_bytes(const struct chain_pieces *pieces); /* of memory */

/* Appended as a varint (base/varint.h). */
void chain_put_more(struct chain_pieces *pieces, struct chain *chain, uint32_t value);
static inline void chain_put(struct chain_pieces *pieces, struct chain *chain, uint32_t value)
{
    if (value < 0x80 && chain->used > 0 && chain->used < CHAIN_PIECE_BYTES)
        pieces->list[chain->tail].bytes[chain->used++] = (unsigned char) value;
    else
        chain_put_more(pieces, chain, value);
}

/* From front to back: as many values as were put. */
struct chain_walk {
    const struct chain_pieces *pieces;
    const struct chain_piece *piece;
    uint32_t at;
};
struct chain_walk chain_walk_of(const struct chain_pieces *pieces, const struct chain *chain);
static inline uint32_t chain_next(struct chain_walk *walk)
{
    uint32_t value = 0;
    unsigned shift = 0;
    unsigned char byte;

    do {
        if (walk->at == CHAIN_PIECE_BYTES) {
            walk->piece = &walk->pieces->list[walk->piece->next];
            walk->at = 0;
        }
        byte = walk->piece->bytes[walk->at++];
        value |= (uint32_t) (byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0 && shift < 7 * CHAIN_VARINT_BYTES);
    return value;
}

#endif
