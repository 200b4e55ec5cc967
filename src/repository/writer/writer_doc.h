/*
 * The documents of a tree as its publisher works on them: what is published, and what it is to
 * become. Only files of the writer include this.
 *
 * What always holds here: a document is changed by nothing but the functions of this file, so
 * that they know when a status that was computed is out of date.
 */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_DOC_H
#define FERRY_REPOSITORY_WRITER_WRITER_DOC_H

#include "repository/writer/writer.h"

#define WRITER_DOC_MAX (64 * MIB)

/* A version is an envelope: {"signatures": […], "signed": {…}}. */
struct writer_doc {
	char *role;
	char *parent; /* who delegates to it; NULL: root, or nobody any more */
	enum tuf_type type;
	uint64_t version;  /* published; 0: never */
	json_t *published; /* or NULL */
	uint64_t size;     /* of the published file */
	struct digest sha256;
	bool fits;      /* published was verified by what vouches for it as published */
	json_t *draft;  /* with version + 1, or NULL: no change */
	json_t *chosen; /* during a save: what is to be in force; borrowed */
};

struct writer {
	char *metadata, *drafts; /* folders */
	struct writer_expiry expiry;
	int64_t now_s;
	int lock;
	bool looks;               /* and writes nothing */
	struct writer_doc **docs; /* root, timestamp, snapshot, targets, then others */
	size_t count, cap;
	bool limited; /* to these roles, and snapshot and timestamp */
	struct str_list only;
	struct digest timestamp; /* of timestamp.json when it was opened */
	bool has_timestamp;
	bool has_status; /* and nothing changed since */
	struct writer_statuses status;
};

/* ---- finding ---- */

/* NULL when there is none. */
struct writer_doc *writer_doc_find(const struct writer *w, const char *role);
struct writer_doc *writer_doc_top(const struct writer *w, enum tuf_type type);
/* ERR_USAGE when there is no such role, or it is no targets role. */
WARN_UNUSED int writer_doc_find_targets(const struct writer *w, const char *role,
					struct writer_doc **out, struct err *e);
int writer_doc_no_role(const char *role, struct err *e);
/* Path of the role's file among the drafts; caller frees. */
char *writer_doc_draft_path(const struct writer *w, const char *role);

/* ---- what it says ---- */

/* As published; as it will be (the draft, else what is published); as the save has chosen. */
enum writer_state { WRITER_PUBLISHED, WRITER_CURRENT, WRITER_CHOSEN };

/* The version in this state, or NULL; borrowed. */
json_t *writer_doc_version(const struct writer_doc *d, enum writer_state state);
/* "signed" of the current version, or NULL. */
json_t *writer_doc_body(const struct writer_doc *d);
/* 0: no envelope. */
int64_t writer_doc_expires_s(const json_t *envelope);
/* Is there a signature, of whatever worth, under this key id? */
bool writer_doc_has_signature(const json_t *envelope, const char *keyid);
/* The bytes of the file that an envelope becomes. */
WARN_UNUSED int writer_doc_serialise(const json_t *envelope, struct buf *out, struct err *e);

/* The i-th role with a name that it delegates to, but for its keys; false behind the last. */
bool writer_doc_delegated(const struct writer_doc *d, size_t i, struct tuf_delegated *out);
bool writer_doc_find_delegated(const struct writer_doc *d, const char *role,
			       struct tuf_delegated *out);
/* Prefix and number of the bins that it delegates to; bit_length 0: none. */
struct tuf_bins writer_doc_bins(const struct writer_doc *d, enum writer_state state);
/* Is the document one of the bins of targets? */
bool writer_doc_is_bin(const struct writer *w, const struct writer_doc *d, enum writer_state state);
/* Does targets delegate to bins with this prefix? */
bool writer_doc_bins_named(const struct writer *w, const char *prefix);

/* ---- changing it ---- */

struct writer_doc *writer_doc_add(struct writer *w, const char *role, enum tuf_type type);
void writer_doc_free(struct writer_doc *d);
/* Makes the document a draft with a new version and no signatures; gives its "signed". */
json_t *writer_doc_edit(struct writer *w, struct writer_doc *d);
/* Drops the signatures and counts the expiry from now. */
void writer_doc_renew(struct writer *w, struct writer_doc *d);
/* A signature of the draft, in hex. */
void writer_doc_sign(struct writer *w, struct writer_doc *d, const char *keyid, const char *hex);
/* Puts an envelope in the draft's place and takes it; NULL: no change. */
void writer_doc_set_draft(struct writer *w, struct writer_doc *d, json_t *draft);
/* The draft is published, as these bytes. */
void writer_doc_set_published(struct writer *w, struct writer_doc *d, const struct buf *text);
void writer_doc_choose_published(const struct writer *w);

/* Makes a document for each role that the document delegates to, and has none. */
void writer_doc_adopt(struct writer *w, const struct writer_doc *parent);
/* Drops what those changed whom it delegates to no longer. */
void writer_doc_disown(struct writer *w, const struct writer_doc *parent);

#endif
