/*
 * The repository on the publisher's disk: a tree that is published unchanged.
 *
 *   metadata/   1.root.json … timestamp.json  N.snapshot.json  N.targets.json  N.<role>.json
 *   targets/    <sha256>.repository.json, <sha256>.index.jsonl.zst, <sha256>.catalog.json
 *               models/<model>/<sha256>.<model>.card.json
 *               models/<model>/<sha256>.<file>[.manifest.json | .provenance.json]
 *   catalog.json                    the catalog once more under its plain name
 *   catalog.json.minisig            its signature for minisign (minisign.h)
 *
 * Not published:
 *
 *   cards/      <model>.card.json, which people edit
 *               <model>/<sha256 of the file>.<file>.manifest.json, .provenance.json
 *   drafts/     metadata that waits for signatures
 *   site/       pages for people (`ferry site`), which go to mirrors apart from the release
 *   .ferry/     seen (seen.h), staged (staged.h), and what push keeps
 *   .lock       held during changes of the tree
 *
 * What always holds here:
 *  - every change is atomic: first objects, then metadata, then timestamp.json. A killed process
 *    leaves the old state or the new one, and running the same command again completes it;
 *  - an object is verified before it gets its name below targets/, and never changes;
 *  - adding and removing change only cards/ and objects: readers see changes after a sign;
 *  - versions only increase, from those in the tree, whoever wrote them.
 */
#ifndef FERRY_REPOSITORY_REPOSITORY_H
#define FERRY_REPOSITORY_REPOSITORY_H

#include "catalog/catalog.h"
#include "catalog/lint.h"
#include "hash/grid.h"
#include "util/report.h"

enum repository_class {
	REPOSITORY_OBJECT,    /* named by its content: never changes */
	REPOSITORY_METADATA,  /* versioned: never changes */
	REPOSITORY_POINTER,   /* catalog.json.minisig, catalog.json: replaced */
	REPOSITORY_TIMESTAMP, /* timestamp.json: replaced, always last */
};

struct repository_file {
	char *key; /* in the tree and on every mirror */
	enum repository_class class;
	uint64_t size;
	struct digest sha256;
	char *manifest_key; /* of a model file: where its pieces are listed; or NULL */
	char *origin_key;   /* likewise: where it comes from (catalog/provenance.h); or NULL */
	char *pack_key;     /* of a small file of a model: the pack that has it, too; or NULL */
	bool is_pack;       /* not signed: made of files that are (publish/tree_pack.h) */
};

struct repository_files {
	struct repository_file *at; /* in the order in which they must be published */
	size_t count, cap;
	const struct repository_file **by_key; /* the same, sorted by key */
};
void repository_files_release(struct repository_files *f);
/* Makes by_key, once the list is complete. */
void repository_files_index(struct repository_files *f);
/* The file with this key, or NULL. The list has its index. */
const struct repository_file *repository_files_find(const struct repository_files *f,
						    const char *key);
/* Reads one of them, at most out->max bytes. ERR_INTEGRITY when it does not match the signed
 * metadata. */
WARN_UNUSED int repository_file_read(const char *dir, const struct repository_file *f,
				     struct buf *out, struct err *e);

/* Everything that the current signed metadata of the tree refers to. Verifies the metadata
 * (signatures with the tree's own root chain, hashes, versions; not expiry) but does not read the
 * objects. ERR_NOT_FOUND when the tree was never signed; ERR_INTEGRITY when the plain
 * catalog.json is not the signed one, or its minisign signature exists and does not verify (a
 * sign was killed: run it again). */
WARN_UNUSED int repository_published(const char *dir, struct repository_files *out, struct err *e);

/* ---- the source: cards ---- */

struct repository_cards {
	struct card *at; /* sorted by id */
	size_t count, cap;
};
void repository_cards_release(struct repository_cards *c);

/* ERR_INTEGRITY for a card that does not parse, or whose file name is not its id. */
WARN_UNUSED int repository_cards_load(const char *dir, struct repository_cards *out, struct err *e);

/* Is the variant of a card as it is in the signed card (or NULL)? */
bool repository_variant_is_signed(const struct card *card, const struct card_variant *v,
				  const struct card *old);
/* How many models have variants with files, or a recall, that are not those of the signed catalog.
 */
size_t repository_cards_unsigned(const struct repository_cards *c, const struct catalog *is_signed);

/* Appends the paths of the objects whose size, time or inode is not the one with which they were
 * verified in this tree, or that are gone. Nothing is hashed. */
WARN_UNUSED int repository_moved(const char *dir, struct str_list *out, struct err *e);

/* The signed cards of the tree, and its repository.json, as one catalog. ERR_NOT_FOUND when it was
 * never signed. */
WARN_UNUSED int repository_catalog(const char *dir, struct catalog *out, struct err *e);

/* ---- changing the tree ---- */

struct repository;

/* Locks the tree and creates missing folders. ERR_CONFLICT when another process holds the lock.
 * cancel stops reading and copying of model files. */
WARN_UNUSED int repository_open(const char *dir, const struct cancel *cancel,
				struct repository **out, struct err *e);
void repository_close(struct repository *r);
DEFINE_CLEANUP(struct repository, repository_close);

