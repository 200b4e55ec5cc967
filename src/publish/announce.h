/*
 * announce: what was published since a hook was told last, as one document for it
 * (schemas/announcement.schema.json), and the record of what it was told.
 *
 * The record, <tree>/.ferry/announced/<hook>, is a JSON object: the release, and of each model the
 * versions of its variants and what was withdrawn. Without one, everything is new.
 */
#ifndef FERRY_PUBLISH_ANNOUNCE_H
#define FERRY_PUBLISH_ANNOUNCE_H

#include "catalog/catalog.h"

#define ANNOUNCE_FORMAT "model-ferry-announcement"
#define ANNOUNCE_VERSION 1

/* The record of the hook; *out is NULL without one. ERR_INTEGRITY when it is damaged: nobody must
 * be told of everything again. The caller owns it. */
WARN_UNUSED int announce_load(const char *dir, const char *hook, json_t **out, struct err *e);
WARN_UNUSED int announce_save(const char *dir, const char *hook, const json_t *record,
			      struct err *e);
/* The record for the catalog of this release; the caller owns it. */
json_t *announce_record(const struct catalog *c, uint64_t release);

/* How the catalog differs from what the record (or NULL) says; NULL when it does not. `mirrors`, an
 * array of {"id", "url"}, is borrowed. The caller owns the document. */
json_t *announce_document(const struct catalog *c, uint64_t release, const json_t *before,
			  json_t *mirrors);

#endif
