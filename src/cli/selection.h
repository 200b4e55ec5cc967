/*
 * selection: what `ferry list` and `ferry search` share: the filters, and the models of the
 * repositories' indexes that they leave, as a document and as a table.
 */
#ifndef FERRY_CLI_SELECTION_H
#define FERRY_CLI_SELECTION_H

#include "catalog/select.h"
#include "cli/session.h"

struct selection_opts {
	bool offline;
	const char *license, *family, *kind;
	struct opt_list tags;
	uint64_t fits, max_size;
};

#define SELECTION_KINDS "model adapter projector control-vector imatrix vocabulary"
#define SELECTION_OPTS \
	OPT_ENTRY(OPT_SIZE_MAYBE, selection_opts, fits, 0, "fits", "SIZE", \
		  "only variants that run in this much memory (that of this machine), by what " \
		  "the publisher says, else by their size, a quarter of it and 256 MiB"), \
		OPT_ENTRY(OPT_SIZE, selection_opts, max_size, 0, "max-size", "SIZE", \
			  "only variants whose files are not larger"), \
		OPT_OFFERED(OPT_STRING, selection_opts, kind, 0, "kind", "KIND", SELECTION_KINDS, \
			    "only variants of this kind: " SELECTION_KINDS), \
		OPT_ENTRY(OPT_STRING, selection_opts, license, 0, "license", "SPDX", \
			  "only models with this license, alone or in an expression; MIT finds " \
			  "MIT OR Apache-2.0"), \
		OPT_ENTRY(OPT_STRING, selection_opts, family, 0, "family", "NAME", \
			  "only models of this family"), \
		OPT_ENTRY(OPT_LIST, selection_opts, tags, 0, "tag", "TAG", \
			  "only models with this tag; may be repeated: with all of them"), \
		OPT_ENTRY(OPT_FLAG, selection_opts, offline, 0, "offline", NULL, \
			  "do not use the network: use the catalog that was verified last")

/* Are there filters? */
bool selection_has_filters(const struct selection_opts *o);

/*
 * Sets the filters in *s, which has the words or the pattern, opens the repositories, and prints
 * the models that are left: in the order of the catalogs; or `ranked`, the best matches first, and
 * deprecated and withdrawn models last. The document has the members of output-list.
 */
WARN_UNUSED int selection_print(struct cli *cli, const struct selection_opts *o, struct select *s,
				bool ranked, json_t *document, struct err *e);

#endif
