/* codec.c - zstd level 3 for bodies, lz4 HC for what lists read. */
#include "store/local/codec.h"

#include <assert.h>
#include <lz4.h>
#include <lz4hc.h>
#include <zstd.h>

#define LZ4_LEVEL 4 /* within 2 % of level 9, and faster */

struct compressor {
    ZSTD_CCtx *zstd;
    void *lz4;
};

struct decompressor {
    ZSTD_DCtx *zstd;
};

struct compressor *compressor_new(void)
{
    struct compressor *compressor = xcalloc(1, sizeof(*compressor));

    compressor->zstd = ZSTD_createCCtx();
    if (compressor->zstd == NULL)
        die("out of memory");
    compressor->lz4 = xmalloc((size_t) LZ4_sizeofStateHC());
    return compressor;
}

void compressor_free(struct compressor *compressor)
{
    if (compressor == NULL)
        return;
    (void) ZSTD_freeCCtx(compressor->zstd); /* always 0 */
    free(compressor->lz4);
    free(compressor);
}

/* A failure is a block that does not shrink: the output may not be longer than the input. */
static size_t compress(struct compressor *compressor, enum pack_codec want,
                       const struct dict *dict, struct slice raw, char *out)
{
    size_t len = 0;
    int n;

    switch (want) {
    case PACK_RAW:
        break;
    case PACK_ZSTD:
        len = ZSTD_compressCCtx(compressor->zstd, out, raw.len, raw.ptr, raw.len,
                                DICT_ZSTD_LEVEL);
        break;
    case PACK_ZSTD_DICT:
        len = ZSTD_compress_usingCDict(compressor->zstd, out, raw.len, raw.ptr, raw.len,
                                       dict->compress);
        break;
    case PACK_LZ4:
        n = LZ4_compress_default(raw.ptr, out, (int) raw.len, (int) raw.len);
        len = n > 0 ? (size_t) n : 0;
        break;
    case PACK_LZ4_HC:
        n = LZ4_compress_HC_extStateHC(compressor->lz4, raw.ptr, out, (int) raw.len,
                                       (int) raw.len, LZ4_LEVEL);
        len = n > 0 ? (size_t) n : 0;
        break;
    }
    return ZSTD_isError(len) ? 0 : len;
}

enum pack_codec codec_compress(struct compressor *compressor, enum pack_codec want,
                               const struct dict *dict, struct slice raw, char *out,
                               size_t *out_len)
{
    size_t len = compress(compressor, want, dict, raw, out);

    assert(raw.len <= PACK_BLOCK_MAX);
    if (len > 0 && len < raw.len) {
        *out_len = len;
        return want == PACK_LZ4_HC ? PACK_LZ4 : want;
    }
    memcpy(out, raw.ptr, raw.len);
    *out_len = raw.len;
    return PACK_RAW;
}

struct decompressor *decompressor_new(void)
{
    struct decompressor *decompressor = xcalloc(1, sizeof(*decompressor));

    decompressor->zstd = ZSTD_createDCtx();
    if (decompressor->zstd == NULL)
        die("out of memory");
    return decompressor;
}

void decompressor_free(struct decompressor *decompressor)
{
    if (decompressor == NULL)
        return;
    (void) ZSTD_freeDCtx(decompressor->zstd); /* always 0 */
    free(decompressor);
}

bool codec_decompress(struct decompressor *decompressor, enum pack_codec codec,
                      const struct dict *dict, struct slice stored, char *out, size_t raw_len)
{
    size_t len = 0;
    int n;

    if (stored.len > PACK_BLOCK_MAX || raw_len > PACK_BLOCK_MAX)
        return false;
    switch (codec) {
    case PACK_RAW:
        len = stored.len;
        if (len == raw_len)
            memcpy(out, stored.ptr, len);
        break;
    case PACK_ZSTD:
        len = ZSTD_decompressDCtx(decompressor->zstd, out, raw_len, stored.ptr, stored.len);
        break;
    case PACK_ZSTD_DICT:
        if (dict == NULL)
            return false;
        len = ZSTD_decompress_usingDDict(decompressor->zstd, out, raw_len, stored.ptr,
                                         stored.len, dict->decompress);
        break;
    case PACK_LZ4:
    case PACK_LZ4_HC:
        n = LZ4_decompress_safe(stored.ptr, out, (int) stored.len, (int) raw_len);
        len = n > 0 ? (size_t) n : 0;
        break;
    }
    return len == raw_len;
}
