#include "repository/keys.h"

#include "repository/writer/published.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

static void add_if_listed(const struct tuf_role *role, const char *name, const char *keyid,
			  struct str_list *out)
{
	for (size_t i = 0; i < role->count; i++)
		if (strcmp(role->keyids[i], keyid) == 0)
			str_list_add(out, name);
}

void repository_key_roles(const char *dir, const char *keyid, struct str_list *out)
{
	CLEANUP(published_release) struct published tree = { 0 };
	CLEANUP(mem_free_ptr) char *metadata = path_join(dir, "metadata");
	struct err unread = ERR_INIT;
	if (published_load_partial(metadata, &tree, &unread) < 0 || !tree.root)
		return;
	for (size_t i = 0; i < TUF_TYPES; i++)
		add_if_listed(&tree.root->roles[tuf_type_order[i]],
			      tuf_type_name(tuf_type_order[i]), keyid, out);
	for (size_t i = 0; i < tree.count; i++) {
		const struct tuf_metadata *m = tree.files[i].m;
		for (size_t k = 0; k < m->delegated_count; k++)
			add_if_listed(&m->delegated[k].role, m->delegated[k].name, keyid, out);
		add_if_listed(&m->bins.role, m->bins.prefix, keyid, out);
	}
}

int repository_check_roles(const char *dir, const char *const *roles, size_t count, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	struct err unread = ERR_INIT;
	if (writer_look(dir, (int64_t)time(NULL), &w, &unread) < 0)
		return 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = writer_keys(w, roles[i], &ids, e);
	return rc;
}

bool repository_is_online(const char *role)
{
	return strcmp(role, "snapshot") == 0 || strcmp(role, "timestamp") == 0;
}

char *repository_name_keys(const struct repository_signing *how, const struct str_list *ids)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	for (size_t i = 0; i < ids->count; i++) {
		const struct keyring_key *known = keyring_by_id(how->names ? how->names : how->keys,
								ids->at[i]);
		buf_addf(&text, "%s", i ? ", " : "");
		if (known)
			buf_addf(&text, "%s (%.16s)", known->name, ids->at[i]);
		else
			buf_addf(&text, "%.16s", ids->at[i]);
	}
	return mem_strdup(buf_str(&text));
}

static void every_signer(struct writer *w, struct str_list *out)
{
	const struct writer_statuses *all;
	struct err ignored = ERR_INIT;
	if (writer_status(w, &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all->count; i++)
		writer_signers(w, all->at[i].role, out);
}

static int wrong_key(const char *dir, const struct repository_signing *how,
		     const struct keyring_key *key, const char *role, const struct str_list *fit,
		     struct err *e)
{
	CLEANUP(str_list_release) struct str_list roles = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	CLEANUP(mem_free_ptr) char *who = repository_name_keys(how, fit);
	repository_key_roles(dir, key->public->id, &roles);
	for (size_t i = 0; i < roles.count; i++)
		buf_addf(&text, "%s%s", i ? " and " : "", roles.at[i]);
	err_set(e, ERR_USAGE, "the key %s (%.16s) may not sign %s; it may sign %s", key->path,
		key->public->id, role ? role : "anything here",
		roles.count ? buf_str(&text) : "nothing in this repository");
	return role ? err_hint(e, "%s may be signed by %.300s", role, who)
		    : err_hint(e, "`ferry catalog status` shows which keys may sign");
}

int repository_check_chosen(const char *dir, struct writer *w, const struct repository_signing *how,
			    const char *const *roles, size_t count, struct err *e)
{
	CLEANUP(str_list_release) struct str_list fit = { 0 };
	for (size_t i = 0; i < count; i++)
		writer_signers(w, roles[i], &fit);
	if (!roles)
		every_signer(w, &fit);
	for (size_t i = 0; i < how->keys->count; i++) {
		const struct keyring_key *key = &how->keys->at[i];
		if (key->chosen && key->public && !str_list_has(&fit, key->public->id))
			return wrong_key(dir, how, key, roles ? roles[0] : NULL, &fit, e);
	}
	return 0;
}

/* The same for keys whose public key became known when they were opened. */
static int check_opened(const char *dir, const struct repository_signing *how,
			const char *const *roles, size_t count, const struct str_list *wanted,
			const struct keyring_signers *opened, struct err *e)
{
	for (size_t i = 0; i < opened->count; i++) {
		const struct signer *s = opened->at[i];
		const struct keyring_key key = { .path = s->name, .public = s->key };
		if (!str_list_has(wanted, s->key->id))
			return wrong_key(dir, how, &key, count ? roles[0] : NULL, wanted, e);
	}
	return 0;
}

int repository_open_keys(const char *dir, const struct repository_signing *how,
			 const char *const *roles, size_t count, const struct str_list *wanted,
			 struct keyring_signers *out, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((count + 1) * sizeof *names);
	static const char *const none[] = { NULL };
	int rc = keyring_open(how->keys, wanted, none, out, e);
	/* Keys without a NAME.pub may still be named after their role. */
	for (size_t i = 0; i < count; i++)
		names[i] = roles[i];
	names[count] = NULL;
	if (rc == 0 && out->count == 0)
		rc = keyring_open(how->keys, wanted, names, out, e);
	return rc < 0 ? rc : check_opened(dir, how, roles, count, wanted, out, e);
}
