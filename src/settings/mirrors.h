/*
 * [mirror.NAME]: the places that hold a copy of a repository. Nothing is opened here, so every kind
 * is accepted, whether a program can use it or not.
 */
#ifndef FERRY_SETTINGS_MIRRORS_H
#define FERRY_SETTINGS_MIRRORS_H

#include "catalog/holds.h"
#include "json/json.h"
#include "settings/conf.h"

/* An accepted kind. Lists of kinds end with a NULL name. */
struct settings_kind {
	const char *name;        /* "http" */
	const char *const *keys; /* its own keys, in addition to the common ones; NULL-ended */
	const char *const *public_keys; /* those that the catalog has, too, with '_' for '-';
					   NULL-ended, or NULL */
	bool metadata_only;             /* it holds no model files */
	bool no_metadata;  /* it holds objects, but cannot replace a file, as metadata need it */
	bool objects_only; /* it holds files of others, under their own names */
	/* The base URL for readers when 'url' is not given; the caller frees it. Or NULL. */
	char *(*reader_url)(const struct conf_section *s);
};

/* The keys that every kind has. All strings are borrowed from the configuration. */
/* What programs find there that were made for others' servers (publish/faces.h). */
enum settings_face {
	SETTINGS_FACE_OCI = 1 << 0, /* a registry */
	SETTINGS_FACE_HUB = 1 << 1, /* the Hugging Face Hub */
};

struct settings_mirror {
	const char *id;
	const char *kind;       /* NULL if not given; "names" for http with layout = names */
	const char *repository; /* that it is a copy of; or NULL */
	const char *url;        /* base URL for readers; or NULL */
	const char *region;     /* or NULL */
	uint64_t priority;      /* lower is used first */
	enum mirror_holds holds;
	bool stage;
	const char *price;            /* of [price.NAME]; or NULL */
	unsigned connections;         /* at a time; 0: the kind's default */
	struct rate_table limit_rate; /* of this mirror alone */
	unsigned faces;               /* enum settings_face */

	/* The raw section, for the kind's own keys. NULL: not from a file. */
	const struct conf *conf;
	const struct conf_section *section;

	/* Its fault; the other members are filled in as far as possible. A faulty mirror must not
	 * stop work with the others. */
	struct err fault;
};

struct settings_mirrors {
	struct settings_mirror *at; /* in the order of the file */
	size_t count, cap;
};
void settings_mirrors_release(struct settings_mirrors *m);

/* The mirrors of the repository (NULL: all). ERR_USAGE for one that does not name one of several
 * repositories, or names an unknown one. */
WARN_UNUSED int settings_mirrors_read(const struct conf *c, const char *repository,
				      const struct settings_kind *kinds,
				      struct settings_mirrors *out, struct err *e);

/* [logs.NAME], which has the keys of a mirror: a place with access logs, to which nothing is
 * pushed. *out has one element. ERR_NOT_FOUND if there is no such section. */
WARN_UNUSED int settings_mirrors_logs(const struct conf *c, const char *name,
				      const struct settings_kind *kinds,
				      struct settings_mirrors *out, struct err *e);

/*
 * The "mirrors" array of the catalog, sorted by priority, then id; the caller owns it. Mirrors
 * marked `stage` and mirrors without a URL for readers are left out; the names of the latter go to
 * *hidden (may be NULL). ERR_USAGE for the first fault.
 */
WARN_UNUSED int settings_mirrors_catalog(const struct settings_mirrors *m,
					 const struct settings_kind *kinds, json_t **out,
					 struct str_list *hidden, struct err *e);

/* GitHub: the default part-size. A whole number of pieces of any grid, under 2 GiB. */
#define SETTINGS_PART_SIZE (1 * GIB)

#endif
