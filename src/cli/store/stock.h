/* The store of a command, and what it has. */
#ifndef FERRY_CLI_STORE_STOCK_H
#define FERRY_CLI_STORE_STOCK_H

#include "cli/session.h"

/* How an operand names what is in the store. */
#define STOCK_REFERENCE "[REPOSITORY/]MODEL[:VARIANT][@VERSION]"

/* The store and what is in it. */
struct stock {
	struct store store;
	struct store_variants all;
	const struct store_variant **found; /* of the last stock_find() */
	size_t count;
};
void stock_release(struct stock *s); /* for CLEANUP */
/* by_size: for commands that hash all files, or none. */
WARN_UNUSED int stock_open(struct cli *cli, struct stock *s, bool by_size, struct err *e);
/* Which variants does a reference mean? */
enum stock_which {
	STOCK_ALL,   /* without a variant all of the model */
	STOCK_EXACT, /* one: that is there under this name; of a model, what was fetched by a number
			if nothing else is there */
	STOCK_USE,   /* one: also of a variant, as `ferry fetch` and `ferry run` have it */
};
/* ERR_NOT_FOUND, with a hint; ERR_USAGE when one is meant and there are several. */
WARN_UNUSED int stock_find(struct stock *s, const char *text, enum stock_which which,
			   struct err *e);

/* "repository", "model" and "variant". The caller owns it. */
json_t *stock_reference_json(const struct store_variant *v);
/* With the sizes, and the paths of the files. paths NULL: the names in the variant's folder. */
json_t *stock_variant_json(const struct store *s, const struct store_variant *v,
			   const struct str_list *paths);

#endif
