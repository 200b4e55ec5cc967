#include "ferry/fitting.h"

#include "store/named.h"
#include "util/child.h"
#include "util/mem.h"
#include "util/os.h"

#include <stdlib.h>
#include <string.h>

#define NVIDIA_TIMEOUT_S 10
#define NVIDIA_MAX (64 * KIB)
#define TOLD 4 /* of the variants that do not fit */

bool fitting_is_auto(const struct reference *r)
{
	return r->variant && strcmp(r->variant, REFERENCE_AUTO) == 0;
}

/* ---- memory ---- */

/* A line "24564" for each card, in MiB; "[N/A]" for one that does not say. */
static uint64_t sum_of_lines(const char *text)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	uint64_t sum = 0, mib;
	str_list_split(&lines, text, "\r\n");
	for (size_t i = 0; i < lines.count; i++)
		if (parse_u64(lines.at[i], &mib) && mib < UINT64_MAX / MIB / 1024)
			sum += mib * MIB;
	return sum;
}

/* What the driver's own program says; 0: there is none, or it does not answer. */
static uint64_t nvidia_memory(const struct cancel *cancel)
{
	CLEANUP(mem_free_ptr) char *path = child_on_path("nvidia-smi");
	CLEANUP(child_result_release) struct child_result r = { 0 };
	const char *const argv[] = { path, "--query-gpu=memory.total",
				     "--format=csv,noheader,nounits", NULL };
	struct child c = {
		.argv = argv,
		.timeout_s = NVIDIA_TIMEOUT_S,
		.cancel = cancel,
		.answer_max = NVIDIA_MAX,
	};
	struct err ignored = ERR_INIT;
	if (!path || child_run(&c, &r, &ignored) < 0 || !child_ok(&r))
		return 0;
	return sum_of_lines(buf_str(&r.answer));
}

static uint64_t ram_of(const struct os_machine *m)
{
	uint64_t ram = m->total;
	if (m->limit && (m->limit < ram || !ram))
		ram = m->limit;
	return m->shared ? MIN(ram, m->shared) : ram;
}

static int measure(const struct client *client, struct fitting_memory *out, struct err *e)
{
	struct os_machine m;
	os_machine("", &m);
	uint64_t ram = ram_of(&m), cards;
	if (!add_u64(m.gpu, nvidia_memory(client->cancel), &cards))
		cards = m.gpu;
	*out = (struct fitting_memory){ .bytes = MAX(ram, cards), .gpu = cards > ram };
	if (!out->gpu)
		out->available = m.available;
	if (out->bytes)
		return 0;
	err_set(e, ERR_USAGE, "the system does not say how much memory it has");
	return err_hint(e, "give the size, for example --fits=16G");
}

int fitting_memory(const struct client *c, uint64_t fits, struct fitting_memory *out, struct err *e)
{
	*out = (struct fitting_memory){ .bytes = fits ? fits : c->memory };
	return out->bytes ? 0 : measure(c, out, e);
}

/* ---- choosing ---- */

struct choice {
	const struct client *client;
	const struct fitting_opts *opts;
	const struct remote *remote;
	const struct card *model;
	bool stored_only;
	struct fitting_memory memory;
	struct fit fit;
};

/* What the store has of the model. */
struct stored {
	const struct choice *x;
	const char *version; /* that is asked for, or NULL */
	struct store_variants all;
};

static void stored_release(struct stored *h)
{
	store_variants_release(&h->all);
}

static bool has_files(const struct store *s, const struct card_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (!store_has(s, &v->files[i].sha256, v->files[i].size))
			return false;
	return true;
}

/* In whatever version, unless one is asked for. */
static bool is_stored(void *ctx, const struct card_variant *v)
{
	const struct stored *h = ctx;
	const struct remote *r = h->x->remote;
	size_t at = h->version ? SIZE_MAX
			       : store_named(&h->all, r->repository, h->x->model->id, v->id);
	return (at != SIZE_MAX && h->all.at[at].complete) || has_files(r->store, v);
}

