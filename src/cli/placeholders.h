/*
 * placeholders: what `ferry run` replaces in the arguments of the program: {} by the path of the
 * model, of its first shard, and {projector}, {adapter}, {draft} and {imatrix} by those of the
 * variant's other files. Adapters are joined by commas, as llama.cpp's --lora wants them
 * (common/arg.cpp, parse_csv_row): a path with a comma is in double quotes, in which a double
 * quote is written twice. Other braces are left as they are.
 */
#ifndef FERRY_CLI_PLACEHOLDERS_H
#define FERRY_CLI_PLACEHOLDERS_H

#include "fetch/fetch.h"

struct placeholders {
	char *const *args;
	size_t count;
};

/* Does any argument have {}? */
bool placeholders_has_model(const struct placeholders *p);

/* ERR_USAGE when an argument has the placeholder of a role that no file has. `name` is that of the
 * variant, for messages. */
WARN_UNUSED int placeholders_check_card(const struct placeholders *p, const char *name,
					const struct card_variant *v, struct err *e);
WARN_UNUSED int placeholders_check(const struct placeholders *p, const char *name,
				   const struct fetch_result *r, struct err *e);

/* The argument with the paths; the caller frees. */
char *placeholders_fill(const char *arg, const struct fetch_result *r);

#endif
