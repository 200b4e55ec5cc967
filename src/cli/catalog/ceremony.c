#include "cli/catalog/ceremony.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

#define PATHS_SHOWN 10

void ceremony_desk_release(struct ceremony_desk *d)
{
	place_release(&d->place);
	keyring_release(&d->names);
	keyring_release(&d->keys);
	place_ask_release(&d->ask);
	mem_free_ptr(&d->named);
}

bool ceremony_is_copy(const struct place *p)
{
	CLEANUP(mem_free_ptr) char *metadata = path_join(p->dir, "metadata");
	CLEANUP(mem_free_ptr) char *objects = path_join(p->dir, "targets");
	return file_is_dir(metadata) && !file_is_dir(objects);
}

/* Names are a help: a folder of keys that cannot be read is no reason to stop here. */
static void load_names(struct ceremony_desk *d)
{
	struct err ignored = ERR_INIT;
	if (d->place.keys && keyring_load(d->place.keys, d->place.dir, &d->names, &ignored) < 0)
		d->names = (struct keyring){ 0 };
}

static int load_signers(struct ceremony_desk *d, const struct ceremony_opts *o, struct err *e)
{
	if (o->signers.count == 0 && !d->place.keys && d->copy) {
		err_set(e, ERR_USAGE, "it is not said which key is to sign");
		return err_hint(e, "name it with --key FILE, or its folder with --keys DIR");
	}
	if (o->signers.count == 0)
		return place_keyring(&d->place, &d->keys, e);
	int rc = keyring_pick(&d->names, o->signers.at, o->signers.count, &d->keys, e);
	keyring_learn(&d->names, &d->keys);
	return rc == -ERR_NOT_FOUND ? err_class_set(e, ERR_USAGE) : rc;
}

/* Every later root is verified from the first on: a forged copy begins with another one, to hide
 * what the root that waits changes. */
static int check_first_root(const struct place *p, const char *hex, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(p->dir, "metadata/1.root.json");
	struct digest want, have;
	uint64_t size;
	if (!digest_parse(&want, hex))
		return err_set(e, ERR_USAGE, "--root-sha256: 64 hexadecimal digits are wanted");
	int rc = sha256_of_file(path, NULL, &have, &size, e);
	if (rc < 0 || digest_equal(&want, &have))
		return rc;
	err_set(e, ERR_INTEGRITY, "%s: it is not the first root that has this SHA-256", path);
	return err_hint(e, "it is of another repository, or forged: sign nothing of it");
}

int ceremony_desk_open(struct cli *cli, const struct ceremony_opts *o, bool signs,
		       struct ceremony_desk *d, struct err *e)
{
	int rc = place_load(cli, &o->common, &d->place, e);
	if (rc == 0 && o->root_sha256)
		rc = check_first_root(&d->place, o->root_sha256, e);
	if (rc < 0)
		return rc;
	d->copy = ceremony_is_copy(&d->place);
	d->named = o->common.dir ? mem_strdup(o->common.dir) : NULL;
	load_names(d);
	if (signs && (rc = load_signers(d, o, e)) < 0)
		return rc;
	const struct place *p = &d->place;
	place_ask_init(&d->ask, cli, p->passphrase_file);
	d->keys.passphrases = &d->ask.passphrases;
	d->keys.cancel = cli->cancel;
	d->how = (struct repository_signing){
		.name = p->name, .title = p->title, .mirrors = p->mirrors, .expiry = p->expiry,
		.now_s = time(NULL), .keys = &d->keys, .names = &d->names,
	};
	return 0;
}

/* ---- who must sign ---- */

int ceremony_status(const struct place *p, struct writer_statuses *out,
		    struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_look(p->dir, time(NULL), &w, e);
	return rc < 0 ? rc : writer_status_take(w, out, e);
}

bool ceremony_lacks(const struct writer_status *s)
{
	return s->waiting && (s->valid < s->threshold || s->old_valid < s->old_threshold);
}

size_t ceremony_lacking(const struct writer_statuses *all, const struct opt_list *roles)
{
	size_t count = 0;
	for (size_t i = 0; i < all->count; i++) {
		bool asked = roles->count == 0;
		for (size_t k = 0; k < roles->count; k++)
			asked |= strcmp(roles->at[k], all->at[i].role) == 0;
		count += asked && ceremony_lacks(&all->at[i]);
	}
	return count;
}

const char *ceremony_name(const struct keyring *names, const char *keyid)
{
	const struct keyring_key *key = keyring_by_id(names, keyid);
	return key ? key->name : NULL;
}

/* ids of both roots, each once */
static void all_keys(const struct writer_status *s, struct str_list *out)
{
	for (size_t i = 0; i < s->keyids.count; i++)
		str_list_add(out, s->keyids.at[i]);
	for (size_t i = 0; i < s->old_keyids.count; i++)
		if (!str_list_has(out, s->old_keyids.at[i]))
			str_list_add(out, s->old_keyids.at[i]);
}

