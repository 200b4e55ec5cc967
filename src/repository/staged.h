/*
 * staged: what the cards of the last signature contained, so that the next one reads only the cards
 * that changed since.
 *
 * The record, <tree>/.ferry/staged, is only an aid: without it, or when the signed metadata or the
 * options are not those that it was made for, every card is read. A line for each model,
 *
 *   m <mark of its card> <sha256 and mark of the card's object> <variants> <planned> <flags> <id>
 *
 * followed by one for each of its files:
 *
 *   f <sha256> <size> <mark of its manifest> <sha256 and mark of the manifest's object>
 *     <mark of its provenance> <sha256 and mark of that object> <name>/<target path>
 *
 * Marks are 0 where there is no provenance.
 */
#ifndef FERRY_REPOSITORY_STAGED_H
#define FERRY_REPOSITORY_STAGED_H

#include "repository/internal.h"
#include "repository/seen.h"
#include "repository/sign.h"

/* A small object that was written for it; the mark is 0 when there is none. */
struct staged_object {
	struct digest sha256;
	struct mark mark; /* its size is that of the target */
};

struct staged_file {
	char *name, *path;
	uint64_t size;
	struct digest sha256;
	struct mark manifest;        /* below cards/ */
	struct staged_object object; /* of the manifest */
	struct mark origin;          /* of the provenance, likewise */
	struct staged_object origin_object;
};

struct staged_model {
	char *id;
	struct mark card;            /* of cards/ID.card.json */
	struct staged_object object; /* of the card that readers get */
	size_t variants, planned;    /* as repository_signed counts them */
	bool waiting;                /* a delegated role has not signed it */
	struct staged_file *files;
	size_t file_count, file_cap;
};

struct staged {
	struct digest key; /* the signed metadata and the options that it is for */
	struct staged_model *at;
	size_t count, cap; /* sorted by id */
};
void staged_release(struct staged *s);

/* The key for the published metadata of the writer and these options. */
WARN_UNUSED int staged_key(const struct writer *w, const struct repository_signing *how,
			   struct digest *out, struct err *e);

/* An unreadable record counts as empty. */
void staged_open(struct staged *s, const char *dir);
/* Sorts the entries. Failures are ignored. */
void staged_save(struct staged *s, const char *dir);

const struct staged_model *staged_find(const struct staged *s, const char *id);
/* Appends an entry for a card, which has the mark that its file had when it was read. */
struct staged_model *staged_add(struct staged *s, const char *dir, const struct card *c,
				const struct mark *card);
/* Takes the objects of its card and manifests from what the writer lists. */
void staged_seal(struct staged_model *m, const char *dir, const struct writer *w);
/* Appends a copy. */
void staged_keep(struct staged *s, const struct staged_model *m);

/* Is the card's file as it was when it was signed? */
bool staged_has_card(const struct staged_model *m, const char *dir);
/* Are the card, its manifests and objects as they were when it was signed? */
bool staged_is_unchanged(const struct staged_model *m, const char *dir, const struct seen *seen);

#endif
