/*
 * What the files of the writer share: the documents of a tree, as published and as they
 * are to be. Only writer*.c include this.
 */
#ifndef FERRY_REPOSITORY_WRITER_INTERNAL_H
#define FERRY_REPOSITORY_WRITER_INTERNAL_H

#include "tuf/metadata.h"
#include "repository/writer/writer.h"

struct writer_doc {
	char *role;
	char *parent;           /* who delegates to it; NULL: root, or nobody any more */
	enum tuf_type type;
	uint64_t version;       /* published; 0: never */
	json_t *published;      /* envelope, or NULL */
	uint64_t size;          /* of the published file */
	struct digest sha256;
	bool fits;              /* published was verified by what vouches for it as published */
	json_t *draft;          /* envelope with version + 1, or NULL: no change */
	json_t *chosen;         /* during a save: what is to be in force; borrowed */
};

enum writer_state { WRITER_PUBLISHED, WRITER_CURRENT, WRITER_CHOSEN };

struct tuf_writer {
	char *metadata, *drafts;        /* folders */
	struct tuf_expiry expiry;
	int64_t now_s;
	int lock;
	bool looks;                     /* and writes nothing */
	struct writer_doc **docs;       /* root, timestamp, snapshot, targets, then others */
	size_t count, cap;
	bool limited;                   /* to these roles, and snapshot and timestamp */
	struct str_list only;
	struct digest timestamp;        /* of timestamp.json when it was opened */
	bool has_timestamp;
};

struct writer_doc *writer_add(struct tuf_writer *w, const char *role, enum tuf_type type);
struct writer_doc *writer_find(const struct tuf_writer *w, const char *role);
struct writer_doc *writer_top(const struct tuf_writer *w, enum tuf_type type);
/* The draft, else what is published, else NULL; borrowed. */
json_t *writer_current(const struct writer_doc *d);
/* "signed" of the current envelope, or NULL. */
json_t *writer_body(const struct writer_doc *d);
/* Makes the document a draft with a new version and no signatures; gives its "signed". */
json_t *writer_edit(struct tuf_writer *w, struct writer_doc *d);
/* Drops the signatures and counts the expiry from now. */
void writer_renew(struct tuf_writer *w, struct writer_doc *d);
/* Makes a document for each role that the document delegates to, and has none. */
void writer_adopt(struct tuf_writer *w, const struct writer_doc *parent);
/* The entry of a role in signed.delegations.roles; NULL when it is not there. */
json_t *writer_delegation(const json_t *body, const char *role);
/* signed.delegations.succinct_roles, or NULL. */
json_t *writer_bins(const json_t *body);
const char *writer_bins_prefix(const json_t *bins);
/* Does the document delegate to bins with this prefix? */
bool writer_bins_named(const struct writer_doc *d, const char *prefix);
/* Is the document one of the bins that the body delegates to? */
bool writer_is_bin_of(const json_t *body, const struct writer_doc *d);
/* Takes a key out of "keys" of a body that no role of it lists any more. */
void writer_drop_unused_key(json_t *body, const char *id);
/* ERR_USAGE when there is no such role, or it is none of targets. */
WARN_UNUSED int writer_find_targets(const struct tuf_writer *w, const char *role,
				    struct writer_doc **out, struct err *e);
int writer_no_role(const char *role, struct err *e);
/* Path of the role's file among the drafts; caller frees. */
char *writer_draft_path(const struct tuf_writer *w, const char *role);

/* Who may sign a document, as the given envelopes say. */
struct writer_authority {
	struct tuf_metadata *m;         /* owned */
	const struct tuf_role *role;    /* borrowed from m; NULL: nobody */
};
void writer_authority_release(struct writer_authority *a);
WARN_UNUSED int writer_authority(const struct tuf_writer *w, const struct writer_doc *d,
				 enum writer_state state, struct writer_authority *out,
				 struct err *e);
/* Who may sign a change: as the state says, and of a root what is published, too. */
WARN_UNUSED int writer_authorities(const struct tuf_writer *w, const struct writer_doc *d,
				   enum writer_state state, struct writer_authority *now,
				   struct writer_authority *old, struct err *e);
/* Has the envelope a signature, of whatever worth, under this key id? */
bool writer_has_entry(const json_t *envelope, const char *keyid);
/* Did this key of the authority sign m? */
bool writer_signed_by(const struct tuf_metadata *m, const struct writer_authority *a,
		      const char *keyid);
/* Has the envelope the threshold of signatures that the state asks for? */
WARN_UNUSED int writer_verifies(const struct tuf_writer *w, const struct writer_doc *d,
				json_t *envelope, enum writer_state state, bool *out,
				struct err *e);
/* Valid signatures on the envelope by the authority's keys. */
WARN_UNUSED int writer_valid(const struct writer_doc *d, json_t *envelope,
			     const struct writer_authority *a, unsigned *out, struct err *e);

/* ---- a save, and what its steps share ---- */

#define WRITER_DOCUMENT_MAX (64 * MIB)

struct writer_save {
	struct tuf_writer *w;
	struct signer *const *signers;
	size_t count;
	struct tuf_saved result;
};

/* The bytes of the file that an envelope becomes. */
WARN_UNUSED int writer_serialise(const json_t *envelope, struct buf *out, struct err *e);
/* Signs with all that fits; *complete: there are enough signatures now. */
WARN_UNUSED int writer_sign(struct writer_save *s, struct writer_doc *d, enum writer_state state,
			    bool *complete, struct err *e);
/* Chooses what is published, and no draft. */
void writer_choose_published(const struct tuf_writer *w);
/* Do root and the targets roles that are chosen verify together? */
WARN_UNUSED int writer_consistent(const struct tuf_writer *w, bool *out, struct err *e);
/* Snapshot and timestamp say what they must for what is chosen, and are signed; *complete. May
 * choose less than it was given (tuf_writer_save). */
WARN_UNUSED int writer_bring_online_in_step(struct writer_save *s, bool *complete, struct err *e);
/* Writes what is chosen. ERR_CONFLICT when somebody else has published here meanwhile. */
WARN_UNUSED int writer_publish(struct writer_save *s, struct err *e);
/* Writes the drafts that are left, and removes the files of others. */
WARN_UNUSED int writer_keep_drafts(struct writer_save *s, struct err *e);

#endif
