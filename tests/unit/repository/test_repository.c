#include "repository/delegate.h"
#include "repository/keys.h"
#include "repository/sign.h"

#include "catalog/manifest.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#define NOW 1767225600 /* 2026-01-01 */
#define DAY 86400

/* A publisher's desk: a tree, keys, and folders of prepared models. */
struct desk {
	char *dir, *tree, *keys_dir;
	struct keyring keys;
	struct buf passphrase;
	struct passphrases passphrases; /* of the run */
	int asked;
	const char *answer;
	int64_t now_s;
	const json_t *mirrors;
	struct repository_signed last; /* of the last run; what is handed out borrows from it */
};

static int answer(void *ctx, const char *path, struct buf *out, struct err *e)
{
	struct desk *d = ctx;
	(void)path, (void)e;
	d->asked++;
	buf_init(out, 100);
	buf_adds(out, d->answer);
	return 0;
}

static void load_keys(struct desk *d)
{
	struct err e = ERR_INIT;
	keyring_release(&d->keys);
	passphrase_release(&d->passphrases);
	assert_ok(keyring_load(d->keys_dir, d->tree, &d->keys, &e), &e);
	d->passphrases = (struct passphrases){ .ask = answer, .ctx = d };
	d->keys.passphrases = &d->passphrases;
}

/* A run of a command: it opens keys anew. */
static struct repository_signing how(struct desk *d)
{
	load_keys(d);
	return (struct repository_signing){
		.name = "lab",
		.title = "The Lab",
		.mirrors = d->mirrors,
		.expiry = writer_expiry_default,
		.now_s = d->now_s,
		.keys = &d->keys,
	};
}

