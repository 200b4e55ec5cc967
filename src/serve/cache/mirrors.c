#include "serve/cache/mirrors.h"

void mirrors_add(struct source_list *l, const struct settings_repository *set,
		 const struct catalog *c)
{
	for (size_t i = 0; set && i < set->metadata.count; i++) {
		struct source *s = source_add(l, NULL, set->metadata.at[i], true);
		s->metadata = s->objects = true;
	}
	for (size_t i = 0; !(set && set->no_mirrors) && i < c->mirror_count; i++)
		if (mirror_reads_entry(l->kinds, &c->mirrors[i], MIRROR_HOLDS_OBJECTS))
			source_add_entry(l, &c->mirrors[i])->objects = true;
}