static void choose(struct choice *x, const char *version)
{
	CLEANUP(stored_release) struct stored have = { .x = x, .version = version };
	struct err ignored = ERR_INIT;
	struct fit_want want = {
		.memory = x->memory.bytes,
		.context = x->opts->context,
		.version = version,
		.may = x->stored_only ? is_stored : NULL,
		.ctx = &have,
	};
	if (x->stored_only)
		(void)!store_list_model(x->remote->store, x->remote->repository, x->model->id,
					&have.all, &ignored);
	fit_choose(x->model, &want, &x->fit);
	/* Then the fetch says that it was withdrawn, and why. */
	want.withdrawn = true;
	if (x->fit.count == 0)
		fit_choose(x->model, &want, &x->fit);
}

static void add_context(struct buf *b, const struct choice *x, const struct card_variant *v)
{
	uint64_t context = fit_context(v, x->opts->context);
	if (v->ram_known && context)
		buf_addf(b, " with %llu tokens of context", (unsigned long long)context);
}

static const char *whose(const struct choice *x)
{
	return x->memory.gpu ? " of memory on the graphics cards" : " of memory";
}

static void tell_free(const struct choice *x, uint64_t needs)
{
	char size[SIZE_TEXT];
	if (x->memory.available && x->memory.available < needs)
		report_warn(x->client->report,
			    "only %s of memory is free now: other programs use the rest",
			    format_size(size, x->memory.available));
}

static void tell_choice(const struct choice *x)
{
	const struct fit_candidate *c = &x->fit.at[x->fit.chosen];
	CLEANUP(buf_release) struct buf b = BUF_INIT(4 * KIB);
	char size[SIZE_TEXT], memory[SIZE_TEXT];
	buf_addf(&b, "%s:%s is %s: it needs %s", x->model->id, REFERENCE_AUTO, c->variant->id,
		 format_size(size, c->needs));
	add_context(&b, x, c->variant);
	buf_addf(&b, " and there is %s%s", format_size(memory, x->memory.bytes), whose(x));
	for (size_t i = 0; i < x->fit.chosen && i < TOLD; i++)
		buf_addf(&b, "%s%s (%s)", i ? ", " : "; too large: ", x->fit.at[i].variant->id,
			 format_size(size, x->fit.at[i].needs));
	if (x->fit.chosen > TOLD)
		buf_addf(&b, " and %zu more", x->fit.chosen - TOLD);
	report_note(x->client->report, "%s", buf_str(&b));
	tell_free(x, c->needs);
}

static int no_candidate(const struct choice *x, const char *version, struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "%s%s%s has no variant %sthat '%s' could choose", x->model->id,
		version ? "@" : "", version ? version : "", x->stored_only ? "in the store " : "",
		REFERENCE_AUTO);
	if (x->stored_only)
		return err_hint(e, "run the same command without --offline");
	return err_hint(e,
			"it is chosen from the models of the card, not from what is used "
			"together with one: `ferry show %s` lists all variants",
			x->model->id);
}

static int none_fits(const struct choice *x, struct err *e)
{
	const struct fit_candidate *c = &x->fit.at[fit_least(&x->fit)];
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	char size[SIZE_TEXT], memory[SIZE_TEXT];
	add_context(&b, x, c->variant);
	err_set(e, ERR_NOT_FOUND, "no variant of %s fits into %s%s: the smallest, %s, needs %s%s",
		x->model->id, format_size(memory, x->memory.bytes), whose(x), c->variant->id,
		format_size(size, c->needs), buf_str(&b));
	return err_hint(e, "%s:%s takes it nevertheless%s", x->model->id, c->variant->id,
			c->variant->ram_token ? "; --context with fewer tokens needs less" : "");
}

