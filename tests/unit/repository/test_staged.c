#include "repository/staged.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#define CARD \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"%s\",\"variants\":[{\"id\":" \
	"\"q8\",\"files\":[{\"path\":\"models/%s/%s.gguf\",\"size\":5,\"sha256\":\"%s\"}]}]}"

/* A tree with the card, the manifest and the object of each model that was added. */
struct tree {
	char *dir;
	struct seen seen;
	struct staged staged;
};

static struct tree *tree_new(void)
{
	struct tree *t = NEW(struct tree);
	t->dir = scratch_new();
	seen_open(&t->seen, t->dir);
	sha256_of("key", 3, &t->staged.key);
	return t;
}

static void tree_free(struct tree *t)
{
	seen_close(&t->seen);
	staged_release(&t->staged);
	scratch_free(t->dir);
	free(t);
}

static struct card card_of(const char *id, const struct digest *sha256)
{
	struct err e = ERR_INIT;
	struct card c;
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *text = mem_printf(CARD, id, id, id, digest_hex(hex, sha256));
	assert_ok(card_parse(text, strlen(text), "card", &c, &e), &e);
	return c;
}

static void write_file(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	assert_ok(file_mkdirs_for(path, FILE_DIR_MODE, &e), &e);
	assert_ok(file_write_atomic(path, text, strlen(text), FILE_MODE, &e), &e);
}

static struct mark mark(const char *path)
{
	struct mark m;
	assert_true(mark_of(path, false, &m));
	return m;
}

static struct staged_object put_object(struct tree *t, const char *target, const char *text)
{
	struct staged_object o;
	sha256_of(text, strlen(text), &o.sha256);
	CLEANUP(mem_free_ptr) char *path = repository_object_path(t->dir, target, &o.sha256);
	write_file(path, text);
	o.mark = mark(path);
	return o;
}

/* What the files of the model "ID" contain is its id. */
static const struct staged_model *add(struct tree *t, const char *id)
{
	struct digest sha256;
	sha256_of(id, strlen(id), &sha256);
	struct card c = card_of(id, &sha256);
	const struct card_file *f = &c.variants[0].files[0];
	CLEANUP(mem_free_ptr) char *card = repository_card_path(t->dir, id);
	CLEANUP(mem_free_ptr) char *manifest = repository_manifest_path(t->dir, id, f);
	CLEANUP(mem_free_ptr) char *card_target = card_document(id);
	CLEANUP(mem_free_ptr) char *manifest_target = repository_manifest_target(f);
	write_file(card, "a card");
	write_file(manifest, "a manifest");
	struct mark of_card = mark(card), of_object = put_object(t, f->path, id).mark;
	seen_add(&t->seen, &sha256, &of_object);
	struct staged_model *m = staged_add(&t->staged, t->dir, &c, &of_card);
	m->object = put_object(t, card_target, "the card of it");
	m->files[0].object = put_object(t, manifest_target, "the manifest of it");
	m->variants = 1;
	card_release(&c);
	return m;
}

static struct staged again(struct tree *t)
{
	struct staged s;
	staged_save(&t->staged, t->dir);
	staged_open(&s, t->dir);
	return s;
}

/* ---- the record ---- */

static void what_was_saved_is_read_again(void **state)
{
	(void)state;
	struct tree *t = tree_new();
	add(t, "tiny");
	add(t, "other");
	t->staged.at[1].waiting = true;
	t->staged.at[1].planned = 2;
	CLEANUP(staged_release) struct staged s = again(t);
	assert_int_equal(s.count, 2);
	assert_true(digest_equal(&s.key, &t->staged.key));
	const struct staged_model *m = staged_find(&s, "other"), *tiny = staged_find(&s, "tiny");
	assert_true(m->waiting && m->planned == 2 && m->variants == 1);
	assert_int_equal(m->object.mark.size, 14);
	assert_int_equal(m->files[0].object.mark.size, 18);
	assert_true(!tiny->waiting && tiny->planned == 0);
	assert_int_equal(tiny->file_count, 1);
	assert_string_equal(tiny->files[0].name, "tiny.gguf");
	assert_string_equal(tiny->files[0].path, "models/tiny/tiny.gguf");
	assert_int_equal(tiny->files[0].size, 5);
	assert_true(staged_is_unchanged(tiny, t->dir, &t->seen));
	assert_true(staged_is_unchanged(m, t->dir, &t->seen));
	assert_null(staged_find(&s, "third"));
	tree_free(t);
}

static void an_entry_that_is_kept_is_a_copy(void **state)
{
	(void)state;
	struct tree *t = tree_new();
	struct staged copy = { 0 };
	staged_keep(&copy, add(t, "tiny"));
	staged_release(&t->staged);
	assert_string_equal(copy.at[0].id, "tiny");
	assert_string_equal(copy.at[0].files[0].path, "models/tiny/tiny.gguf");
	assert_true(staged_is_unchanged(&copy.at[0], t->dir, &t->seen));
	staged_release(&copy);
	tree_free(t);
}

static char *record_path(const struct tree *t)
{
	return path_join(t->dir, ".ferry/staged");
}

/* The record of one model; text gets its bytes. */
static void save_record(struct tree *t, struct buf *text)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = record_path(t);
	add(t, "tiny");
	staged_save(&t->staged, t->dir);
	assert_ok(file_read_all(path, text, &e), &e);
}

