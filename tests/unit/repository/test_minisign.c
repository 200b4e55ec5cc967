#include "repository/minisign.h"

#include "repository/sign.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <unistd.h>

#define NOW 1767225600 /* 2026-01-01 */
#define DAY 86400
#define NAME "catalog.json.minisig"

/* An empty signed repository. */
struct desk {
	char *dir, *tree, *keys_dir;
	struct keyring keys;
	struct passphrases passphrases; /* of the run */
	int asked;
	int64_t now_s;
	const char *title;
	struct repository_signed last; /* of the last run; what is handed out borrows from it */
};

static int ask(void *ctx, const char *path, struct buf *out, struct err *e)
{
	struct desk *d = ctx;
	(void)path, (void)e;
	d->asked++;
	buf_init(out, 100);
	buf_adds(out, "secret");
	return 0;
}

static void load_keys(struct desk *d, const char *dir)
{
	struct err e = ERR_INIT;
	keyring_release(&d->keys);
	passphrase_release(&d->passphrases);
	assert_ok(keyring_load(dir, d->tree, &d->keys, &e), &e);
	d->passphrases = (struct passphrases){ .ask = ask, .ctx = d };
	d->keys.passphrases = &d->passphrases;
}

/* A run of a command: it opens keys anew. */
static struct repository_signing how(struct desk *d)
{
	CLEANUP(mem_free_ptr) char *dir = mem_strdup(d->keys.dir);
	load_keys(d, dir);
	return (struct repository_signing){
		.name = "lab",
		.title = d->title,
		.expiry = writer_expiry_default,
		.now_s = d->now_s,
		.keys = &d->keys,
	};
}

/* What a run gave stays until the next one, for tests to look at. */
static struct repository_signed keep(struct desk *d, struct repository_signed s)
{
	repository_signed_release(&d->last);
	d->last = s;
	return s;
}

static const struct writer_status *line(struct repository_signed s, const char *role)
{
	return writer_status_of(&s.status, role);
}

static struct desk *desk_new(enum privkey_kind kind)
{
	struct err e = ERR_INIT;
	struct desk *d = NEW(struct desk);
	struct repository *r;
	struct repository_signed s;
	struct buf passphrase = BUF_INIT(100);
	d->dir = scratch_new();
	d->tree = path_join(d->dir, "tree");
	d->keys_dir = path_join(d->dir, "keys");
	d->now_s = NOW;
	d->title = "The Lab";
	load_keys(d, d->keys_dir);
	buf_adds(&passphrase, "secret");
	struct repository_signing h = how(d);
	assert_ok(repository_open(d->tree, NULL, &r, &e), &e);
	assert_ok(repository_init(r, &h, kind, &passphrase, &s, &e), &e);
	keep(d, s);
	repository_close(r);
	buf_release(&passphrase);
	d->asked = 0;
	return d;
}

static void desk_free(struct desk *d)
{
	keyring_release(&d->keys);
	passphrase_release(&d->passphrases);
	repository_signed_release(&d->last);
	scratch_free(d->dir);
	free(d->tree);
	free(d->keys_dir);
	free(d);
}

static struct repository_signed sign(struct desk *d)
{
	struct err e = ERR_INIT;
	struct repository *r;
	struct repository_signed s = { 0 };
	struct repository_signing h = how(d);
	assert_ok(repository_open(d->tree, NULL, &r, &e), &e);
	assert_ok(repository_sign(r, &h, &s, &e), &e);
	repository_close(r);
	return keep(d, s);
}

static void read_in(struct desk *d, const char *key, struct buf *out)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(d->tree, key);
	buf_init(out, MIB);
	assert_ok(file_read_all(path, out, &e), &e);
}

static bool in_tree(struct desk *d, const char *key)
{
	CLEANUP(mem_free_ptr) char *path = path_join(d->tree, key);
	return file_exists(path);
}

static void drop(const char *dir, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	assert_int_equal(unlink(path), 0);
}

/* The key id that the signature beside catalog.json is of, after it was verified with the
 * exported key. The caller frees. */