json_t *ceremony_keys_json(const struct writer_status *s, const struct keyring *names)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	json_t *keys = json_array();
	all_keys(s, &ids);
	for (size_t i = 0; i < ids.count; i++) {
		json_t *key = json_object();
		json_put_string(key, "id", ids.at[i]);
		json_put_string(key, "name", ceremony_name(names, ids.at[i]));
		json_put_bool(key, "signed", str_list_has(&s->signed_by, ids.at[i]));
		if (s->old_threshold) {
			json_put_bool(key, "old", str_list_has(&s->old_keyids, ids.at[i]));
			json_put_bool(key, "new", str_list_has(&s->keyids, ids.at[i]));
		}
		json_push(keys, key);
	}
	return keys;
}

json_t *ceremony_ids_json(const struct str_list *ids, const struct keyring *names)
{
	json_t *array = json_array();
	for (size_t i = 0; i < ids->count; i++) {
		json_t *key = json_object();
		json_put_string(key, "id", ids->at[i]);
		json_put_string(key, "name", ceremony_name(names, ids->at[i]));
		json_push(array, key);
	}
	return array;
}

static json_t *changes_json(const struct writer_changes *changes,
			    const struct keyring *names)
{
	json_t *array = json_array();
	for (size_t i = 0; i < changes->count; i++) {
		const struct writer_change *c = &changes->at[i];
		json_t *object = json_object();
		json_put_string(object, "role", c->role);
		json_put(object, "added", ceremony_ids_json(&c->added, names));
		json_put(object, "removed", ceremony_ids_json(&c->removed, names));
		json_put_u64(object, "old_threshold", c->old_threshold);
		json_put_u64(object, "threshold", c->threshold);
		json_push(array, object);
	}
	return array;
}

static json_t *waiting_json(const struct writer_status *s, const struct keyring *names)
{
	json_t *object = json_object();
	json_put_string(object, "role", s->role);
	json_put_u64(object, "version", s->version);
	json_put_bool(object, "complete", !ceremony_lacks(s));
	json_put_u64(object, "threshold", s->threshold);
	json_put_u64(object, "signatures", s->valid);
	if (s->old_threshold) {
		json_put_u64(object, "old_threshold", s->old_threshold);
		json_put_u64(object, "old_signatures", s->old_valid);
	}
	json_put(object, "keys", ceremony_keys_json(s, names));
	if (s->added.count || s->removed.count || s->changed.count) {
		json_t *files = json_object();
		json_put(files, "added", json_strings(&s->added));
		json_put(files, "removed", json_strings(&s->removed));
		json_put(files, "changed", json_strings(&s->changed));
		json_put(object, "files", files);
	}
	if (s->delegations)
		json_put_bool(object, "delegations_changed", true);
	return object;
}

json_t *ceremony_waiting_json(const struct writer_statuses *all, const struct keyring *names)
{
	json_t *array = json_array();
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].waiting)
			json_push(array, waiting_json(&all->at[i], names));
	if (all->changes.count)
		json_put(json_array_get(array, 0), "changes", changes_json(&all->changes, names));
	return array;
}

/* ---- for people ---- */

static void print_count(struct cli *cli, const struct writer_status *s)
{
	unsigned long long version = s->version, published = s->published;
	if (!ceremony_lacks(s))
		cli_print_line(cli, "%s %llu has its signatures and waits for the others", s->role,
			       version);
	else if (s->old_threshold)
		cli_print_line(cli, "%s %llu waits: %u of %u signatures by its own keys, %u of %u by "
			       "those of version %llu", s->role, version, s->valid, s->threshold,
			       s->old_valid, s->old_threshold, published);
	else
		cli_print_line(cli, "%s %llu waits: %u of %u signatures", s->role, version, s->valid,
			       s->threshold);
}

static void add_change(struct buf *text, const char *verb, const struct str_list *ids,
		       const struct keyring *names)
{
	for (size_t i = 0; i < ids->count; i++) {
		const char *name = ceremony_name(names, ids->at[i]);
		buf_addf(text, "%s%s %.16s%s%s", text->len ? ", " : "", verb, ids->at[i],
			 name ? " " : "", name ? name : "");
	}
}

/* Who signs a root should know what it says. */
static void print_changes(struct cli *cli, const struct writer_changes *changes,
			  const struct keyring *names)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct writer_change *c = &changes->at[i];
		CLEANUP(buf_release) struct buf text = BUF_INIT(256 * KIB);
		add_change(&text, "adds", &c->added, names);
		add_change(&text, "removes", &c->removed, names);
		if (c->threshold != c->old_threshold)
			buf_addf(&text, "%sthreshold %llu instead of %llu", text.len ? ", " : "",
				 (unsigned long long)c->threshold,
				 (unsigned long long)c->old_threshold);
		cli_print_line(cli, "  for %s: %s", c->role, buf_str(&text));
	}
	if (changes->count == 0)
		cli_print(cli, "  changes no keys\n");
}

static void print_paths(struct cli *cli, const char *verb, const struct str_list *paths)
{
	size_t shown = paths->count > PATHS_SHOWN + 1 ? PATHS_SHOWN : paths->count;
	for (size_t i = 0; i < shown; i++)
		cli_print_line(cli, "  %s %s", verb, paths->at[i]);
	if (shown < paths->count)
		cli_print_line(cli, "  %s %zu more; --json has all", verb, paths->count - shown);
}

