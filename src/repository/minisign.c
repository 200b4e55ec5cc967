#include "repository/minisign.h"

#include "catalog/catalog.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define NAME CATALOG_TARGET MINISIG_SUFFIX
#define UNTRUSTED "catalog of %s, signed by Model Ferry with targets key %s"

/* ---- keys ---- */

void repository_keys_release(struct repository_keys *k)
{
	for (size_t i = 0; i < k->count; i++)
		tuf_key_free(k->at[i]);
	free(k->at);
	*k = (struct repository_keys){ 0 };
}

/* In the order of the document, because the parsed role is sorted. */
void repository_minisign_keys_of(const struct published *tree, struct repository_keys *out)
{
	const json_t *roles = json_object_get(tree->root->body, "roles");
	json_t *id;
	size_t i;
	json_array_foreach (json_object_get(json_object_get(roles, "targets"), "keyids"), i, id) {
		const struct tuf_key *key = tuf_keys_find(&tree->root->keys, json_string_value(id));
		if (!key || !minisig_fits(key))
			continue;
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = tuf_key_copy(key);
	}
}

static int load_keys(const char *dir, struct repository_keys *out, struct err *e)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	int rc = published_load_roots(metadata, &tree, e);
	if (rc == 0)
		repository_minisign_keys_of(&tree, out);
	return rc;
}

static struct signer *open_signer(const struct keyring_signers *s, const struct tuf_key *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (digest_equal(&s->at[i]->key->identity, &key->identity))
			return s->at[i];
	return NULL;
}

/* Opens the first of the wanted keys that is in the keyring. */
static int open_first(const struct repository_keys *wanted, struct keyring *keys,
		      struct keyring_signers *opened, struct signer **out, struct err *e)
{
	static const char *const by_name[] = { NULL };
	for (size_t i = 0; i < wanted->count; i++) {
		CLEANUP(str_list_release) struct str_list id = { 0 };
		str_list_add(&id, wanted->at[i]->id);
		int rc = keyring_open(keys, &id, by_name, opened, e);
		if (rc < 0)
			return rc;
		*out = open_signer(opened, wanted->at[i]);
		if (*out)
			return 0;
	}
	err_set(e, ERR_NOT_FOUND, "%s contains no Ed25519 key of the role targets", keys->dir);
	return err_hint(e, "minisign supports only Ed25519; `ferry catalog key list` lists the "
			   "keys of a folder");
}

int repository_minisign_open(const char *dir, struct keyring *keys, struct keyring_signers *opened,
			     struct signer **out, struct err *e)
{
	CLEANUP(repository_keys_release) struct repository_keys wanted = { 0 };
	int rc = load_keys(dir, &wanted, e);
	return rc < 0 ? rc : open_first(&wanted, keys, opened, out, e);
}

/* ---- files ---- */

static char *published_path(const char *dir)
{
	return path_join(dir, NAME);
}

static char *draft_path(const char *dir)
{
	return path_join(dir, "drafts/" NAME);
}

/* A missing or malformed one counts as none. */
static bool load(const char *path, struct buf *text, struct minisig *out)
{
	struct err none = ERR_INIT;
	return file_read_all(path, text, &none) == 0 &&
	       minisig_parse(buf_str(text), text->len, path, out, &none) == 0;
}

/* ---- signing ---- */

char *repository_minisign_comment(const char *name, uint64_t version, const char *file,
				  int64_t now_s)
{
	char time[TIME_TEXT];
	format_time(time, now_s);
	return mem_printf("repository:%s\tversion:%llu\tfile:%s\ttime:%s", name,
			  (unsigned long long)version, file, time);
}

/* Is it the comment of this version, whatever its time? */
static bool is_current(const struct repository_minisign *m, const struct minisig *sig)
{
	CLEANUP(mem_free_ptr) char *want = repository_minisign_comment(m->name, m->version,
								       CATALOG_TARGET, m->now_s);
	size_t len = strlen(want) - strlen("0000-00-00T00:00:00Z");
	return strncmp(sig->trusted, want, len) == 0;
}

static int write_new(const struct repository_minisign *m, struct signer *s, const char *path,
		     struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *trusted = repository_minisign_comment(m->name, m->version,
									  CATALOG_TARGET, m->now_s);
	CLEANUP(mem_free_ptr) char *untrusted = mem_printf(UNTRUSTED, m->name, s->key->id);
	int rc = minisig_sign(s, m->catalog, m->catalog_len, untrusted, trusted, &text, e);
	if (rc < 0)
		return err_context(e, "signing %s", path);
	rc = file_mkdirs_for(path, FILE_PUBLIC_DIR_MODE, e);
	return rc < 0 ? rc : file_write_atomic(path, text.data, text.len, FILE_PUBLIC_MODE, e);
}

/* The index of the key that made the signature; the count if it is not in the list. minisign's
 * key ids are the beginning of ours. */
static size_t rank(const struct str_list *keyids, const struct minisig *sig)
{
	uint8_t raw[DIGEST_SIZE];
	for (size_t i = 0; i < keyids->count; i++) {
		size_t same = 0;
		if (!hex_decode(raw, sizeof raw, keyids->at[i], false))
			continue;
		while (same < MINISIG_KEY_ID && raw[same] == sig->key_id[MINISIG_KEY_ID - 1 - same])
			same++;
		if (same == MINISIG_KEY_ID)
			return i;
	}
	return keyids->count;
}

static struct signer *signer_by_id(const struct keyring_signers *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->at[i]->key->id, id) == 0 && minisig_fits(s->at[i]->key))
			return s->at[i];
	return NULL;
}

