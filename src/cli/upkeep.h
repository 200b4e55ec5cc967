/*
 * upkeep: the models in the store against the catalog: for `ferry outdated` and `ferry update`.
 *
 * A model here is a variant under its plain name. One under a number was asked for by it, or is
 * kept, and is never updated.
 */
#ifndef FERRY_CLI_UPKEEP_H
#define FERRY_CLI_UPKEEP_H

#include "cli/session.h"
#include "fetch/standing.h"

struct upkeep_model {
	const struct store_variant *stored;
	struct remote *remote;       /* NULL: it has none */
	const struct err *no_remote; /* why; NULL: its repository is not in the configuration */
	struct standing standing;
	bool pinned;
	bool meant; /* by an operand, or there is none */
	/* If the catalog has a newer version that may be used: */
	uint64_t download; /* bytes */
	bool begun;        /* an earlier run has left something of it */
};

/* Errors of operands and models; the others are done. */
struct upkeep_faults {
	struct {
		char *operand;
		struct err why;
	} * at;
	size_t count, cap;
};

struct upkeep {
	struct client client;
	struct store_variants all;
	struct upkeep_model *at;
	size_t count;
	struct upkeep_faults faults;
};
void upkeep_release(struct upkeep *u); /* for CLEANUP */

/*
 * Connects, and compares the models that the operands of the command name, without any operand all
 * of the store. Operands that name none are faults. Errors are those of session_open(). offline:
 * with the catalogs that were verified last.
 */
WARN_UNUSED int upkeep_open(struct cli *cli, bool offline, struct upkeep *out, struct err *e);

/* "current", "outdated", "withdrawn", "unlisted", "unknown", "incomplete". One that was withdrawn,
 * and has a newer version, is outdated. */
const char *upkeep_state(const struct upkeep_model *m);
bool upkeep_is_outdated(const struct upkeep_model *m);

/* "{repository, model, variant, version, state, remark, pinned, update: {version, bytes}, changes,
 * reason, replacement}"; the caller owns it. The remark says in words why it is not current and
 * cannot just be updated. */
json_t *upkeep_json(const struct upkeep_model *m);

void upkeep_fault(struct upkeep *u, const char *operand, const struct err *why);
/* If something failed: "failed" in the document, and e. If it was all there was, just its error. */
void upkeep_end(struct cli *cli, const struct upkeep *u, size_t done, json_t *document,
		struct err *e);

#endif
