/*
 * codec.h - blocks compressed and back. A block is at most PACK_BLOCK_MAX raw; what does not
 * shrink stays raw, so that stored bytes never outgrow a block.
 */
#ifndef ROOST_STORE_LOCAL_CODEC_H
#define ROOST_STORE_LOCAL_CODEC_H

#include "store/local/dict.h"
#include "store/local/pack.h"

/* What a writer keeps between blocks; one thread's. */
struct compressor;
struct compressor *compressor_new(void);
void compressor_free(struct compressor *compressor); /* NULL is allowed */

/* want: PACK_ZSTD, PACK_ZSTD_DICT (dict is not NULL then), PACK_LZ4 or PACK_LZ4_HC. out holds
 * raw.len bytes. PACK_RAW when it does not shrink: the raw bytes are the stored ones. */
enum pack_codec codec_compress(struct compressor *compressor, enum pack_codec want,
                               const struct dict *dict, struct slice raw, char *out,
                               size_t *out_len);

/* What a reader keeps between blocks; one thread's at a time. */
struct decompressor;
struct decompressor *decompressor_new(void);
void decompressor_free(struct decompressor *decompressor); /* NULL is allowed */

/* Exactly raw_len bytes, or false; whatever stored holds, nothing behind out + raw_len is
 * written. dict: for PACK_ZSTD_DICT. */
bool codec_decompress(struct decompressor *decompressor, enum pack_codec codec,
                      const struct dict *dict, struct slice stored, char *out, size_t raw_len);

#endif
