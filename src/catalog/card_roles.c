/* What the files of a variant are beside the model. */
#include "catalog/card.h"

#include <string.h>

bool card_role_known(const char *role)
{
	CLEANUP(str_list_release) struct str_list known = { 0 };
	str_list_split(&known, CARD_ROLES, " ");
	return str_list_has(&known, role);
}

bool card_role_repeats(const char *role)
{
	return strcmp(role, CARD_ADAPTER) == 0;
}

size_t card_model_files(const struct card_variant *v)
{
	size_t n = 0;
	while (n < v->file_count && !v->files[n].role)
		n++;
	return n;
}

json_t *card_roles(const struct card_variant *v)
{
	size_t first = card_model_files(v);
	json_t *roles = first < v->file_count ? json_array() : NULL;
	for (size_t i = first; i < v->file_count; i++)
		json_push_string(roles, v->files[i].role);
	return roles;
}