static char *verified(struct desk *d, const char *comment)
{
	struct err e = ERR_INIT;
	struct buf text, catalog;
	struct minisig m;
	struct repository_keys keys;
	size_t present;
	read_in(d, NAME, &text);
	read_in(d, "catalog.json", &catalog);
	assert_ok(minisig_parse(text.data, text.len, NAME, &m, &e), &e);
	assert_ok(repository_minisign_keys(d->tree, &keys, &present, &e), &e);
	assert_true(present < keys.count);
	assert_true(minisig_verify(&m, keys.at[present], catalog.data, catalog.len));
	assert_string_equal(m.trusted, comment);
	char *id = mem_strdup(keys.at[present]->id);
	repository_keys_release(&keys);
	minisig_release(&m);
	buf_release(&text);
	buf_release(&catalog);
	return id;
}

static int try_published(struct desk *d, struct err *e)
{
	struct repository_files f = { 0 };
	int rc = repository_published(d->tree, &f, e);
	repository_files_release(&f);
	return rc;
}

static void every_version_is_signed(void **state)
{
	(void)state;
	struct desk *d = desk_new(PRIVKEY_ED25519);
	char *id = verified(d, "repository:lab\tversion:1\tfile:catalog.json\t"
			       "time:2026-01-01T00:00:00Z");
	assert_string_equal(id, keyring_find(&d->keys, "targets")->public->id);
	free(id);
	d->title = "Another";
	d->now_s += DAY;
	assert_int_equal(line(sign(d), "targets")->version, 2);
	free(verified(d, "repository:lab\tversion:2\tfile:catalog.json\t"
			 "time:2026-01-02T00:00:00Z"));
	/* Nothing new: nothing is asked for. */
	d->asked = 0;
	d->now_s += DAY;
	assert_false(sign(d).changed);
	assert_int_equal(d->asked, 0);
	/* The same catalog in a renewed version. */
	d->now_s = NOW + 340 * DAY;
	assert_int_equal(line(sign(d), "targets")->version, 3);
	free(verified(d, "repository:lab\tversion:3\tfile:catalog.json\t"
			 "time:2026-12-07T00:00:00Z"));
	desk_free(d);
}

static void a_signature_that_is_missing_or_wrong_is_made_again(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new(PRIVKEY_ED25519);
	static const char comment[] = "repository:lab\tversion:1\tfile:catalog.json\t"
				      "time:2026-01-01T00:00:00Z";
	/* A tree from before there were signatures is no broken one. */
	drop(d->tree, NAME);
	assert_ok(try_published(d, &e), &e);
	assert_true(sign(d).changed);
	assert_int_equal(d->asked, 1);
	free(verified(d, comment));
	/* Of another catalog: what a kill between the two files leaves. */
	struct buf old;
	read_in(d, NAME, &old);
	d->title = "Another";
	sign(d);
	scratch_write(d->tree, NAME, old.data, old.len);
	assert_int_equal(try_published(d, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "is not a signature of catalog.json by a key of targets"));
	assert_non_null(strstr(e.hint, "run it again"));
	err_clear(&e);
	assert_true(sign(d).changed);
	assert_ok(try_published(d, &e), &e);
	scratch_write(d->tree, NAME, "rubbish", 7);
	assert_int_equal(try_published(d, &e), -ERR_INTEGRITY);
	err_clear(&e);
	/* Who has no key of targets cannot make it, and leaves none that is wrong. */
	drop(d->keys_dir, "targets.pem");
	load_keys(d, d->keys_dir);
	assert_true(sign(d).changed);
	assert_false(in_tree(d, NAME));
	assert_ok(try_published(d, &e), &e);
	assert_false(sign(d).changed);
	buf_release(&old);
	desk_free(d);
}

static void a_key_that_minisign_does_not_know_makes_none(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new(PRIVKEY_ECDSA_P256);
	struct repository_keys keys;
	size_t present;
	assert_false(in_tree(d, NAME));
	assert_ok(try_published(d, &e), &e);
	assert_false(sign(d).changed);
	assert_int_equal(d->asked, 0);
	assert_int_equal(repository_minisign_keys(d->tree, &keys, &present, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "has no Ed25519 key"));
	desk_free(d);
}

/* ---- several people ---- */

