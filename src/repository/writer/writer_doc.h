/*
 * The documents of a tree for its publisher: the published version and the changed one. Only
 * files of the writer include this.
 *
 * What always holds here: only the functions of this file change a document, so that they know
 * when a computed status is outdated.
 */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_DOC_H
#define FERRY_REPOSITORY_WRITER_WRITER_DOC_H

#include "repository/writer/writer.h"

#define WRITER_DOC_MAX (64 * MIB)

/* A version is an envelope: {"signatures": […], "signed": {…}}. */
struct writer_doc {
	char *role;
	char *parent; /* who delegates to it; NULL: root, or no longer anyone */
	enum tuf_type type;
	uint64_t version;  /* published; 0: never */
	json_t *published; /* or NULL */
	uint64_t size;     /* of the published file */
	struct digest sha256;
	bool fits;      /* published verifies with the published keys */
	json_t *draft;  /* with version + 1, or NULL: no change */
	json_t *chosen; /* during a save: what will be in force; borrowed */
};

struct writer {
	char *metadata, *drafts; /* folders */
	struct writer_expiry expiry;
	int64_t now_s;
	int lock;
	bool looks;               /* and writes nothing */
	struct writer_doc **docs; /* root, timestamp, snapshot, targets, then others */
	size_t count, cap;
	json_t *places; /* role: its number in docs */
	bool limited;   /* to these roles, and snapshot and timestamp */
	struct str_list only;
	struct digest timestamp; /* of timestamp.json when it was opened */
	bool has_timestamp;
	bool has_status; /* and nothing has changed since */
	struct writer_statuses status;
};

/* ---- finding ---- */

/* NULL when there is none. */
struct writer_doc *writer_doc_find(const struct writer *w, const char *role);
struct writer_doc *writer_doc_top(const struct writer *w, enum tuf_type type);
/* ERR_USAGE when there is no such role, or it is not a targets role. */
WARN_UNUSED int writer_doc_find_targets(const struct writer *w, const char *role,
					struct writer_doc **out, struct err *e);
int writer_doc_no_role(const struct writer *w, const char *role, struct err *e);
/* Path of the role's file among the drafts; caller frees. */
char *writer_doc_draft_path(const struct writer *w, const char *role);

/* ---- what it says ---- */

/* As published; as it will be (the draft, else the published version); as chosen by the save. */
enum writer_state { WRITER_PUBLISHED, WRITER_CURRENT, WRITER_CHOSEN };

/* The version in this state, or NULL; borrowed. */
json_t *writer_doc_version(const struct writer_doc *d, enum writer_state state);
/* "signed" of the current version, or NULL. */
json_t *writer_doc_body(const struct writer_doc *d);
/* 0: no envelope. */
int64_t writer_doc_expires_s(const json_t *envelope);
/* Is there a signature, valid or not, with this key id? */
bool writer_doc_has_signature(const json_t *envelope, const char *keyid);
/* The bytes of the file for an envelope. */
WARN_UNUSED int writer_doc_serialise(const json_t *envelope, struct buf *out, struct err *e);

/* The i-th named role that it delegates to, without its keys; false after the last one. */
bool writer_doc_delegated(const struct writer_doc *d, size_t i, struct tuf_delegated *out);
bool writer_doc_find_delegated(const struct writer_doc *d, const char *role,
			       struct tuf_delegated *out);
/* Prefix and number of its hash bins; bit_length 0: none. */
struct tuf_bins writer_doc_bins(const struct writer_doc *d, enum writer_state state);
/* Is the document one of the bins of targets? */
bool writer_doc_is_bin(const struct writer *w, const struct writer_doc *d, enum writer_state state);
/* Does targets delegate to bins with this prefix? */
bool writer_doc_bins_named(const struct writer *w, const char *prefix);

/* ---- changing it ---- */

struct writer_doc *writer_doc_add(struct writer *w, const char *role, enum tuf_type type);
void writer_doc_free(struct writer_doc *d);
/* Turns the document into a draft with a new version and no signatures; returns its "signed". */
json_t *writer_doc_edit(struct writer *w, struct writer_doc *d);
/* Removes the signatures and sets the expiry date from now. */
void writer_doc_renew(struct writer *w, struct writer_doc *d);
/* A signature of the draft, in hex. */
void writer_doc_sign(struct writer *w, struct writer_doc *d, const char *keyid, const char *hex);
/* Replaces the draft by an envelope, which it takes; NULL: no change. */
void writer_doc_set_draft(struct writer *w, struct writer_doc *d, json_t *draft);
/* Marks the draft as published, with these bytes. */
void writer_doc_set_published(struct writer *w, struct writer_doc *d, const struct buf *text);
void writer_doc_choose_published(const struct writer *w);

/* Makes a document for each delegated role that has none. */
void writer_doc_adopt(struct writer *w, const struct writer_doc *parent);
/* Drops the changes of roles to which it no longer delegates. */
void writer_doc_disown(struct writer *w, const struct writer_doc *parent);

#endif