static json_t *choice_json(const struct choice *x)
{
	const struct fit_candidate *c = &x->fit.at[x->fit.chosen];
	uint64_t context = fit_context(c->variant, x->opts->context);
	json_t *o = json_object();
	json_put_u64(o, "memory", x->memory.bytes);
	json_put_bool(o, "gpu", x->memory.gpu);
	json_put_u64(o, "needs", c->needs);
	if (context)
		json_put_u64(o, "context", context);
	json_t *large = json_put_array(o, "too_large");
	for (size_t i = 0; i < x->fit.chosen; i++) {
		json_t *one = json_push_object(large);
		json_put_string(one, "variant", x->fit.at[i].variant->id);
		json_put_u64(one, "needs", x->fit.at[i].needs);
	}
	return o;
}

static int choose_of(struct choice *x, const char *version, const struct card_variant **variant,
		     json_t **chosen, struct err *e)
{
	int rc = fitting_memory(x->client, x->opts->fits, &x->memory, e);
	if (rc < 0)
		return rc;
	choose(x, version);
	if (x->fit.count == 0)
		return no_candidate(x, version, e);
	if (x->fit.chosen == x->fit.count)
		return none_fits(x, e);
	*variant = x->fit.at[x->fit.chosen].variant;
	tell_choice(x);
	if (chosen)
		*chosen = choice_json(x);
	return 0;
}

static struct choice *choice_new(const struct client *client, const struct remote *remote,
				 const struct card *model, const struct fitting_opts *o)
{
	struct choice *x = NEW(struct choice);
	x->client = client;
	x->opts = o;
	x->remote = remote;
	x->model = model;
	x->stored_only = remote->offline || remote->read_only;
	return x;
}

const struct card_variant *fitting_in_store(const struct client *c, const struct remote *remote,
					    const struct card *model, const struct reference *r,
					    const struct fitting_opts *o)
{
	CLEANUP(mem_free_ptr) struct choice *x = choice_new(c, remote, model, o);
	struct err ignored = ERR_INIT;
	x->stored_only = true;
	if (fitting_memory(c, o->fits, &x->memory, &ignored) < 0)
		return NULL;
	choose(x, r->version);
	return x->fit.chosen < x->fit.count ? x->fit.at[x->fit.chosen].variant : NULL;
}

int fitting_resolve(const struct client *c, struct remotes *all, const struct reference *r,
		    const struct fitting_opts *o, struct remote **remote, const struct card **model,
		    const struct card_variant **variant, json_t **chosen, struct err *e)
{
	struct reference plain = *r;
	if (chosen)
		*chosen = NULL;
	if (!fitting_is_auto(r))
		return remotes_resolve(all, r, remote, model, variant, e);
	plain.variant = plain.version = NULL;
	int rc = remotes_resolve(all, &plain, remote, model, variant, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) struct choice *x = choice_new(c, *remote, *model, o);
	return choose_of(x, r->version, variant, chosen, e);
}

/* ---- without a catalog ---- */

static bool is_usable(const struct store_variant *v, const struct reference *r)
{
	return v->complete && !v->kind && !v->engine && strcmp(v->model, r->model) == 0 &&
	       (!r->repository || strcmp(v->repository, r->repository) == 0) &&
	       store_variant_is(v, NULL, r->version);
}

int fitting_stored(const struct client *c, const struct reference *r, const struct fitting_opts *o,
		   char **variant, struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	struct fitting_memory memory;
	const struct store_variant *best = NULL;
	int rc = fitting_memory(c, o->fits, &memory, e);
	if (rc == 0)
		rc = store_list(&c->store, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++) {
		const struct store_variant *v = &all.at[i];
		if (is_usable(v, r) && fit_memory(v->size, 0) <= memory.bytes &&
		    (!best || v->size > best->size))
			best = v;
	}
	if (rc < 0)
		return rc;
	if (!best)
		return err_set(e, ERR_NOT_FOUND, "no variant of %s in the store fits into memory",
			       r->model);
	*variant = store_variant_plain(best);
	return 0;
}
