#include "handoff/internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

static struct handoff_item *add(struct handoff *h, char *path)
{
	h->items = mem_grow(h->items, h->count, &h->cap, sizeof *h->items);
	h->items[h->count] = (struct handoff_item){ .path = path };
	return &h->items[h->count++];
}

struct handoff_item *handoff_add_file(const struct handoff_draft *d, char *path,
				      const struct store_file *f)
{
	struct handoff_item *item = add(d->out, path);
	item->blob = store_blob_path(d->store, &f->sha256);
	item->sha256 = f->sha256;
	item->size = f->size;
	return item;
}

struct handoff_item *handoff_add_text(struct handoff *h, char *path, char *text)
{
	struct handoff_item *item = add(h, path);
	item->text = text;
	item->size = strlen(text);
	item->how = STORE_LINKS_WRITTEN;
	sha256_of(text, strlen(text), &item->sha256);
	return item;
}

char *handoff_path(const struct handoff_draft *d, const char *fmt, ...)
{
	char below[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(below, sizeof below, fmt, args);
	va_end(args);
	return path_join(d->out->layout.root, below);
}

bool handoff_is_role(const struct store_file *f, const char *role)
{
	return f->role && strcmp(f->role, role) == 0;
}

char *handoff_projector_name(const char *name)
{
	return strstr(name, "mmproj") ? mem_strdup(name) : mem_printf("mmproj-%s", name);
}

int handoff_first(const struct handoff_draft *d, const struct store_file **out, struct err *e)
{
	const struct store_variant *v = d->variant;
	for (size_t i = 0; !v->kind && i < v->file_count; i++)
		if (!v->files[i].role) {
			*out = &v->files[i];
			return 0;
		}
	err_set(e, ERR_USAGE, "%s:%s is not a model that %s can load by itself", v->model,
		v->variant, d->title);
	return err_hint(e, "--engine directory gives its files a folder");
}

char *handoff_variant_name(const struct store_variant *v)
{
	const char *at = strchr(v->variant, '@');
	return at ? mem_printf("%.*s-v%s", (int)(at - v->variant), v->variant, at + 1)
		  : mem_strdup(v->variant);
}

int handoff_plain_name(const struct handoff_draft *d, char **out, struct err *e)
{
	const char *wanted = d->options->name;
	CLEANUP(mem_free_ptr) char *variant = handoff_variant_name(d->variant);
	if (wanted && (!path_is_name(wanted) || wanted[0] == '.'))
		return err_set(e, ERR_USAGE, "'%s' is not a valid name for a folder", wanted);
	*out = wanted ? mem_strdup(wanted) : mem_printf("%s-%s", d->variant->model, variant);
	return 0;
}

static char *place_in(const char *dir, const struct store_file *f)
{
	if (!f->role)
		return path_join(dir, f->name);
	if (!handoff_is_role(f, "projector"))
		return mem_printf("%s/%s/%s", dir, path_is_id(f->role) ? f->role : "other",
				  f->name);
	CLEANUP(mem_free_ptr) char *name = handoff_projector_name(f->name);
	return path_join(dir, name);
}

bool handoff_is_for_all(const struct store_file *f)
{
	return !f->role || handoff_is_role(f, "projector");
}

void handoff_note_left_out(const struct handoff_draft *d)
{
	const struct store_variant *v = d->variant;
	for (size_t i = 0; i < v->file_count; i++)
		if (!handoff_is_for_all(&v->files[i]))
			str_list_take(&d->out->notes,
				      mem_printf("%s (%s) is left out: beside the model it would "
						 "be taken for one",
						 v->files[i].name, v->files[i].role));
}

int handoff_add_folder(const struct handoff_draft *d, const char *dir, bool all, const char **open,
		       struct err *e)
{
	const struct store_variant *v = d->variant;
	const struct store_file *first = NULL;
	size_t at = 0;
	int rc = handoff_first(d, &first, e);
	if (rc < 0)
		return rc;
	/* The model last: an engine that looks meanwhile finds all of it. */
	for (size_t i = v->file_count; i-- > 0;) {
		if (!all && !handoff_is_for_all(&v->files[i]))
			continue;
		handoff_add_file(d, place_in(dir, &v->files[i]), &v->files[i]);
		at = &v->files[i] == first ? d->out->count - 1 : at;
	}
	*open = d->out->items[at].path;
	return 0;
}

int handoff_find_root(const struct handoff_place *places, const char *below_home, char **out,
		      struct err *e)
{
	for (; places->variable; places++) {
		const char *value = getenv(places->variable);
		if (!value || !value[0])
			continue;
		*out = places->below ? path_join(value, places->below) : mem_strdup(value);
		return 0;
	}
	const char *home = getenv("HOME");
	if (!home || !home[0])
		return err_set(e, ERR_USAGE, "HOME is not set: name the folder with --to DIR");
	*out = path_join(home, below_home);
	return 0;
}
