#include "cli/catalog/waiting.h"

#include "util/mem.h"

#include <string.h>

#define PATHS_SHOWN 10
#define TEXT_MAX (256 * KIB)

bool waiting_lacks(const struct writer_status *s)
{
	return s->waiting && (s->valid < s->threshold || s->old_valid < s->old_threshold);
}

/* ---- the document ---- */

static json_t *push_key(json_t *keys, const char *id, const struct keyring *names)
{
	const struct keyring_key *known = keyring_by_id(names, id);
	json_t *key = json_push_object(keys);
	json_put_string(key, "id", id);
	json_put_string(key, "name", known ? known->name : NULL);
	return key;
}

json_t *waiting_ids_json(const struct str_list *ids, const struct keyring *names)
{
	json_t *keys = json_array();
	for (size_t i = 0; i < ids->count; i++)
		push_key(keys, ids->at[i], names);
	return keys;
}

static void push_signer(json_t *keys, const struct writer_status *s, const char *id,
			const struct keyring *names)
{
	json_t *key = push_key(keys, id, names);
	json_put_bool(key, "signed", str_list_has(&s->signed_by, id));
	if (s->old_threshold) {
		json_put_bool(key, "old", str_list_has(&s->old_keyids, id));
		json_put_bool(key, "new", str_list_has(&s->keyids, id));
	}
}

void waiting_put_signatures(json_t *object, const struct writer_status *s,
			    const struct keyring *names)
{
	json_put_u64(object, "threshold", s->threshold);
	json_put_u64(object, "signatures", s->valid);
	if (s->old_threshold) {
		json_put_u64(object, "old_threshold", s->old_threshold);
		json_put_u64(object, "old_signatures", s->old_valid);
	}
	json_t *keys = json_put_array(object, "keys");
	for (size_t i = 0; i < s->keyids.count; i++)
		push_signer(keys, s, s->keyids.at[i], names);
	for (size_t i = 0; i < s->old_keyids.count; i++)
		if (!str_list_has(&s->keyids, s->old_keyids.at[i]))
			push_signer(keys, s, s->old_keyids.at[i], names);
}

static void put_changes(json_t *role, const struct writer_changes *changes,
			const struct keyring *names)
{
	json_t *array = json_put_array(role, "changes");
	for (size_t i = 0; i < changes->count; i++) {
		const struct writer_change *c = &changes->at[i];
		json_t *change = json_push_object(array);
		json_put_string(change, "role", c->role);
		json_put(change, "added", waiting_ids_json(&c->added, names));
		json_put(change, "removed", waiting_ids_json(&c->removed, names));
		json_put_u64(change, "old_threshold", c->old_threshold);
		json_put_u64(change, "threshold", c->threshold);
	}
}

static void put_waiting(json_t *role, const struct writer_status *s, const struct keyring *names)
{
	json_put_string(role, "role", s->role);
	json_put_u64(role, "version", s->version);
	json_put_bool(role, "complete", !waiting_lacks(s));
	waiting_put_signatures(role, s, names);
	if (s->added.count || s->removed.count || s->changed.count) {
		json_t *files = json_put_object(role, "files");
		json_put(files, "added", json_strings(&s->added));
		json_put(files, "removed", json_strings(&s->removed));
		json_put(files, "changed", json_strings(&s->changed));
	}
	if (s->delegations)
		json_put_bool(role, "delegations_changed", true);
}

void waiting_put(json_t *document, const struct writer_statuses *all, const struct keyring *names)
{
	json_t *roles = json_put_array(document, "waiting_roles");
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].waiting)
			put_waiting(json_push_object(roles), &all->at[i], names);
	/* Only root has changes, and it comes first. */
	if (all->changes.count)
		put_changes(json_array_get(roles, 0), &all->changes, names);
}

size_t waiting_lacking(const json_t *document, const struct opt_list *roles)
{
	const json_t *role;
	size_t i, count = 0;
	json_array_foreach (json_object_get(document, "waiting_roles"), i, role) {
		bool asked = roles->count == 0;
		for (size_t k = 0; k < roles->count; k++)
			asked |= strcmp(roles->at[k], json_text(role, "role")) == 0;
		count += asked && !json_flag(role, "complete");
	}
	return count;
}

/* ---- for people ---- */

static void print_count(struct cli *cli, const json_t *role)
{
	CLEANUP(mem_free_ptr) char *text = cli_fill(
		role,
		json_flag(role, "complete")
			? "{role} {version} has all its signatures and waits for other documents"
			: "{role} {version} waits: {signatures} of {threshold} signatures");
	CLEANUP(mem_free_ptr) char *old = cli_fill(role, "{old_signatures} of {old_threshold}");
	if (json_flag(role, "complete") || !json_number(role, "old_threshold"))
		cli_line(cli, "%s", text);
	else
		cli_line(cli, "%s by its own keys, %s by those of version %lld", text, old,
			 (long long)json_number(role, "version") - 1);
}

static void add_change(struct buf *out, char *text)
{
	if (*text)
		buf_addf(out, "%s%s", out->len ? ", " : "", text);
	free(text);
}

