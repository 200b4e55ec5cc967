#include "cli/store/linked.h"

#include "store/links.h"

void linked_warn(struct cli *cli, const struct store *s)
{
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	struct err ignored = ERR_INIT;
	size_t broken = 0;
	(void)!store_links_list(s, &all, &ignored);
	for (size_t i = 0; i < all.count; i++)
		broken += store_layout_state(s, &all.at[i]) == STORE_LINKS_BROKEN;
	if (broken)
		report_warn(cli->report,
			    "%zu of the models that are linked for engines %s nowhere: was the "
			    "store moved? `ferry store link` lists them",
			    broken, broken == 1 ? "leads" : "lead");
}
