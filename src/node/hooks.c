#include "node/hooks.h"

#include "util/child.h"
#include "util/mem.h"

#include <string.h>

#define TOLD_MAX (4 * MIB)

void node_hooks_release(struct node_hooks *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->at[i].items);
		str_list_release(&h->at[i].removed);
	}
	free(h->at);
	*h = (struct node_hooks){ 0 };
}

/* -- which ----------------------------------------------------------------------------------- */

static bool same_words(const struct str_list *a, const struct str_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->at[i], b->at[i]) != 0)
			return false;
	return true;
}

static struct node_hook *hook_of(struct node_hooks *all, const struct str_list *words, size_t items)
{
	for (size_t i = 0; i < all->count; i++)
		if (same_words(all->at[i].words, words))
			return &all->at[i];
	all->at = mem_grow(all->at, all->count + 1, &all->cap, sizeof *all->at);
	struct node_hook *h = &all->at[all->count++];
	*h = (struct node_hook){ .words = words,
				 .items = mem_alloc((items + 1) * sizeof(struct node_item *)) };
	return h;
}

void node_hooks_find(struct node_item *items, size_t count, const struct str_list *machine,
		     const struct str_list *removed, struct node_hooks *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct str_list *words = &items[i].wanted->set->hook;
		if (!items[i].changed || items[i].why.class || !words->count)
			continue;
		struct node_hook *h = hook_of(out, words, count);
		h->items[h->count++] = &items[i];
	}
	for (size_t i = 0; machine->count && i < removed->count; i++)
		str_list_add(&hook_of(out, machine, count)->removed, removed->at[i]);
}

/* -- what it is told ------------------------------------------------------------------------- */

static json_t *json_of(const struct node_hook *h)
{
	json_t *object = json_object(), *models = json_put_array(object, "models");
	for (size_t i = 0; i < h->count; i++) {
		const struct node_item *item = h->items[i];
		const struct store_variant *v = item->variant;
		json_t *one = json_push_object(models);
		json_put_string(one, "name", item->wanted->set->name);
		json_put_string(one, "reference", item->wanted->set->reference);
		if (v) {
			json_put_string(one, "repository", v->repository);
			json_put_string(one, "model", v->model);
			json_put_string(one, "variant", v->variant);
			json_put_u64(one, "version", v->version);
		}
		if (item->has_layout) {
			json_put_string(one, "engine", item->layout.layout.engine);
			json_put_string(one, "folder", item->layout.layout.root);
		}
		json_put_string(one, "path", item->path);
	}
	json_put(object, "removed", json_strings(&h->removed));
	return object;
}

/* -- running --------------------------------------------------------------------------------- */

/* The last line that says anything. */
static const char *last_line(const struct str_list *lines)
{
	for (size_t i = lines->count; i-- > 0;)
		if (*lines->at[i])
			return lines->at[i];
	return "";
}

static int failed(const struct node_hook *h, const struct child_result *r, struct err *e)
{
	char how[160];
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	str_list_split(&lines, buf_str(&r->output), "\r\n");
	CLEANUP(mem_free_ptr) char *shown = text_escaped(last_line(&lines));
	return err_set(e, ERR_SYSTEM, "the hook %s %s%s%.300s", h->words->at[0],
		       child_describe(r, how, sizeof how), *shown ? ": " : "", shown);
}

static int run(const struct node_hook *h, struct child *child, struct err *e)
{
	CLEANUP(child_result_release) struct child_result result = { 0 };
	const char *name = h->words->at[0];
	CLEANUP(mem_free_ptr)
	char *program = strchr(name, '/') ? mem_strdup(name) : child_on_path(name);
	if (!program)
		return err_set(e, ERR_NOT_FOUND, "the hook %s is not on PATH", name);
	CLEANUP(mem_free_ptr)
	const char **argv = mem_alloc((h->words->count + 1) * sizeof *argv);
	argv[0] = program;
	for (size_t i = 1; i < h->words->count; i++)
		argv[i] = h->words->at[i];
	child->argv = argv;
	int rc = child_run(child, &result, e);
	return rc == 0 && !child_ok(&result) ? failed(h, &result, e) : rc;
}

int node_hook_run(struct node_hook *h, uint64_t timeout_s, struct report *report,
		  const struct cancel *cancel, struct err *e)
{
	CLEANUP(buf_release) struct buf told = BUF_INIT(TOLD_MAX);
	CLEANUP(json_release) json_t *object = json_of(h);
	h->ran = true;
	int rc = json_pretty(object, &told, &h->why);
	struct child child = {
		.timeout_s = timeout_s,
		.cancel = cancel,
		.report = report,
		.input = told.data,
		.input_len = told.len,
	};
	if (rc == 0)
		rc = run(h, &child, &h->why);
	if (rc != -ERR_CANCELLED)
		return 0;
	*e = h->why;
	return rc;
}