struct repository_change {
	char *model, *variant;
	enum {
		REPOSITORY_ADDED,
		REPOSITORY_REPLACED,  /* other files: a new version */
		REPOSITORY_REPAIRED,  /* the same files, but one in the tree was wrong */
		REPOSITORY_UPDATED,   /* only the card or the provenance: see members, origin */
		REPOSITORY_UNCHANGED, /* all of it was checked */
	} what;
	char *members;    /* of the card and of the variant in it that changed, "title, tags"; NULL:
			     none, or the model is new */
	bool origin;      /* the provenance is new */
	uint64_t version; /* of the variant */
	char *label;      /* of the version, or NULL */
	json_t *sentences; /* REPLACED: what changed since the version before */
	size_t files;
	json_t *roles; /* card_roles() */
	uint64_t size;
};
struct repository_changes {
	struct repository_change *at;
	size_t count, cap;
};
void repository_changes_release(struct repository_changes *c);

#define REPOSITORY_KEEP_VERSIONS 5 /* superseded ones of a variant, by default */

struct repository_adding {
	/* NULL: the publisher of targets signs the files. Otherwise the delegated role: its list of
	 * the model's files becomes that of the card, in a draft that its own people sign. Files
	 * belong to the role whose patterns match them, and to no other. */
	const char *role;
	/* Of new versions, and of variants that stay as they are and have none; NULL: that of the
	 * added card, for new versions. */
	const char *label;
	size_t keep; /* how many superseded versions of a variant; 0: none */
	bool copy;   /* never share an inode with the added file */
	bool link;   /* share it even if others may write to it */
	struct report *report;
};

/*
 * Adds what `ferry prepare` made: `path` is a folder with *.card.json files, or such a file;
 * model files and their manifests are beside the card. Each file is hashed and compared with its
 * manifest and the card, unless its mark (seen.h) is that of an earlier time; so is an object that
 * is in the tree. One that is missing or wrong is put there: a reflink; else a hard link to a file
 * that nobody may write to (mode 0444); else a copy, hashed as it is written. Objects have the
 * mode 0444. At the end the card is merged. Appends to out.
 *
 * ERR_NOT_FOUND: a card, file or manifest is missing. ERR_INTEGRITY: they do not match.
 * ERR_USAGE: the linter finds errors; a file belongs to another role.
 */
WARN_UNUSED int repository_model_add(struct repository *r, const char *path,
				     const struct repository_adding *how,
				     struct repository_changes *out, struct err *e);

/* Removes a model, or one variant, from the cards; objects stay until gc. With a role, also from
 * the list of that delegated role, for its own people to sign. *withdrawn (or NULL): a recall went
 * with it. ERR_NOT_FOUND with the nearest name. */
WARN_UNUSED int repository_model_remove(struct repository *r, const char *model,
					const char *variant, const char *role, bool *withdrawn,
					struct err *e);

/* Withdraws a version; with version NULL the variant's current and superseded ones; with both NULL
 * the whole model. With reason NULL, takes the recall back. With a role, its list gets the new
 * card, for its own people to sign. ERR_NOT_FOUND with the nearest name, or the versions; ERR_USAGE
 * for a reason or a replacement that is not valid in a card. */
struct repository_withdrawal {
	const char *model, *variant, *version; /* of a reference; variant and version may be NULL */
	const char *reason, *replacement;      /* replacement may be NULL */
	const char *role;                      /* or NULL */
	int64_t now_s;
};
WARN_UNUSED int repository_withdraw(struct repository *r, const struct repository_withdrawal *how,
				    struct err *e);

/* Removes superseded versions from the cards: those that are not among the `keep` newest of a
 * variant and were released at least older_than_s ago. Their files stay targets until the next
 * signature, and stay in the tree until gc. With a role, only in its models, whose list gets the
 * new cards; otherwise only in models of the publisher of targets. */
struct repository_pruning {
	size_t keep;
	uint64_t older_than_s;
	int64_t now_s;
	const char *role; /* or NULL */
	bool dry_run;
};
struct repository_pruned_version {
	char *model, *variant;
	uint64_t version, size;
	bool withdrawn; /* by itself, so that the recall goes with it */
};
struct repository_pruned {
	struct repository_pruned_version *at;
	size_t count, cap;
};
void repository_pruned_release(struct repository_pruned *p);
WARN_UNUSED int repository_prune(struct repository *r, const struct repository_pruning *how,
				 struct repository_pruned *out, struct err *e);

struct repository_gc {
	uint64_t objects, metadata, others; /* files removed (or that would be) */
	uint64_t bytes;
};
/* Removes objects to which neither cards nor drafts refer, nor the targets metadata of the
 * current version or the `keep` versions before it, so that slightly outdated readers still find
 * their files. Older metadata is also removed; roots are kept. */
WARN_UNUSED int repository_gc(struct repository *r, unsigned keep, bool dry_run,
			      struct repository_gc *out, struct err *e);

/* Findings on cards, their objects in the tree, other signed files, and mirrors (NULL: not
 * checked). An object whose size, time or inode moved since it was verified is hashed. Writes
 * nothing. */
WARN_UNUSED int repository_lint(const char *dir, const json_t *mirrors, struct report *report,
				const struct cancel *cancel, struct lint_findings *f,
				struct err *e);

/* "dir/name" → "dir/<hex>.name", the name of a target's object. Caller frees. */
char *repository_object_name(const char *target_path, const struct digest *sha256);

#endif