/* Shows the signers what a root changes. */
static void print_changes(struct cli *cli, const json_t *role)
{
	const json_t *changes = json_object_get(role, "changes"), *c;
	size_t i;
	json_array_foreach (changes, i, c) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MAX);
		add_change(&text, cli_join(json_object_get(c, "added"),
					   "adds {id:short}{name? :}{name}", ", "));
		add_change(&text, cli_join(json_object_get(c, "removed"),
					   "removes {id:short}{name? :}{name}", ", "));
		if (json_number(c, "threshold") != json_number(c, "old_threshold"))
			add_change(&text,
				   cli_fill(c, "threshold {threshold} instead of {old_threshold}"));
		cli_line(cli, "  for %s: %s", json_text(c, "role"), buf_str(&text));
	}
	if (!changes)
		cli_line(cli, "  changes no keys");
}

static void print_paths(struct cli *cli, const char *verb, const json_t *paths)
{
	size_t count = json_array_size(paths);
	size_t shown = count > PATHS_SHOWN + 1 ? PATHS_SHOWN : count;
	for (size_t i = 0; i < shown; i++)
		cli_line(cli, "  %s %s", verb, json_string_value(json_array_get(paths, i)));
	if (shown < count)
		cli_line(cli, "  %s %zu more; --json lists all", verb, count - shown);
}

/* The same for targets. */
static void print_files(struct cli *cli, const json_t *role)
{
	const json_t *files = json_object_get(role, "files");
	print_paths(cli, "adds", json_object_get(files, "added"));
	print_paths(cli, "removes", json_object_get(files, "removed"));
	print_paths(cli, "changes", json_object_get(files, "changed"));
	if (json_flag(role, "delegations_changed"))
		cli_line(cli, "  changes its delegations");
}

static void print_keys(struct cli *cli, const json_t *role)
{
	bool new_root = json_number(role, "old_threshold");
	const json_t *key;
	size_t i;
	json_array_foreach (json_object_get(role, "keys"), i, key) {
		CLEANUP(mem_free_ptr) char *text =
			cli_fill(key,
				 "{signed?signed :missing}  {id:short}  {name|(no name here)}");
		cli_line(cli, "  %s%s", text,
			 !new_root                ? ""
			 : !json_flag(key, "new") ? ", removed by this version"
			 : !json_flag(key, "old") ? ", added by this version"
						  : "");
	}
}

/* ---- what is next ---- */

char *waiting_who(const json_t *keys)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MAX);
	const json_t *key;
	size_t i;
	json_array_foreach (keys, i, key) {
		CLEANUP(mem_free_ptr) char *who =
			cli_fill(key, json_object_get(key, "name") ? "{name}" : "{id:short}");
		buf_addf(&text, "%s%s", text.len ? ", " : "", who);
	}
	return mem_strdup(buf_str(&text));
}

static uint64_t lacking(const json_t *role, const char *threshold, const char *signatures)
{
	uint64_t wanted = json_number(role, threshold), there = json_number(role, signatures);
	return wanted - MIN(wanted, there);
}

/* Who has to sign: "alice, bob (1 of them)". */
static char *missing_people(const json_t *role)
{
	CLEANUP(json_release) json_t *missing = json_array();
	bool new_root = json_number(role, "old_threshold"), differ = false;
	uint64_t own = lacking(role, "threshold", "signatures");
	uint64_t old = lacking(role, "old_threshold", "old_signatures");
	uint64_t wanted = MAX(own, old);
	json_t *key;
	size_t i;
	json_array_foreach (json_object_get(role, "keys"), i, key) {
		bool counts = (own && (!new_root || json_flag(key, "new"))) ||
			      (old && json_flag(key, "old"));
		differ |= new_root && json_flag(key, "new") != json_flag(key, "old");
		if (counts && !json_flag(key, "signed"))
			json_push(missing, json_incref(key));
	}
	CLEANUP(mem_free_ptr) char *who = waiting_who(missing);
	if (json_array_size(missing) <= wanted)
		return STEAL(who);
	return mem_printf("%s (%s%llu of them)", who, own && old && differ ? "at least " : "",
			  (unsigned long long)wanted);
}

static void print_next(struct cli *cli, const struct ceremony_desk *d, const json_t *next)
{
	const char *there = d->named ? " --repository " : "", *dir = d->named ? d->named : "";
	CLEANUP(mem_free_ptr) char *who = next ? missing_people(next) : NULL;
	if (next)
		cli_line(cli,
			 "next: run `ferry catalog sign%s%s --role %s --key FILE` with the key of "
			 "%s%s",
			 there, dir, json_text(next, "role"), who,
			 d->copy ? "; then take this copy back to the publisher, for `ferry "
				   "catalog merge`"
				 : ", here or on a copy of metadata/ and drafts/; `ferry catalog "
				   "merge COPY` merges the signatures");
	else if (d->copy)
		cli_line(cli,
			 "next: take this copy back to the publisher, for `ferry catalog merge`");
	else
		cli_line(cli,
			 "next: run `ferry catalog sign%s%s` where the keys of snapshot and "
			 "timestamp are",
			 there, dir);
}

void waiting_print(struct cli *cli, const struct ceremony_desk *d, const json_t *document)
{
	const json_t *roles = json_object_get(document, "waiting_roles"), *role, *next = NULL;
	size_t i;
	cli_aloud(cli, true); /* a person has to act: not a success */
	json_array_foreach (roles, i, role) {
		print_count(cli, role);
		if (json_number(role, "old_threshold"))
			print_changes(cli, role);
		print_files(cli, role);
		if (json_flag(role, "complete"))
			continue;
		print_keys(cli, role);
		if (!next && !repository_is_online(json_text(role, "role")))
			next = role;
	}
	if (json_array_size(roles))
		print_next(cli, d, next);
	cli_aloud(cli, false);
}
