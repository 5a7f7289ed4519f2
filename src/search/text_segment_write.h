/*
 * text_segment_write.h - a segment on its way into the engine, part by part, in this order:
 * what is not covered, the days, both dictionaries (trigrams ascending), every field (numbers
 * ascending), the words (word_segment.h). Memory: a page row for each KiB of a dictionary, and
 * its pages.
 */
#ifndef ROOST_SEARCH_TEXT_SEGMENT_WRITE_H
#define ROOST_SEARCH_TEXT_SEGMENT_WRITE_H

#include "search/text_segment.h"

struct text_segment_writer;

MUST_CHECK enum rc text_segment_writer_begin(struct engine *engine, uint64_t account,
                                             const struct derived_name *name,
                                             struct text_segment_writer **out, struct err *err);
/* Gives it up. NULL is allowed. */
void text_segment_writer_drop(struct text_segment_writer *writer);

/* n numbers, ascending. */
MUST_CHECK enum rc text_segment_write_uncovered(struct text_segment_writer *writer,
                                                const uint32_t *numbers, uint32_t n,
                                                struct err *err);
/* span of them. */
MUST_CHECK enum rc text_segment_write_days(struct text_segment_writer *writer,
                                           const int32_t *days, struct err *err);
/* The next trigram and the n >= 1 numbers that have it. */
MUST_CHECK enum rc text_segment_write_trigram(struct text_segment_writer *writer,
                                              uint32_t trigram, const uint32_t *numbers,
                                              uint32_t n, struct err *err);
MUST_CHECK enum rc text_segment_end_dict(struct text_segment_writer *writer,
                                         enum text_segment_dict dict, struct err *err);
/* What the next number has in the field: values, each with COLUMN_MARK behind; casemapped; at
 * most COLUMN_TEXT_MAX bytes. */
MUST_CHECK enum rc text_segment_write_text(struct text_segment_writer *writer,
                                           struct slice text, struct err *err);
MUST_CHECK enum rc text_segment_end_field(struct text_segment_writer *writer,
                                          enum text_segment_field field, struct err *err);
/* For word_writer.c, behind the fields. */
MUST_CHECK enum rc text_segment_put(struct text_segment_writer *writer, struct slice bytes,
                                    struct err *err);
MUST_CHECK enum rc text_segment_put_section(struct text_segment_writer *writer, size_t section,
                                            struct slice bytes, struct err *err);
void text_segment_note_section(struct text_segment_writer *writer, size_t section, uint64_t at,
                               uint64_t len);
void text_segment_note_wordless(struct text_segment_writer *writer, uint32_t n);
uint64_t text_segment_writer_at(const struct text_segment_writer *writer);

/* The segment is there with RC_OK. Frees the writer in any case. */
MUST_CHECK enum rc text_segment_writer_finish(struct text_segment_writer *writer,
                                              struct err *err);

#endif
