#include "search/posting_chains.h"

#include "base/err.h"

#define FIRST_PIECES 4096u

void chain_pieces_done(struct chain_pieces *pieces)
{
    free(pieces->list);
    *pieces = (struct chain_pieces){.n = 0};
}

size_t chain_pieces_bytes(const struct chain_pieces *pieces)
{
    return pieces->cap * sizeof(*pieces->list);
}

static uint32_t add_piece(struct chain_pieces *pieces)
{
    if (pieces->n == pieces->cap) {
        pieces->cap = pieces->cap > 0 ? pieces->cap + pieces->cap / 2 : FIRST_PIECES;
        pieces->list = xrealloc(pieces->list, pieces->cap * sizeof(*pieces->list));
    }
    pieces->list[pieces->n].next = UINT32_MAX;
    return pieces->n++;
}

static void put_byte(struct chain_pieces *pieces, struct chain *chain, unsigned char byte)
{
    if (chain->used == 0) {
        chain->head = chain->tail = add_piece(pieces);
    } else if (chain->used == CHAIN_PIECE_BYTES) {
        uint32_t piece = add_piece(pieces);

        pieces->list[chain->tail].next = piece;
        chain->tail = piece;
        chain->used = 0;
    }
    pieces->list[chain->tail].bytes[chain->used++] = byte;
}

void chain_put_more(struct chain_pieces *pieces, struct chain *chain, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(pieces, chain, (unsigned char) (value | 0x80));
    put_byte(pieces, chain, (unsigned char) value);
}

struct chain_walk chain_walk_of(const struct chain_pieces *pieces, const struct chain *chain)
{
    return (struct chain_walk){.pieces = pieces,
                               .piece = chain->used > 0 ? &pieces->list[chain->head] : NULL};
}