static void put_record(struct tree *t, const char *data, size_t len)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = record_path(t);
	assert_ok(file_write_atomic(path, data, len, FILE_MODE, &e), &e);
}

static void assert_ignored(struct tree *t)
{
	struct staged s;
	staged_open(&s, t->dir);
	assert_int_equal(s.count, 0);
	assert_null(s.at);
}

static void a_record_that_was_cut_is_ignored(void **state)
{
	(void)state;
	struct tree *t = tree_new();
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	save_record(t, &text);
	for (size_t len = 0; len < text.len; len++) {
		put_record(t, text.data, len);
		assert_ignored(t);
	}
	CLEANUP(mem_free_ptr) char *path = record_path(t);
	assert_int_equal(unlink(path), 0);
	assert_ignored(t);
	tree_free(t);
}

static void a_damaged_record_is_ignored(void **state)
{
	(void)state;
	struct tree *t = tree_new();
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	save_record(t, &text);
	for (size_t i = 0; i < text.len; i++) {
		char byte = text.data[i];
		text.data[i] = '\n';
		put_record(t, text.data, text.len);
		text.data[i] = byte;
		if (byte != '\n')
			assert_ignored(t);
	}
	static const char *const wrong[] = { "", "ferry-staged 3 ", "end",
					     "ferry-staged 2 00\nend" };
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		put_record(t, wrong[i], strlen(wrong[i]));
		assert_ignored(t);
	}
	tree_free(t);
}

/* ---- what is seen ---- */

enum part { CARD_SOURCE, MANIFEST_SOURCE, MODEL_OBJECT, CARD_OBJECT, MANIFEST_OBJECT, PARTS };

static char *path_of(struct tree *t, const struct staged_model *m, enum part part)
{
	const struct staged_file *f = &m->files[0];
	const struct card_file as_card = { .name = f->name, .path = f->path, .sha256 = f->sha256 };
	CLEANUP(mem_free_ptr) char *card = card_document(m->id);
	CLEANUP(mem_free_ptr) char *manifest = repository_manifest_target(&as_card);
	switch (part) {
	case CARD_SOURCE:
		return repository_card_path(t->dir, m->id);
	case MANIFEST_SOURCE:
		return repository_manifest_path(t->dir, m->id, &as_card);
	case MODEL_OBJECT:
		return repository_object_path(t->dir, f->path, &f->sha256);
	case CARD_OBJECT:
		return repository_object_path(t->dir, card, &m->object.sha256);
	default:
		return repository_object_path(t->dir, manifest, &f->object.sha256);
	}
}

static void a_file_that_changed_or_is_gone_is_seen(void **state)
{
	(void)state;
	for (enum part part = CARD_SOURCE; part < PARTS; part++) {
		struct err e = ERR_INIT;
		struct tree *t = tree_new();
		const struct staged_model *m = add(t, "tiny");
		CLEANUP(mem_free_ptr) char *path = path_of(t, m, part);
		CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
		assert_ok(file_read_all(path, &text, &e), &e);
		assert_true(staged_is_unchanged(m, t->dir, &t->seen));
		/* Also with the same length: it is another inode. */
		text.data[0] = 'X';
		write_file(path, buf_str(&text));
		assert_false(staged_is_unchanged(m, t->dir, &t->seen));
		assert_int_equal(unlink(path), 0);
		assert_false(staged_is_unchanged(m, t->dir, &t->seen));
		tree_free(t);
	}
}

static void an_object_that_was_not_verified_is_seen(void **state)
{
	(void)state;
	struct tree *t = tree_new();
	const struct staged_model *m = add(t, "tiny");
	seen_close(&t->seen);
	seen_open(&t->seen, t->dir);
	assert_true(staged_is_unchanged(m, t->dir, &t->seen));
	seen_forget(t->dir, &m->files[0].sha256);
	seen_close(&t->seen);
	seen_open(&t->seen, t->dir);
	assert_false(staged_is_unchanged(m, t->dir, &t->seen));
	tree_free(t);
}

static void a_card_without_a_manifest_is_read_again(void **state)
{
	(void)state;
	struct tree *t = tree_new();
	struct digest sha256;
	const struct staged_model *m = add(t, "tiny");
	CLEANUP(mem_free_ptr) char *card = path_of(t, m, CARD_SOURCE);
	CLEANUP(mem_free_ptr) char *manifest = path_of(t, m, MANIFEST_SOURCE);
	assert_int_equal(unlink(manifest), 0);
	sha256_of("tiny", 4, &sha256);
	struct card c = card_of("tiny", &sha256);
	struct mark of_card = mark(card);
	m = staged_add(&t->staged, t->dir, &c, &of_card);
	assert_false(staged_is_unchanged(m, t->dir, &t->seen));
	card_release(&c);
	tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_is_read_again),
		cmocka_unit_test(an_entry_that_is_kept_is_a_copy),
		cmocka_unit_test(a_record_that_was_cut_is_ignored),
		cmocka_unit_test(a_damaged_record_is_ignored),
		cmocka_unit_test(a_file_that_changed_or_is_gone_is_seen),
		cmocka_unit_test(an_object_that_was_not_verified_is_seen),
		cmocka_unit_test(a_card_without_a_manifest_is_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