/* Alice and Bob: targets needs both. */
static void need_two(struct desk *d)
{
	struct err e = ERR_INIT;
	struct writer *w;
	struct keyring_signers s = { 0 };
	struct str_list ids = { 0 };
	struct writer_saved saved;
	static const char *const none[] = { NULL };
	struct buf passphrase = BUF_INIT(100);
	buf_adds(&passphrase, "secret");
	assert_ok(keyring_new(&d->keys, "bob", PRIVKEY_ED25519, &passphrase, &e), &e);
	buf_release(&passphrase);
	assert_ok(writer_open(d->tree, NULL, d->now_s, &w, &e), &e);
	assert_ok(writer_key_add(w, "targets", keyring_find(&d->keys, "bob")->public, &e), &e);
	assert_ok(writer_set_threshold(w, "targets", 2, &e), &e);
	assert_ok(writer_touch(w, "targets", &e), &e);
	for (size_t i = 0; i < d->keys.count; i++)
		str_list_add(&ids, d->keys.at[i].public->id);
	assert_ok(keyring_open(&d->keys, &ids, none, &s, &e), &e);
	assert_ok(writer_save(w, s.at, s.count, &saved, &e), &e);
	assert_true(saved.published);
	keyring_signers_release(&s);
	str_list_release(&ids);
	writer_close(w);
}

/* A keyring of its own for each person, with copies of the files. */
static void only(struct desk *d, const char *const *names)
{
	struct err e = ERR_INIT;
	static const char *const ends[] = { "pem", "pub" };
	char *dir = path_join(d->dir, names[0]);
	for (; *names; names++)
		for (size_t i = 0; i < 2; i++) {
			CLEANUP(mem_free_ptr) char *from = mem_printf("%s/%s.%s", d->keys_dir,
								      *names, ends[i]);
			CLEANUP(mem_free_ptr) char *to = mem_printf("%s/%s.%s", dir, *names,
								    ends[i]);
			assert_ok(file_mkdirs(dir, 0700, &e), &e);
			assert_ok(file_copy(from, to, 0600, NULL, &e), &e);
		}
	load_keys(d, dir);
	free(dir);
}

static void what_waits_for_signatures_keeps_a_draft(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new(PRIVKEY_ED25519);
	char *alice = mem_strdup(keyring_find(&d->keys, "targets")->public->id);
	need_two(d);
	d->title = "By two";
	only(d, (const char *const[]){ "targets", NULL });
	assert_false(sign(d).published);
	assert_true(in_tree(d, "drafts/" NAME));
	/* Readers still have the old one, and it fits. */
	assert_ok(try_published(d, &e), &e);
	/* Bob completes the metadata: Alice's key is the first, so hers is the signature. */
	only(d, (const char *const[]){ "bob", "snapshot", "timestamp", NULL });
	d->now_s += DAY;
	assert_true(sign(d).published);
	assert_false(in_tree(d, "drafts"));
	char *id = verified(d, "repository:lab\tversion:3\tfile:catalog.json\t"
			       "time:2026-01-01T00:00:00Z");
	assert_string_equal(id, alice);
	assert_ok(try_published(d, &e), &e);
	free(id);
	free(alice);
	desk_free(d);
}

static void a_draft_of_another_catalog_is_not_taken(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new(PRIVKEY_ED25519);
	need_two(d);
	char *bob = mem_strdup(keyring_find(&d->keys, "bob")->public->id);
	only(d, (const char *const[]){ "targets", NULL });
	d->title = "First";
	assert_false(sign(d).published);
	struct buf draft;
	read_in(d, "drafts/" NAME, &draft);
	d->title = "Second";
	assert_false(sign(d).published);
	scratch_write(d->tree, "drafts/" NAME, draft.data, draft.len);
	only(d, (const char *const[]){ "bob", "snapshot", "timestamp", NULL });
	assert_true(sign(d).published);
	char *id = verified(d, "repository:lab\tversion:3\tfile:catalog.json\t"
			       "time:2026-01-01T00:00:00Z");
	assert_string_equal(id, bob);
	assert_ok(try_published(d, &e), &e);
	free(id);
	free(bob);
	buf_release(&draft);
	desk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_is_signed),
		cmocka_unit_test(a_signature_that_is_missing_or_wrong_is_made_again),
		cmocka_unit_test(a_key_that_minisign_does_not_know_makes_none),
		cmocka_unit_test(what_waits_for_signatures_keeps_a_draft),
		cmocka_unit_test(a_draft_of_another_catalog_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
