/*
 * retrieve: a model for `fetch` and `run`: from the mirrors, or what the store has.
 *
 * A model in the store was verified when it was fetched. Whatever keeps the command from comparing
 * it with the catalog now (no network, a login page, metadata that has expired, a model that left
 * the catalog) is no reason against it: it is used, with a warning. A configuration that is wrong,
 * or a pinned root that is not the one that the model was verified with, is.
 */
#ifndef FERRY_CLI_RETRIEVE_H
#define FERRY_CLI_RETRIEVE_H

#include "cli/session.h"
#include "fetch/fetch.h"

struct retrieval {
	struct cli *cli;
	bool offline;
	bool open; /* the session; otherwise why not is in why */
	struct session session;
	struct err why;
};
/* For all of the references; the network is not waited for long when the store has them. from: as
 * in session_open_from(). */
WARN_UNUSED int retrieve_open(struct cli *cli, const struct reference *r, size_t count,
			      bool offline, const char *from, struct retrieval *out, struct err *e);
void retrieve_close(struct retrieval *r); /* safe twice; for CLEANUP */

struct retrieved {
	const char *repository, *model, *variant; /* borrowed from the retrieval, or from kept */
	uint64_t version;
	const char *kind; /* borrowed; if the card says that it is no model; or NULL */
	char *fallback;   /* why the store's model is used, without the catalog; or NULL */
	struct fetch_result files;
	struct store_variants kept;
};
void retrieve_release(struct retrieved *r);
WARN_UNUSED int retrieve_model(struct retrieval *r, const struct reference *reference,
			       const struct fetch_options *options, struct retrieved *out,
			       struct err *e);

#endif
