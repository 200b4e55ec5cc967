/* A new kind of mirror is one file and a line in a list: here is a whole one, which keeps a single
 * object in memory. All else (settings, keys, connections, uploads, push) knows it at once. */
#include "mirror/mirror.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* -- the kind --------------------------------------------------------------------- */

struct toy {
	char key[100];
	struct buf data;
};

static const char *const toy_keys[] = { "room", NULL };

static int toy_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		    struct err *e)
{
	struct toy *toy = m->state = NEW(struct toy);
	m->can = MIRROR_CAN_WRITE | MIRROR_IN_ORDER;
	m->max_object = KIB;
	int rc = conf_get_size(c, s, "room", &m->max_object, e);
	buf_init(&toy->data, m->max_object);
	return rc;
}

static void toy_close(struct mirror *m)
{
	buf_release(&((struct toy *)m->state)->data);
	mem_free_ptr(&m->state);
}

static int toy_get(struct mirror_connection *c, const struct mirror_range *r,
		   const struct mirror_sink *sink, struct err *e)
{
	const struct toy *toy = c->mirror->state;
	if (strcmp(toy->key, r->key) != 0)
		return err_set(e, ERR_NOT_FOUND, "not found");
	return sink->write(sink->ctx, toy->data.data, toy->data.len, e);
}

static int toy_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	(void)c, (void)e;
	buf_clear(&((struct toy *)u->mirror->state)->data);
	return 0;
}

static int toy_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			  const void *data, struct err *e)
{
	struct toy *toy = c->mirror->state;
	buf_add(&toy->data, data, (size_t)grid_length(&u->how.grid, piece));
	return buf_ok(&toy->data, "the toy", e);
}

static int toy_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			     struct mirror_stat *out, struct err *e)
{
	struct toy *toy = c->mirror->state;
	(void)e;
	snprintf(toy->key, sizeof toy->key, "%s", u->key);
	out->size = toy->data.len;
	return 0;
}

static const struct mirror_ops mirror_toy = {
	.kind = "toy",
	.keys = toy_keys,
	.open = toy_open,
	.close = toy_close,
	.get = toy_get,
	.upload_open = toy_upload_open,
	.upload_put = toy_upload_put,
	.upload_commit = toy_upload_commit,
};

static const struct mirror_ops *const kinds[] = { &mirror_toy, NULL };

/* -- what is to be had for it ------------------------------------------------------ */

static int open_toy(const char *text, struct mirror **out, struct err *e)
{
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(settings_mirrors_release) struct settings_mirrors m = { 0 };
	CLEANUP(mem_free_ptr) struct settings_kind *known = mirror_settings_kinds(kinds);
	assert_ok(conf_parse(text, strlen(text), "/ferry.conf", &c, e), e);
	assert_ok(settings_mirrors_read(&c, NULL, known, &m, e), e);
	return mirror_open(kinds, NULL, &m.at[0], out, e);
}

static void it_opens_from_the_configuration(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct mirror *m = NULL;
	assert_ok(open_toy("[mirror.box]\nkind = toy\nroom = 2KiB\npriority = 7\n", &m, &e), &e);
	assert_string_equal(m->id, "box");
	assert_int_equal(m->max_object, 2048);
	assert_int_equal(m->priority, 7);
	mirror_close(m);
	m = NULL;
	assert_int_equal(open_toy("[mirror.box]\nkind = toy\npath = /\n", &m, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "path"));
	err_clear(&e);
	assert_int_equal(open_toy("[mirror.box]\nkind = tow\n", &m, &e), -ERR_USAGE);
	assert_non_null(strstr(e.hint, "toy"));
	assert_null(m);
}

static void it_is_written_and_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct mirror *m;
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	assert_ok(open_toy("[mirror.box]\nkind = toy\n", &m, &e), &e);
	assert_ok(mirror_put_small(m, "a", "hello", 5, NULL, NULL, &e), &e);
	assert_ok(mirror_get_small(m, "a", 0, &text, &e), &e);
	assert_string_equal(buf_str(&text), "hello");
	mirror_close(m);
}

static void what_it_cannot_do_is_refused_for_it(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct mirror *m;
	struct mirror_findings none = { 0 };
	CLEANUP(mem_free_ptr) char *large = mem_alloc(2000);
	assert_ok(open_toy("[mirror.box]\nkind = toy\n", &m, &e), &e);
	assert_int_equal(mirror_put_small(m, "a", large, 2000, NULL, NULL, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "2000 bytes"));
	err_clear(&e);
	assert_int_equal(mirror_remove(m, "a", &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(mirror_probe(m, &none, &e), -ERR_USAGE);
	assert_string_equal(e.text, "mirror box: this mirror, of kind toy, cannot be probed");
	mirror_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_opens_from_the_configuration),
		cmocka_unit_test(it_is_written_and_read),
		cmocka_unit_test(what_it_cannot_do_is_refused_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
