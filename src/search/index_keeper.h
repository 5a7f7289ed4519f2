/*
 * index_keeper.h - who makes segments: one thread, behind everything else; for text_index.c.
 */
#ifndef ROOST_SEARCH_INDEX_KEEPER_H
#define ROOST_SEARCH_INDEX_KEEPER_H

#include "search/text_index.h"

struct index_keeper;

/* options live as long. */
struct index_keeper *index_keeper_new(struct text_index *index,
                                      const struct text_index_options *options);
void index_keeper_start(struct index_keeper *keeper);
void index_keeper_stop(struct index_keeper *keeper);
void index_keeper_free(struct index_keeper *keeper);
void index_keeper_want(struct index_keeper *keeper, uint64_t account);
MUST_CHECK enum rc index_keeper_catch_up(struct index_keeper *keeper, struct account *account,
                                         struct err *err);

/* text_index.c, for the keeper: segments came or went; one is of no use any more. */
void text_index_changed(struct text_index *index, uint64_t account);
void text_index_remove(struct text_index *index, uint64_t account,
                       const struct derived_name *name);

#endif
