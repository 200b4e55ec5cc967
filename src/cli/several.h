/*
 * several: the operands of a command that have nothing to do with each other, such as files to hash
 * or models to fetch. If one fails, this is reported, and the others are still done. The exit code
 * is that of the first failure. With only one operand, its failure is that of the command.
 */
#ifndef FERRY_CLI_SEVERAL_H
#define FERRY_CLI_SEVERAL_H

#include "cli/frame/cli.h"

/* Does the work for one operand, the i-th. */
typedef int several_fn(void *ctx, int i, struct err *e);

struct several {
	struct cli *cli;
	size_t failed;
	struct err first;
	bool *bad;    /* cli->count of them */
	json_t *told; /* "[{operand, error}]" */
};
void several_init(struct several *s, struct cli *cli);
void several_release(struct several *s);

/* Calls fn for each operand that has not failed yet: several passes are possible. Negative only
 * when it was cancelled. */
WARN_UNUSED int several_each(struct several *s, several_fn *fn, void *ctx, struct err *e);
/* What failed: "failed" in the document, and e. Without a fault neither is changed. */
void several_end(const struct several *s, json_t *document, struct err *e);
/* The same, and cli_result(); when the only operand failed, just its error. */
WARN_UNUSED int several_result(const struct several *s, json_t *document, struct err *e);

#endif
