#include "catalog/fit.h"

#include "util/os.h"

uint64_t fit_memory(uint64_t size, uint64_t ram)
{
	uint64_t memory;
	if (ram)
		return ram;
	return add_u64(size, size / 4 + 256 * MIB, &memory) ? memory : UINT64_MAX;
}

uint64_t fit_context(const struct card_variant *v, uint64_t context)
{
	return context && v->ram_known ? MAX(context, (uint64_t)FIT_MIN_CONTEXT) : v->ram_context;
}

static uint64_t add_tokens(uint64_t bytes, uint64_t tokens, uint64_t each)
{
	uint64_t more, sum;
	if (each && tokens > UINT64_MAX / each)
		return UINT64_MAX;
	more = tokens * each;
	return add_u64(bytes, more, &sum) ? sum : UINT64_MAX;
}

/* Beside the weights, which no context makes smaller. */
static uint64_t with_more(const struct card_variant *v, uint64_t context)
{
	uint64_t beside = v->ram_bytes > v->size ? v->ram_bytes - v->size : 0;
	uint64_t each = v->ram_token ? v->ram_token : beside / v->ram_context + 1;
	return add_tokens(v->ram_bytes, context - v->ram_context, each);
}

static uint64_t with_fewer(const struct card_variant *v, uint64_t context)
{
	uint64_t less = add_tokens(0, v->ram_context - context, v->ram_token);
	uint64_t rest = less < v->ram_bytes ? v->ram_bytes - less : 0;
	return MAX(rest, MIN(v->size, v->ram_bytes));
}

uint64_t fit_needs(const struct card_variant *v, uint64_t context)
{
	if (!v->ram_known)
		return fit_memory(v->size, 0);
	context = fit_context(v, context);
	if (context == v->ram_context || !v->ram_context)
		return v->ram_bytes;
	return context > v->ram_context ? with_more(v, context) : with_fewer(v, context);
}

static int compare(const void *a, const void *b, void *ctx)
{
	const struct fit_candidate *x = a, *y = b;
	(void)ctx;
	if (x->variant->size != y->variant->size)
		return x->variant->size > y->variant->size ? -1 : 1;
	if (x->variant->is_default != y->variant->is_default)
		return x->variant->is_default ? -1 : 1;
	return (x->variant > y->variant) - (x->variant < y->variant);
}

static bool is_candidate(const struct card *c, const struct card_variant *v,
			 const struct fit_want *w)
{
	if (!v || v->kind || v->engine || !v->file_count)
		return false;
	return (w->withdrawn || !card_withdrawn(c, v).reason) && (!w->may || w->may(w->ctx, v));
}

void fit_choose(const struct card *c, const struct fit_want *want, struct fit *out)
{
	out->count = 0;
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = card_version(&c->variants[i], want->version);
		if (is_candidate(c, v, want))
			out->at[out->count++] =
				(struct fit_candidate){ v, fit_needs(v, want->context) };
	}
	os_sort(out->at, out->count, sizeof *out->at, compare, NULL);
	out->chosen = 0;
	while (out->chosen < out->count && out->at[out->chosen].needs > want->memory)
		out->chosen++;
}

size_t fit_least(const struct fit *f)
{
	size_t least = 0;
	for (size_t i = 1; i < f->count; i++)
		if (f->at[i].needs <= f->at[least].needs)
			least = i;
	return f->count ? least : f->count;
}
