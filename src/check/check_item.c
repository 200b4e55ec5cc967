#include "check/internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

struct check_item *check_add_item(struct check *c, char *path, enum check_status status)
{
	c->at = mem_grow(c->at, c->count, &c->cap, sizeof *c->at);
	struct check_item *item = &c->at[c->count++];
	*item = (struct check_item){ .path = path, .status = status };
	return item;
}

int check_add_invalid(struct check *c, const char *path, const struct err *why)
{
	struct check_item *item = check_add_item(c, mem_strdup(path), CHECK_INVALID);
	if (err_is(why, ERR_SYSTEM))
		item->status = CHECK_UNREADABLE;
	item->reason = mem_strdup(why->text);
	return 0;
}

char *check_below(const char *dir, const char *name)
{
	return strcmp(dir, ".") == 0 ? mem_strdup(name) : path_join(dir, name);
}