int repository_minisign_draft(const struct repository_minisign *m, const struct str_list *keyids,
			      struct err *e)
{
	CLEANUP(minisig_release) struct minisig have = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = draft_path(m->dir);
	size_t before = load(path, &text, &have) && is_current(m, &have) ? rank(keyids, &have)
									 : keyids->count;
	/* A signature by an earlier key is kept; the end checks whether it still matches the
	 * catalog. */
	for (size_t i = 0; i < keyids->count && i <= before; i++) {
		struct signer *s = signer_by_id(m->signers, keyids->at[i]);
		if (s)
			return write_new(m, s, path, e);
	}
	return 0;
}

/* ---- settling ---- */

/* The candidates. */
struct choice {
	struct repository_keys keys;
	struct buf published_text, draft_text;
	struct minisig published, draft; /* trusted NULL: none */
};

static void choice_release(struct choice *c)
{
	repository_keys_release(&c->keys);
	buf_release(&c->published_text);
	buf_release(&c->draft_text);
	minisig_release(&c->published);
	minisig_release(&c->draft);
}

static bool verifies(const struct repository_minisign *m, const struct minisig *sig,
		     const struct tuf_key *key)
{
	return sig->trusted && minisig_verify(sig, key, m->catalog, m->catalog_len);
}

static bool verifies_with_any(const struct repository_minisign *m, const struct choice *c,
			      const struct minisig *sig)
{
	for (size_t i = 0; i < c->keys.count; i++)
		if (verifies(m, sig, c->keys.at[i]))
			return true;
	return false;
}

/* The first key that has signed, or can sign now; *done tells whether it has. */
static int take_best(const struct repository_minisign *m, const struct choice *c, const char *path,
		     bool *done, struct err *e)
{
	*done = true;
	for (size_t i = 0; i < c->keys.count; i++) {
		struct signer *s = open_signer(m->signers, c->keys.at[i]);
		if (verifies(m, &c->draft, c->keys.at[i]) && is_current(m, &c->draft))
			return file_write_atomic(path, c->draft_text.data, c->draft_text.len,
						 FILE_PUBLIC_MODE, e);
		if (s)
			return write_new(m, s, path, e);
	}
	*done = false;
	return 0;
}

static int make_one(const struct repository_minisign *m, const struct choice *c, const char *path,
		    bool *changed, struct err *e)
{
	bool valid = verifies_with_any(m, c, &c->published), done;
	struct err none = ERR_INIT;
	struct signer *s;
	int rc = take_best(m, c, path, &done, e);
	if (rc == 0 && !done && !valid &&
	    open_first(&c->keys, m->keys, m->signers, &s, &none) == 0) {
		rc = write_new(m, s, path, e);
		done = true;
	} else if (none.class && !err_is(&none, ERR_NOT_FOUND)) {
		*e = none;
		return -(int)e->class;
	}
	/* No signature is better than one of another catalog. */
	if (rc == 0 && !done && !valid && file_exists(path)) {
		rc = file_remove(path, e);
		done = true;
	}
	*changed |= done;
	return rc;
}

int repository_minisign_settle(const struct repository_minisign *m, bool *changed, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = published_path(m->dir);
	CLEANUP(mem_free_ptr) char *draft = draft_path(m->dir);
	CLEANUP(mem_free_ptr) char *drafts = path_dir(draft);
	CLEANUP(choice_release) struct choice c = {
		.published_text = BUF_INIT(MINISIG_MAX_BYTES),
		.draft_text = BUF_INIT(MINISIG_MAX_BYTES),
	};
	int rc = load_keys(m->dir, &c.keys, e);
	if (rc < 0)
		return rc;
	load(path, &c.published_text, &c.published);
	load(draft, &c.draft_text, &c.draft);
	if (!verifies_with_any(m, &c, &c.published) || !is_current(m, &c.published))
		rc = make_one(m, &c, path, changed, e);
	if (rc == 0)
		rc = file_remove(draft, e);
	if (rc == 0)
		file_remove_dir_if_empty(drafts);
	return rc;
}

/* ---- for readers ---- */

static size_t find_present(const char *dir, const struct repository_keys *keys)
{
	CLEANUP(minisig_release) struct minisig sig = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MINISIG_MAX_BYTES);
	CLEANUP(buf_release) struct buf catalog = BUF_INIT(CATALOG_MAX_BYTES);
	CLEANUP(mem_free_ptr) char *path = published_path(dir);
	CLEANUP(mem_free_ptr) char *plain = path_join(dir, CATALOG_TARGET);
	struct err none = ERR_INIT;
	if (load(path, &text, &sig) && file_read_all(plain, &catalog, &none) == 0)
		for (size_t i = 0; i < keys->count; i++)
			if (minisig_verify(&sig, keys->at[i], buf_str(&catalog), catalog.len))
				return i;
	return 0;
}

int repository_minisign_keys(const char *dir, struct repository_keys *out, size_t *present,
			     struct err *e)
{
	CLEANUP(repository_keys_release) struct repository_keys keys = { 0 };
	int rc = load_keys(dir, &keys, e);
	if (rc < 0)
		return rc;
	if (keys.count == 0) {
		err_set(e, ERR_NOT_FOUND,
			"%s: the role targets has no Ed25519 key, but minisign supports no other "
			"type",
			dir);
		return err_hint(e, "give targets an Ed25519 key, then sign again");
	}
	*present = find_present(dir, &keys);
	*out = keys;
	keys = (struct repository_keys){ 0 };
	return 0;
}
