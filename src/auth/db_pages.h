/*
 * db_pages.h - a checksum in each page of auth.db, which SQLite alone does not have.
 *
 * The last AUTH_SUM_BYTES of a page are reserved (SQLite's file format, header byte 20) and
 * hold the XXH3 of what stands before them, seeded with the page's number. A VFS between SQLite
 * and the file fills them in when a page is written and compares them when one is read: a page
 * that is damaged, or stands in another's place, is an error of the statement that reads it
 * (SQLITE_IOERR_DATA), never other data. docs/decisions/checked-credentials.md says why here
 * and not in the rows.
 *
 * What lies in the log only (auth.db-wal) has the log's own checksums, which SQLite verifies
 * when it opens it.
 */
#ifndef ROOST_AUTH_DB_PAGES_H
#define ROOST_AUTH_DB_PAGES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define AUTH_PAGE_BYTES    4096u
#define AUTH_SUM_BYTES     8
#define AUTH_CHECKED_SINCE 3 /* PRAGMA user_version: older files have no checksums */

/* What the file at path says of itself, as far as that decides how it is opened. */
struct db_head {
    bool is_empty;  /* nothing written yet */
    bool is_sqlite; /* else SQLite refuses it */
    unsigned reserved;
    uint32_t version, application;
};
MUST_CHECK enum rc db_head_read(const char *path, struct db_head *out, struct err *err);

/* Open through the checksums; a new database gets room for them. One thread at a time. */
MUST_CHECK enum rc db_pages_open(const char *path, sqlite3 **out, struct err *err);

/*
 * Make an older file's pages ones with checksums. It is copied, sealed, synced and renamed over
 * the old one, so a crash leaves one or the other.
 */
MUST_CHECK enum rc db_pages_convert(const char *path, struct err *err);

/* Fill in the checksums of whole pages in memory, from the first of a database on. */
void db_pages_seal(unsigned char *pages, size_t len);

/* Read every page of the file; what stands in the log is not looked at. */
struct db_damage {
    uint64_t pages, damaged;
    uint32_t first; /* number of the first damaged page, from 1; 0: none */
};
MUST_CHECK enum rc db_pages_check(sqlite3 *sqlite, struct db_damage *out, struct err *err);

#endif
