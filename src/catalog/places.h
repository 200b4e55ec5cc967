/*
 * Places: where a mirror has objects that are not at the place where its kind puts them. A mirror
 * that needs such a list names it in its entry of repository.json ("places"); the list is a target
 * that the role targets signs, "places/<mirror id>.jsonl.zst". Readers fetch it only when they use
 * the mirror.
 *
 * JSON Lines, compressed with zstd (jsonl.h). The first line is the header, then the places follow
 * in the order of their keys, as bytes. Schema: schemas/places.schema.json, for one line.
 *
 *   { "format": "model-ferry-places", "version": 1, "places": 2 }
 *   { "key": "targets/models/phi-2/<sha256>.phi-2-q4_0.gguf", "release": 2 }
 *   { "key": "targets/models/phi-2/<sha256>.phi-2-q8_0.gguf", "url": "https://…" }
 *
 * "release" (GitHub) is the number of the follow-up release that has the object; without a line it
 * is in the first one. "url" (names) is where the file is under another name. Unknown members are
 * ignored.
 *
 * Instead of a list, or in addition to one, the entry of a names mirror can have a template of its
 * URLs ("template"), and the ids of the models that it is for ("models"; without it, all). A place
 * of the list goes before the template.
 */
#ifndef FERRY_CATALOG_PLACES_H
#define FERRY_CATALOG_PLACES_H

#include "json/json.h"

#define PLACES_FORMAT "model-ferry-places"
#define PLACES_VERSION 1
#define PLACES_FOLDER "places/"
#define PLACES_SUFFIX ".jsonl.zst"
#define PLACES_MAX_BYTES (32 * MIB) /* compressed */
#define PLACES_MAX_TEXT (256 * MIB) /* decompressed; read in a stream */
#define PLACES_MAX_LINE ((size_t)16 * KIB)
#define PLACES_MAX ((size_t)1 << 20)     /* in one list */
#define PLACES_MAX_RELEASE 1000000       /* number of a follow-up release */
#define PLACES_MAX_MODELS ((size_t)4096) /* of a template */

/* Where one object is: in a follow-up release, or at a URL. */
struct places_entry {
	char *key;        /* of the object: "targets/models/…" */
	uint64_t release; /* 2 or more; 0: it has a URL */
	char *url;        /* or NULL */
};

/* What is known of one mirror; {0} is: nothing. */
struct places {
	struct places_entry *at; /* sorted by key, after places_sort() */
	size_t count, cap;
	char *template;         /* or NULL */
	struct str_list models; /* that the template is for; empty: all */
};
void places_release(struct places *p);
void places_free(struct places *p);
DEFINE_CLEANUP(struct places, places_free);

/* "places/ID.jsonl.zst"; caller frees. */
char *places_target(const char *mirror_id);
/* Is it the path of such a target? */
bool places_is_target(const char *path);

/* ---- looking up; p may be NULL: there are no places ---- */

/* The place in the list, or NULL. */
const struct places_entry *places_find(const struct places *p, const char *key);
/* The number of the release that has the object: 1, unless the list says more. */
uint64_t places_release_of(const struct places *p, const char *key);
/* The URL of the object, from the list or the template; caller frees. NULL: it is not there. */
char *places_url(const struct places *p, const char *key);
/* Does a names mirror with these places have the object? */
bool places_has(const struct places *p, const char *key);

/* ---- what can be a place ---- */

/* Why an object with this key cannot be at a URL, or NULL: metadata, cards, manifests and other
 * small documents are never read from foreign places. */
const char *places_key_fault(const char *key);
/* Why it cannot be the URL of a file, or NULL (link.h). */
const char *places_url_fault(const char *url);

/*
 * A template is a URL with {name}, the file's name; it may also have {model}, the id of the model,
 * and {sha256}, the file's SHA-256. Names are percent-encoded. Why it cannot be one, or NULL:
 */
const char *places_template_fault(const char *template);
/* The URL that the template gives for the key; NULL for a key that is not of the form
 * "targets/models/ID/<sha256>.NAME". Caller frees. */
char *places_template_url(const char *template, const char *key);

/* ---- documents ---- */

/* Adds what the list says. ERR_INTEGRITY: it is damaged, too large, not in order, names what cannot
 * be a place, or is of a newer version. */
WARN_UNUSED int places_read(const void *data, size_t len, const char *what, struct places *out,
			    struct err *e);
/* Adds the template and its models of a mirror's entry in the catalog, if it has one. */
WARN_UNUSED int places_read_entry(const json_t *entry, const char *what, struct places *out,
				  struct err *e);

/* ---- for the publisher ---- */

void places_add_release(struct places *p, const char *key, uint64_t release);
void places_add_url(struct places *p, const char *key, const char *url);
/* After adding, before looking up. Of several places of one key, the last one added stays. */
void places_sort(struct places *p);
/* The list of the sorted places, the same bytes for the same places. Replaces out. */
WARN_UNUSED int places_pack(const struct places *p, struct buf *out, struct err *e);

#endif
