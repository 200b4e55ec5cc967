/*
 * The members of a card, in one table for each object, for the parser, `--set` and the linter.
 * schemas/card.schema.json has the same content.
 */
#ifndef FERRY_CATALOG_CARD_MEMBERS_H
#define FERRY_CATALOG_CARD_MEMBERS_H

#include "json/json.h"

enum card_kind {
	CARD_END,
	CARD_TEXT,      /* one line, 1 to max bytes */
	CARD_PROSE,     /* may have several lines */
	CARD_LICENSE,   /* CARD_TEXT; --set and the linter want an SPDX expression */
	CARD_ID,        /* path_is_id() */
	CARD_URL,       /* link_fault() */
	CARD_TIME,      /* RFC 3339, UTC, with a Z */
	CARD_COUNT,     /* an integer from 1 to max */
	CARD_FLAG,      /* true or false */
	CARD_WORDS,     /* an array of up to max different CARD_TEXTs of CARD_MAX_WORD_BYTES */
	CARD_SENTENCES, /* an array of up to max CARD_TEXTs of CARD_MAX_SENTENCE_BYTES */
	CARD_HEX,       /* lower-case SHA-256 */
	CARD_NESTED,    /* checked by card.c */
};

#define CARD_MAX_WORDS 64
#define CARD_MAX_WORD_BYTES 64
#define CARD_MAX_SENTENCES 64
#define CARD_MAX_SENTENCE_BYTES 500

struct card_member {
	const char *key;
	enum card_kind kind;
	uint64_t max;
	bool settable;
};

extern const struct card_member card_members[], card_license_members[], card_source_members[],
	card_deprecated_members[], card_withdrawn_members[], card_variant_members[],
	card_ram_members[], card_file_members[], card_index_members[],
	card_index_variant_members[]; /* index.h */

/* NULL when the table has no such key. */
const struct card_member *card_member(const struct card_member *table, const char *key);

/* Checks each member in the table; unknown members are allowed. `at` is the path of the object.
 * ERR_INTEGRITY. */
WARN_UNUSED int card_check_members(const json_t *object, const char *at,
				   const struct card_member *table, struct err *e);
WARN_UNUSED int card_check_value(const struct card_member *m, const json_t *value, const char *at,
				 struct err *e);

#endif