/* The same for targets. */
static void print_files(struct cli *cli, const struct writer_status *s)
{
	print_paths(cli, "adds", &s->added);
	print_paths(cli, "removes", &s->removed);
	print_paths(cli, "changes", &s->changed);
	if (s->delegations)
		cli_print_line(cli, "  changes to whom it delegates");
}

static void print_keys(struct cli *cli, const struct writer_status *s,
		       const struct keyring *names)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	all_keys(s, &ids);
	for (size_t i = 0; i < ids.count; i++) {
		const char *name = ceremony_name(names, ids.at[i]), *which = "";
		bool own = str_list_has(&s->keyids, ids.at[i]);
		if (s->old_threshold && !own)
			which = ", goes with this version";
		else if (s->old_threshold && !str_list_has(&s->old_keyids, ids.at[i]))
			which = ", new";
		cli_print_line(cli, "  %s  %.16s  %s%s",
			       str_list_has(&s->signed_by, ids.at[i]) ? "signed " : "missing",
			       ids.at[i], name ? name : "(no name here)", which);
	}
}

/* ---- what is next ---- */

char *ceremony_who(const struct str_list *ids, const struct str_list *signed_by,
		   const struct keyring *names)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(256 * KIB);
	for (size_t i = 0; i < ids->count; i++) {
		const char *name = ceremony_name(names, ids->at[i]);
		if (signed_by && str_list_has(signed_by, ids->at[i]))
			continue;
		buf_addf(&text, "%s%.*s", text.len ? ", " : "", name ? 64 : 16,
			 name ? name : ids->at[i]);
	}
	return mem_strdup(buf_str(&text));
}

static bool same_ids(const struct str_list *a, const struct str_list *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!str_list_has(b, a->at[i]))
			return false;
	return a->count == b->count;
}

/* Who has to sign: "alice, bob (1 of them)". */
static char *missing_people(const struct writer_status *s, const struct keyring *names)
{
	CLEANUP(str_list_release) struct str_list ids = { 0 };
	bool own = s->valid < s->threshold, old = s->old_valid < s->old_threshold;
	const struct str_list *lists[] = { own ? &s->keyids : NULL, old ? &s->old_keyids : NULL };
	size_t missing = 0;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; lists[i] && k < lists[i]->count; k++)
			if (!str_list_has(&ids, lists[i]->at[k]))
				str_list_add(&ids, lists[i]->at[k]);
	for (size_t i = 0; i < ids.count; i++)
		missing += !str_list_has(&s->signed_by, ids.at[i]);
	CLEANUP(mem_free_ptr) char *who = ceremony_who(&ids, &s->signed_by, names);
	unsigned wanted = MAX(own ? s->threshold - s->valid : 0,
			      old ? s->old_threshold - s->old_valid : 0);
	if (missing <= wanted)
		return STEAL(who);
	bool two_sets = own && old && !same_ids(&s->keyids, &s->old_keyids);
	return mem_printf("%s (%s%u of them)", who, two_sets ? "at least " : "", wanted);
}

static void print_next(struct cli *cli, const struct ceremony_desk *d,
		       const struct writer_status *next)
{
	const char *there = d->named ? " --repository " : "", *dir = d->named ? d->named : "";
	if (!next && d->copy)
		cli_print_line(cli, "next: bring this copy back, for `ferry catalog merge`");
	else if (!next)
		cli_print_line(cli, "next: `ferry catalog sign%s%s`, where the keys of snapshot and "
			       "timestamp are", there, dir);
	if (!next)
		return;
	CLEANUP(mem_free_ptr) char *who = missing_people(next, &d->names);
	cli_print_line(cli, "next: `ferry catalog sign%s%s --role %s --key FILE` by %s%s", there, dir,
		       next->role, who, d->copy ?
		       "; then bring this copy back, for `ferry catalog merge`" :
		       ", here or on a copy of metadata/ and drafts/; `ferry catalog merge COPY` "
		       "brings the signatures back");
}

static bool is_online(const char *role)
{
	return strcmp(role, "snapshot") == 0 || strcmp(role, "timestamp") == 0;
}

void ceremony_print_waiting(struct cli *cli, const struct ceremony_desk *d,
			    const struct writer_statuses *all)
{
	const struct writer_status *next = NULL;
	bool waits = false;
	for (size_t i = 0; i < all->count; i++) {
		const struct writer_status *s = &all->at[i];
		if (!s->waiting)
			continue;
		waits = true;
		print_count(cli, s);
		if (s->old_threshold)
			print_changes(cli, &all->changes, &d->names);
		print_files(cli, s);
		if (!ceremony_lacks(s))
			continue;
		print_keys(cli, s, &d->names);
		if (!next && !is_online(s->role))
			next = s;
	}
	if (waits)
		print_next(cli, d, next);
}

void ceremony_print_complete(struct cli *cli, const struct ceremony_desk *d)
{
	if (d->copy)
		cli_print(cli, "complete: bring this copy back, for `ferry catalog merge`\n");
	else
		cli_print_line(cli, "complete, and published in %s", d->place.dir);
}