static struct desk *desk_new(void)
{
	struct desk *d = NEW(struct desk);
	d->dir = scratch_new();
	d->tree = path_join(d->dir, "tree");
	d->keys_dir = path_join(d->dir, "keys");
	d->answer = "secret";
	d->now_s = NOW;
	load_keys(d);
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

static struct repository *opened(struct desk *d)
{
	struct err e = ERR_INIT;
	struct repository *r;
	assert_ok(repository_open(d->tree, NULL, &r, &e), &e);
	return r;
}

static struct repository_signed init(struct desk *d)
{
	struct err e = ERR_INIT;
	struct repository_signed s;
	struct repository *r = opened(d);
	struct repository_signing h = how(d);
	assert_ok(repository_init(r, &h, PRIVKEY_ED25519, NULL, &s, &e), &e);
	repository_close(r);
	return keep(d, s);
}

static int try_sign(struct desk *d, struct repository_signed *s, struct err *e)
{
	struct repository *r = opened(d);
	struct repository_signing h = how(d);
	int rc = repository_sign(r, &h, s, e);
	if (rc == 0)
		keep(d, *s);
	repository_close(r);
	return rc;
}

static struct repository_signed sign(struct desk *d)
{
	struct err e = ERR_INIT;
	struct repository_signed s = { 0 };
	assert_ok(try_sign(d, &s, &e), &e);
	return s;
}

/* Writes out/MODEL/ as `ferry prepare` would: a file, its manifest and the card. */
static char *prepared(struct desk *d, const char *model, const char *variant, const char *bytes)
{
	struct err e = ERR_INIT;
	struct manifest m;
	char hex[DIGEST_HEX];
	char *out = mem_printf("%s/out/%s-%s", d->dir, model, variant);
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s-%s.bin", model, variant);
	CLEANUP(mem_free_ptr) char *path = path_join(out, name);
	CLEANUP(mem_free_ptr) char *beside = mem_printf("%s%s", path, MANIFEST_SUFFIX);
	CLEANUP(mem_free_ptr) char *card_name = mem_printf("%s%s", model, CARD_SUFFIX);
	scratch_write(out, name, bytes, strlen(bytes));
	assert_ok(manifest_create(path, NULL, NULL, &m, &e), &e);
	assert_ok(manifest_save(&m, beside, &e), &e);
	CLEANUP(mem_free_ptr) char *card = mem_printf(
		"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"%s\",\"variants\":["
		"{\"id\":\"%s\",\"files\":[{\"path\":\"models/%s/%s\",\"size\":%zu,"
		"\"sha256\":\"%s\"}]}]}",
		model, variant, model, name, strlen(bytes), digest_hex(hex, &m.sha256));
	scratch_write(out, card_name, card, strlen(card));
	manifest_release(&m);
	return out;
}

static int try_add(struct desk *d, const char *path, struct repository_changes *c, struct err *e)
{
	struct repository *r = opened(d);
	const struct repository_adding how = { 0 };
	int rc = repository_model_add(r, path, &how, c, e);
	repository_close(r);
	return rc;
}

static int add(struct desk *d, const char *model, const char *variant, const char *bytes)
{
	struct err e = ERR_INIT;
	struct repository_changes c = { 0 };
	CLEANUP(mem_free_ptr) char *out = prepared(d, model, variant, bytes);
	assert_ok(try_add(d, out, &c, &e), &e);
	assert_int_equal(c.count, 1);
	assert_string_equal(c.at[0].model, model);
	assert_string_equal(c.at[0].variant, variant);
	int what = (int)c.at[0].what;
	repository_changes_release(&c);
	return what;
}

static struct repository_files published(struct desk *d)
{
	struct err e = ERR_INIT;
	struct repository_files f = { 0 };
	assert_ok(repository_published(d->tree, &f, &e), &e);
	return f;
}

static const struct repository_file *ending(const struct repository_files *f, const char *suffix)
{
	for (size_t i = 0; i < f->count; i++)
		if (str_ends(f->at[i].key, suffix))
			return &f->at[i];
	return NULL;
}

static struct catalog catalog_of(struct desk *d)
{
	struct err e = ERR_INIT;
	struct catalog c;
	assert_ok(repository_catalog(d->tree, &c, &e), &e);
	return c;
}

static bool in_tree(struct desk *d, const char *key)
{
	CLEANUP(mem_free_ptr) char *path = path_join(d->tree, key);
	return file_exists(path);
}

static void remove_from(const char *dir, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	assert_int_equal(unlink(path), 0);
}

/* ---- init ---- */

static void init_makes_an_empty_signed_catalog(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	struct repository_signed s = init(d);
	assert_true(s.changed && s.published);
	assert_int_equal(line(s, "root")->version, 1);
	assert_int_equal(line(s, "timestamp")->version, 1);
	assert_int_equal(line(s, "timestamp")->expires_s, NOW + 14 * DAY);
	assert_int_equal(d->keys.count, 4);
	struct catalog c = catalog_of(d);
	assert_string_equal(c.name, "lab");
	assert_string_equal(c.title, "The Lab");
	assert_string_equal(c.updated, "2026-01-01T00:00:00Z");
	assert_int_equal(c.model_count, 0);
	catalog_release(&c);
	assert_true(in_tree(d, "metadata/1.root.json"));
	assert_true(in_tree(d, "catalog.json"));
	assert_false(file_exists("drafts"));
	desk_free(d);
}

static void init_again_is_a_conflict(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository_signed s;
	init(d);
	struct repository *r = opened(d);
	struct repository_signing h = how(d);
	assert_int_equal(repository_init(r, &h, PRIVKEY_ED25519, NULL, &s, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "already contains a repository"));
	repository_close(r);
	desk_free(d);
}

static void init_goes_on_after_a_kill(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	/* Killed after two keys. */
	assert_ok(keyring_new(&d->keys, "root", PRIVKEY_ED25519, NULL, &e), &e);
	assert_ok(keyring_new(&d->keys, "targets", PRIVKEY_ED25519, NULL, &e), &e);
	char *root_id = mem_strdup(keyring_find(&d->keys, "root")->public->id);
	init(d);
	assert_string_equal(keyring_find(&d->keys, "root")->public->id, root_id);
	/* Killed before timestamp.json and the plain catalog were written. */
	CLEANUP(mem_free_ptr) char *metadata = path_join(d->tree, "metadata");
	remove_from(metadata, "timestamp.json");
	remove_from(d->tree, "catalog.json");
	load_keys(d);
	struct repository_signed s = init(d);
	assert_int_equal(line(s, "root")->version, 1);
	assert_true(s.published && in_tree(d, "catalog.json"));
	struct str_list roles = { 0 };
	repository_key_roles(d->tree, root_id, &roles);
	assert_int_equal(roles.count, 1);
	assert_string_equal(roles.at[0], "root");
	str_list_release(&roles);
	free(root_id);
	desk_free(d);
}

/* ---- add and sign ---- */

static void an_added_model_is_published_by_sign(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	init(d);
	assert_int_equal(add(d, "phi-2", "q4", "four bits"), REPOSITORY_ADDED);
	struct catalog c = catalog_of(d);
	assert_int_equal(c.model_count, 0);
	catalog_release(&c);
	struct repository_signed s = sign(d);
	assert_true(s.changed && s.published);
	assert_int_equal(s.models, 1);
	assert_int_equal(s.variants, 1);
	assert_int_equal(line(s, "targets")->version, 2);
	assert_int_equal(line(s, "root")->version, 1);
	c = catalog_of(d);
	const struct card *m = catalog_model(&c, "phi-2");
	assert_non_null(m);
	assert_int_equal(card_variant(m, "q4")->size, 9);
	catalog_release(&c);
	desk_free(d);
}

static void published_files_come_in_the_order_of_publishing(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	init(d);
	add(d, "phi-2", "q4", "four bits");
	sign(d);
	struct repository_files f = published(d);
	for (size_t i = 1; i < f.count; i++)
		assert_true(f.at[i - 1].class <= f.at[i].class);
	assert_string_equal(f.at[f.count - 1].key, "metadata/timestamp.json");
	assert_int_equal(f.at[f.count - 1].class, REPOSITORY_TIMESTAMP);
	assert_string_equal(f.at[f.count - 2].key, "catalog.json");
	assert_string_equal(f.at[f.count - 3].key, "catalog.json.minisig");
	const struct repository_file *model = ending(&f, ".phi-2-q4.bin");
	const struct repository_file *manifest = ending(&f, ".phi-2-q4.bin.manifest.json");
	assert_non_null(model);
	assert_non_null(manifest);
	assert_int_equal(model->size, 9);
	assert_string_equal(model->manifest_key, manifest->key);
	assert_null(manifest->manifest_key);
	/* One root, targets and snapshot; model, manifest, card; the catalog, the index and
	 * repository.json; two pointers; timestamp. */
	assert_int_equal(f.count, 12);
	for (size_t i = 0; i < f.count; i++) {
		struct err e = ERR_INIT;
		struct digest have;
		uint64_t size;
		CLEANUP(mem_free_ptr) char *path = path_join(d->tree, f.at[i].key);
		assert_ok(sha256_of_file(path, NULL, &have, &size, &e), &e);
		assert_true(digest_equal(&have, &f.at[i].sha256));
		assert_int_equal(size, f.at[i].size);
	}
	repository_files_release(&f);
	desk_free(d);
}

static void signing_nothing_new_needs_no_key(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository_signed s;
	struct repository *r = opened(d);
	struct repository_signing h = how(d);
	buf_init(&d->passphrase, 100);
	buf_adds(&d->passphrase, "secret");
	assert_ok(repository_init(r, &h, PRIVKEY_ED25519, &d->passphrase, &s, &e), &e);
	keep(d, s);
	repository_close(r);
	assert_int_equal(d->asked, 0); /* who made the keys has them */
	assert_int_equal(d->passphrases.decryptions, 0);
	buf_wipe(&d->passphrase);
	add(d, "phi-2", "q4", "four bits");
	sign(d);
	assert_int_equal(d->asked, 1);
	assert_int_equal(d->passphrases.decryptions, 3); /* not root */
	d->now_s += 5 * DAY;
	s = sign(d);
	assert_int_equal(d->asked, 1);
	assert_int_equal(d->passphrases.decryptions, 0);
	assert_false(s.changed);
	assert_true(s.published);
	assert_int_equal(line(s, "targets")->version, 2);
	assert_int_equal(line(s, "timestamp")->expires_s, NOW + 14 * DAY);
	assert_int_equal(add(d, "phi-2", "q4", "four bits"), REPOSITORY_UNCHANGED);
	assert_false(sign(d).changed);
	assert_int_equal(add(d, "phi-2", "q4", "4 bits"), REPOSITORY_REPLACED);
	d->answer = "wrong";
	assert_int_equal(try_sign(d, &s, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "wrong passphrase"));
	struct catalog c = catalog_of(d);
	assert_int_equal(catalog_model(&c, "phi-2")->variants[0].size, 9);
	catalog_release(&c);
	d->answer = "secret";
	assert_int_equal(line(sign(d), "targets")->version, 3);
	desk_free(d);
}

/* Also one that signs for several roles, or that is wanted at several steps. */
static void a_key_is_decrypted_once_in_a_run(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository_signed s;
	struct repository *r = opened(d);
	struct repository_signing h = how(d);
	buf_init(&d->passphrase, 100);
	buf_adds(&d->passphrase, "secret");
	assert_ok(repository_init(r, &h, PRIVKEY_ED25519, &d->passphrase, &s, &e), &e);
	keep(d, s);
	buf_wipe(&d->passphrase);
	CLEANUP(mem_free_ptr) char *public = path_join(d->keys_dir, "targets.pub");
	const struct repository_delegation community = {
		.name = "community",
		.threshold = 1,
		.key_count = 1,
		.path_count = 1,
		.paths = (const char *const[]){ "models/community-*/*" },
		.key_files = (const char *const[]){ public },
	};
	assert_ok(repository_delegate(r, &community, &e), &e);
	repository_close(r);
	s = sign(d);
	assert_true(s.published);
	assert_int_equal(line(s, "targets")->version, 2);
	assert_int_equal(d->asked, 1);
	assert_int_equal(d->passphrases.decryptions, 3); /* targets, snapshot, timestamp */
	desk_free(d);
}

static void mirrors_and_plans_of_the_source(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	init(d);
	add(d, "phi-2", "q4", "four bits");
	static const char planned[] =
		"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"next\","
		"\"variants\":[{\"id\":\"q4\",\"files\":[]}]}";
	CLEANUP(mem_free_ptr) char *cards = path_join(d->tree, "cards");
	scratch_write(cards, "next.card.json", planned, strlen(planned));
	json_t *mirrors = json_pack("[{s:s,s:s,s:s,s:i,s:s}]", "id", "a", "kind", "http", "url",
				    "https://a.org", "priority", 10, "holds", "all");
	d->mirrors = mirrors;
	struct repository_signed s = sign(d);
	assert_int_equal(s.models, 1);
	assert_int_equal(s.planned, 1);
	d->mirrors = NULL;
	assert_false(sign(d).changed); /* NULL keeps them */
	struct catalog c = catalog_of(d);
	assert_int_equal(c.mirror_count, 1);
	assert_null(catalog_model(&c, "next"));
	catalog_release(&c);
	json_decref(mirrors);
	desk_free(d);
}

/* ---- what add refuses ---- */

static void refused(struct desk *d, const char *out, int class, const char *text)
{
	struct err e = ERR_INIT;
	struct repository_changes c = { 0 };
	assert_int_equal(try_add(d, out, &c, &e), -class);
	if (!strstr(e.text, text))
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
	assert_true(e.hint[0] || class == ERR_USAGE || strstr(e.text, "but missing"));
	assert_int_equal(c.count, 0);
	assert_false(in_tree(d, "cards/m.card.json"));
	assert_false(in_tree(d, "targets/models"));
}

static void add_refuses_what_does_not_agree(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	init(d);
	CLEANUP(mem_free_ptr) char *out = prepared(d, "m", "q4", "right bytes");
	scratch_write(out, "m-q4.bin", "wrong bytes", 11);
	refused(d, out, ERR_INTEGRITY, "the first wrong piece is 0");
	scratch_write(out, "m-q4.bin", "short", 5);
	refused(d, out, ERR_INTEGRITY, "has 5 bytes, but 11 according to its manifest");
	remove_from(out, "m-q4.bin");
	refused(d, out, ERR_NOT_FOUND, "m-q4.bin");
	remove_from(out, "m-q4.bin.manifest.json");
	refused(d, out, ERR_NOT_FOUND, "the manifest");
	free(STEAL(out));
	CLEANUP(mem_free_ptr) char *other = prepared(d, "m", "q4", "other bytes");
	CLEANUP(mem_free_ptr) char *from = path_join(other, "m-q4.bin.manifest.json");
	CLEANUP(mem_free_ptr) char *again = prepared(d, "x", "q4", "unlike the others");
	CLEANUP(mem_free_ptr) char *foreign = path_join(again, "x-q4.bin.manifest.json");
	struct err e = ERR_INIT;
	assert_ok(file_copy(foreign, from, 0644, NULL, &e), &e);
	refused(d, other, ERR_INTEGRITY, "is not the manifest of the file");
	remove_from(other, "m.card.json");
	refused(d, other, ERR_NOT_FOUND, "contains no *.card.json");
	desk_free(d);
}

static void add_merges_into_the_card_of_a_person(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	init(d);
	static const char written[] = "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\","
				      "\"title\":\"By hand\",\"variants\":[{\"id\":\"q4\","
				      "\"summary\":\"planned\",\"files\":[]}]}";
	CLEANUP(mem_free_ptr) char *cards = path_join(d->tree, "cards");
	scratch_write(cards, "m.card.json", written, strlen(written));
	assert_int_equal(add(d, "m", "q4", "bytes"), REPOSITORY_ADDED);
	assert_int_equal(add(d, "m", "q8", "more bytes"), REPOSITORY_ADDED);
	struct repository_cards c;
	assert_ok(repository_cards_load(d->tree, &c, &e), &e);
	assert_int_equal(c.count, 1);
	assert_string_equal(c.at[0].title, "By hand");
	assert_int_equal(c.at[0].variant_count, 2);
	assert_string_equal(json_string_value(json_object_get(c.at[0].variants[0].json, "summary")),
			    "planned");
	assert_int_equal(c.at[0].variants[0].file_count, 1);
	repository_cards_release(&c);
	desk_free(d);
}

/* ---- remove and gc ---- */

static void remove_takes_effect_with_sign(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	init(d);
	add(d, "phi-2", "q4", "four bits");
	add(d, "phi-2", "q8", "eight bits");
	add(d, "tiny", "q8", "tiny bits");
	sign(d);
	struct repository *r = opened(d);
	assert_int_equal(repository_model_remove(r, "phi2", NULL, NULL, NULL, &e), -ERR_NOT_FOUND);
	assert_string_equal(e.hint, "did you mean 'phi-2'?");
	err_clear(&e);
	assert_int_equal(repository_model_remove(r, "phi-2", "q5", NULL, NULL, &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_ok(repository_model_remove(r, "phi-2", "q4", NULL, NULL, &e), &e);
	assert_ok(repository_model_remove(r, "tiny", NULL, NULL, NULL, &e), &e);
	repository_close(r);
	struct catalog c = catalog_of(d);
	assert_int_equal(c.model_count, 2);
	catalog_release(&c);
	assert_int_equal(sign(d).variants, 1);
	c = catalog_of(d);
	assert_int_equal(c.model_count, 1);
	assert_null(card_variant(catalog_model(&c, "phi-2"), "q4"));
	catalog_release(&c);
	struct repository_files f = published(d);
	assert_null(ending(&f, ".phi-2-q4.bin"));
	assert_non_null(ending(&f, ".phi-2-q8.bin"));
	repository_files_release(&f);
	desk_free(d);
}

static void files_are_found_by_key(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	init(d);
	add(d, "m", "q4", "four bits");
	sign(d);
	struct repository_files f = published(d);
	assert_true(f.count > 4);
	for (size_t i = 0; i < f.count; i++)
		assert_ptr_equal(repository_files_find(&f, f.at[i].key), &f.at[i]);
	assert_null(repository_files_find(&f, "metadata/2.root.json"));
	assert_null(repository_files_find(&f, ""));
	repository_files_release(&f);
	desk_free(d);
}

static void gc_keeps_what_late_readers_need(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	init(d);
	add(d, "m", "q4", "four bits");
	add(d, "m", "q8", "eight bits");
	sign(d);
	struct repository_files f = published(d);
	char *old = mem_strdup(ending(&f, ".m-q4.bin")->key);
	repository_files_release(&f);
	struct repository *r = opened(d);
	assert_ok(repository_model_remove(r, "m", "q4", NULL, NULL, &e), &e);
	repository_close(r);
	sign(d);
	add(d, "new", "q8", "not signed yet");
	struct repository_gc gc;
	r = opened(d);
	assert_ok(repository_gc(r, 1, false, &gc, &e), &e);
	assert_true(in_tree(d, old));
	/* Of version 1 only its empty catalog and index, and its metadata. */
	assert_int_equal(gc.objects, 2);
	assert_false(in_tree(d, "metadata/1.targets.json"));
	assert_ok(repository_gc(r, 0, true, &gc, &e), &e);
	assert_int_equal(gc.objects, 5); /* the file, its manifest, card, index, catalog */
	assert_true(in_tree(d, old));
	assert_ok(repository_gc(r, 0, false, &gc, &e), &e);
	assert_int_equal(gc.objects, 5);
	assert_false(in_tree(d, old));
	assert_ok(repository_gc(r, 0, false, &gc, &e), &e);
	assert_int_equal(gc.objects + gc.metadata + gc.others, 0);
	repository_close(r);
	assert_int_equal(sign(d).models, 2); /* what was added only was kept */
	f = published(d);
	repository_files_release(&f);
	free(old);
	desk_free(d);
}

/* ---- trouble ---- */

static void a_sign_that_was_killed_is_completed(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository_files f = { 0 };
	init(d);
	add(d, "m", "q4", "four bits");
	sign(d);
	scratch_write(d->tree, "catalog.json", "{}", 2);
	assert_int_equal(repository_published(d->tree, &f, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.hint, "run it again"));
	assert_true(sign(d).changed);
	f = published(d);
	repository_files_release(&f);
	/* A targets file that no snapshot names. */
	CLEANUP(mem_free_ptr) char *metadata = path_join(d->tree, "metadata");
	scratch_write(metadata, "3.targets.json", "{", 1);
	add(d, "m", "q8", "eight bits");
	assert_int_equal(line(sign(d), "targets")->version, 3);
	f = published(d);
	repository_files_release(&f);
	desk_free(d);
}

static void one_process_at_a_time(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository *first = opened(d), *second;
	assert_int_equal(repository_open(d->tree, NULL, &second, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "another process is changing this repository"));
	repository_close(first);
	repository_close(opened(d));
	desk_free(d);
}

static void an_unsigned_tree_says_so(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository_signed s;
	struct repository_files f;
	struct catalog c;
	assert_int_equal(try_sign(d, &s, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.hint, "ferry catalog init"));
	err_clear(&e);
	assert_int_equal(repository_published(d->tree, &f, &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(repository_catalog(d->tree, &c, &e), -ERR_NOT_FOUND);
	desk_free(d);
}

static void refresh_needs_two_keys_only(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct desk *d = desk_new();
	struct repository_signed s;
	init(d);
	remove_from(d->keys_dir, "root.pem");
	remove_from(d->keys_dir, "targets.pem");
	/* Without its public part a key is known by its name. */
	remove_from(d->keys_dir, "snapshot.pub");
	load_keys(d);
	d->now_s = NOW + 20 * DAY;
	struct repository *r = opened(d);
	struct repository_signing h = how(d);
	assert_ok(repository_refresh(r, &h, &s, &e), &e);
	keep(d, s);
	repository_close(r);
	assert_int_equal(line(s, "targets")->version, 1);
	assert_int_equal(line(s, "snapshot")->version, 2);
	assert_int_equal(line(s, "timestamp")->version, 2);
	assert_int_equal(line(s, "timestamp")->expires_s, d->now_s + 14 * DAY);
	load_keys(d);
	assert_non_null(keyring_find(&d->keys, "snapshot")->public);
	add(d, "m", "q4", "bytes");
	assert_int_equal(try_sign(d, &s, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "targets"));
	desk_free(d);
}

static void sign_renews_what_would_expire(void **state)
{
	(void)state;
	struct desk *d = desk_new();
	init(d);
	d->now_s = NOW + 334 * DAY;
	assert_false(sign(d).changed);
	d->now_s = NOW + 336 * DAY;
	struct repository_signed s = sign(d);
	assert_true(s.changed);
	assert_int_equal(line(s, "targets")->version, 2);
	assert_int_equal(line(s, "targets")->expires_s, d->now_s + 365 * DAY);
	assert_int_equal(line(s, "root")->version, 1);
	assert_false(sign(d).changed);
	struct catalog c = catalog_of(d);
	assert_string_equal(c.updated, "2026-01-01T00:00:00Z");
	catalog_release(&c);
	desk_free(d);
}

static void keys_stay_out_of_the_tree(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct keyring k;
	assert_int_equal(keyring_load("tree/keys", "tree", &k, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "inside the tree"));
	err_clear(&e);
	assert_int_equal(keyring_load("tree", "tree", &k, &e), -ERR_USAGE);
	err_clear(&e);
	assert_ok(keyring_load("tree-keys", "tree", &k, &e), &e);
	keyring_release(&k);
}

static void lint_looks_into_the_tree(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct lint_findings f = { 0 };
	struct repository_signed s;
	struct desk *d = desk_new();
	init(d);
	add(d, "m", "q4", "four bits");
	assert_ok(repository_lint(d->tree, NULL, NULL, NULL, &f, &e), &e);
	assert_int_equal(f.levels[LINT_ERROR], 0);
	lint_release(&f);
	CLEANUP(mem_free_ptr) char *cards = path_join(d->tree, "cards");
	CLEANUP(str_list_release) struct str_list manifests = { 0 };
	CLEANUP(mem_free_ptr) char *folder = path_join(cards, "m");
	assert_ok(file_list_dir(folder, &manifests, &e), &e);
	remove_from(folder, manifests.at[0]);
	scratch_write(cards, "bad.card.json", "{", 1);
	assert_ok(repository_lint(d->tree, NULL, NULL, NULL, &f, &e), &e);
	assert_int_equal(f.levels[LINT_ERROR], 2);
	assert_string_equal(f.at[0].where, "bad.card.json");
	lint_release(&f);
	assert_int_equal(try_sign(d, &s, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "bad.card.json"));
	desk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_makes_an_empty_signed_catalog),
		cmocka_unit_test(init_again_is_a_conflict),
		cmocka_unit_test(init_goes_on_after_a_kill),
		cmocka_unit_test(an_added_model_is_published_by_sign),
		cmocka_unit_test(published_files_come_in_the_order_of_publishing),
		cmocka_unit_test(signing_nothing_new_needs_no_key),
		cmocka_unit_test(a_key_is_decrypted_once_in_a_run),
		cmocka_unit_test(mirrors_and_plans_of_the_source),
		cmocka_unit_test(add_refuses_what_does_not_agree),
		cmocka_unit_test(add_merges_into_the_card_of_a_person),
		cmocka_unit_test(remove_takes_effect_with_sign),
		cmocka_unit_test(files_are_found_by_key),
		cmocka_unit_test(gc_keeps_what_late_readers_need),
		cmocka_unit_test(a_sign_that_was_killed_is_completed),
		cmocka_unit_test(one_process_at_a_time),
		cmocka_unit_test(an_unsigned_tree_says_so),
		cmocka_unit_test(refresh_needs_two_keys_only),
		cmocka_unit_test(sign_renews_what_would_expire),
		cmocka_unit_test(keys_stay_out_of_the_tree),
		cmocka_unit_test(lint_looks_into_the_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
