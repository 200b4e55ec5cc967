#include "ggufbuild.h"
#include "unit.h"

#define MOST 3

struct set {
	struct gguf *files[MOST];
	const char *names[MOST];
	size_t count;
};

/* Shard `no` of `count` of a model of `total` tensors, with one tensor. */
static void add(struct set *s, const char *name, uint16_t no, uint16_t count, int32_t total,
		const char *tensor)
{
	struct ggufbuild b;
	if (no == 0)
		build_init_llama(&b);
	else
		build_init(&b);
	build_raw(&b, "split.no", 8, GGUF_U16, &no, 2);
	build_raw(&b, "split.count", 11, GGUF_U16, &count, 2);
	build_raw(&b, "split.tensors.count", 19, GGUF_I32, &total, 4);
	build_tensor(&b, tensor, "f32", 4, 0);
	s->files[s->count] = build_open_ok(&b);
	s->names[s->count++] = name;
	build_release(&b);
}

static void release(struct set *s)
{
	while (s->count)
		gguf_free(s->files[--s->count]);
}

static void assert_shards_refused(struct set *s, const char *text)
{
	struct err e = ERR_INIT;
	int rc = gguf_shards_check((const struct gguf *const *)s->files, s->names, s->count, &e);
	release(s);
	assert_int_equal(rc, -ERR_INTEGRITY);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void whole_set_in_any_order(void **state)
{
	(void)state;
	struct set s = { .count = 0 };
	struct err e = ERR_INIT;
	add(&s, "m-00002-of-00003.gguf", 1, 3, 3, "b");
	add(&s, "m-00003-of-00003.gguf", 2, 3, 3, "c");
	add(&s, "m-00001-of-00003.gguf", 0, 3, 3, "a");
	assert_ok(gguf_shards_check((const struct gguf *const *)s.files, s.names, s.count, &e), &e);
	struct gguf_census c;
	gguf_census((const struct gguf *const *)s.files, s.count, &c);
	assert_int_equal(c.tensors, 3);
	release(&s);
}

static void sets_that_disagree(void **state)
{
	(void)state;
	struct set s = { .count = 0 };
	add(&s, "m-00001-of-00003.gguf", 0, 3, 3, "a");
	add(&s, "m-00003-of-00003.gguf", 2, 3, 3, "c");
	assert_shards_refused(&s, "m-00001-of-00003.gguf belongs to a model with 3 shards, but 2 "
				  "are given");
	add(&s, "m-00001-of-00002.gguf", 0, 2, 2, "a");
	add(&s, "m-00001-of-00002.gguf", 0, 2, 2, "a");
	assert_shards_refused(&s, "are both shard 1");
	add(&s, "m-00001-of-00002.gguf", 0, 2, 2, "a");
	add(&s, "m-00002-of-00002.gguf", 1, 2, 2, "a");
	assert_shards_refused(&s, "in different shards: the tensor 'a' appears twice");
	add(&s, "m-00001-of-00002.gguf", 0, 2, 5, "a");
	add(&s, "m-00002-of-00002.gguf", 1, 2, 5, "b");
	assert_shards_refused(&s, "the model has 5 tensors, but its shards have 2");
	add(&s, "m-00001-of-00002.gguf", 0, 2, 2, "a");
	add(&s, "m-00002-of-00002.gguf", 2, 2, 2, "b");
	assert_shards_refused(&s, "claims to be shard 3 of 2");
	add(&s, "m-00001-of-00001.gguf", 0, 2, 2, "a");
	assert_shards_refused(&s, "belongs to a model with 2 shards, but 1 is given");
}

static void any_names_will_do(void **state)
{
	(void)state;
	struct set s = { .count = 0 };
	struct err e = ERR_INIT;
	add(&s, "hf-m-00001-of-00002-e3b5.gguf", 0, 2, 2, "a");
	add(&s, "m-2.GGUF", 1, 2, 2, "b");
	assert_ok(gguf_shards_check((const struct gguf *const *)s.files, s.names, s.count, &e), &e);
	release(&s);
}

static void single_files(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct ggufbuild b;
	build_init_llama(&b);
	const struct gguf *g[2];
	struct gguf *owned = build_open_ok(&b);
	const char *const names[] = { "m.gguf", "m.gguf" };
	g[0] = g[1] = owned;
	assert_ok(gguf_shards_check(g, names, 1, &e), &e);
	assert_int_equal(gguf_shards_check(g, names, 2, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "m.gguf is not a shard"));
	gguf_free(owned);
	build_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_set_in_any_order),
		cmocka_unit_test(sets_that_disagree),
		cmocka_unit_test(any_names_will_do),
		cmocka_unit_test(single_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
