#include "repository/writer/writer_doc.h"

#include "tuf/match.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define SPEC_VERSION "1.0.34"

/* -- finding ----------------------------------------------------------------------------- */

struct writer_doc *writer_doc_find(const struct writer *w, const char *role)
{
	const json_t *place = json_object_get(w->places, role);
	return place ? w->docs[json_integer_value(place)] : NULL;
}

struct writer_doc *writer_doc_top(const struct writer *w, enum tuf_type type)
{
	return w->docs[type];
}

int writer_doc_no_role(const struct writer *w, const char *role, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *shown = text_escaped(role);
	struct tuf_delegated named;
	for (enum tuf_type t = 0; t < TUF_TYPES; t++)
		str_list_add(&names, tuf_type_name(t));
	for (size_t i = 0; writer_doc_delegated(w->docs[TUF_TARGETS], i, &named); i++)
		str_list_add(&names, named.name);
	err_set(e, ERR_USAGE, "there is no role \"%.80s\"", shown);
	return text_hint_nearest(role, (const char *const *)names.at, names.count,
				 "the roles are root, targets, snapshot, timestamp and the "
				 "delegated roles",
				 e);
}

int writer_doc_find_targets(const struct writer *w, const char *role, struct writer_doc **out,
			    struct err *e)
{
	*out = writer_doc_find(w, role);
	return *out && (*out)->type == TUF_TARGETS ? 0 : writer_doc_no_role(w, role, e);
}

char *writer_doc_draft_path(const struct writer *w, const char *role)
{
	CLEANUP(mem_free_ptr) char *file = tuf_name_file(role, 0);
	return path_join(w->drafts, file);
}

/* -- what it says ------------------------------------------------------------------------ */

json_t *writer_doc_version(const struct writer_doc *d, enum writer_state state)
{
	if (state == WRITER_CHOSEN)
		return d->chosen;
	return state == WRITER_CURRENT && d->draft ? d->draft : d->published;
}

json_t *writer_doc_body(const struct writer_doc *d)
{
	return json_object_get(writer_doc_version(d, WRITER_CURRENT), "signed");
}

int64_t writer_doc_expires_s(const json_t *envelope)
{
	int64_t at = 0;
	const json_t *expires = json_object_get(json_object_get(envelope, "signed"), "expires");
	return envelope && parse_time(json_string_value(expires), &at) ? at : 0;
}

bool writer_doc_has_signature(const json_t *envelope, const char *keyid)
{
	json_t *entry;
	size_t i;
	json_array_foreach (json_object_get(envelope, "signatures"), i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "keyid")), keyid) == 0)
			return true;
	return false;
}

int writer_doc_serialise(const json_t *envelope, struct buf *out, struct err *e)
{
	int rc = json_compact(envelope, out, e);
	buf_addc(out, '\n');
	return rc < 0 ? rc : buf_ok(out, "metadata", e);
}

bool writer_doc_delegated(const struct writer_doc *d, size_t i, struct tuf_delegated *out)
{
	const json_t *delegations = json_object_get(writer_doc_body(d), "delegations");
	const json_t *entry = json_array_get(json_object_get(delegations, "roles"), i);
	*out = (struct tuf_delegated){
		.name = json_string_value(json_object_get(entry, "name")),
		.terminating = json_is_true(json_object_get(entry, "terminating")),
		.paths = json_object_get(entry, "paths"),
		.hash_prefixes = json_object_get(entry, "path_hash_prefixes"),
	};
	return entry;
}

bool writer_doc_find_delegated(const struct writer_doc *d, const char *role,
			       struct tuf_delegated *out)
{
	for (size_t i = 0; writer_doc_delegated(d, i, out); i++)
		if (strcmp(out->name, role) == 0)
			return true;
	return false;
}

struct tuf_bins writer_doc_bins(const struct writer_doc *d, enum writer_state state)
{
	const json_t *body = json_object_get(writer_doc_version(d, state), "signed");
	const json_t *bins = json_object_get(json_object_get(body, "delegations"),
					     "succinct_roles");
	return (struct tuf_bins){
		.prefix = json_string_value(json_object_get(bins, "name_prefix")),
		.bit_length = (unsigned)json_integer_value(json_object_get(bins, "bit_length")),
	};
}

static bool is_bin_of(const struct writer_doc *by, const struct writer_doc *d,
		      enum writer_state state)
{
	const struct tuf_bins bins = writer_doc_bins(by, state);
	return d->type == TUF_TARGETS && bins.bit_length &&
	       tuf_match_is_bin(bins.prefix, bins.bit_length, d->role);
}

bool writer_doc_is_bin(const struct writer *w, const struct writer_doc *d, enum writer_state state)
{
	return is_bin_of(writer_doc_top(w, TUF_TARGETS), d, state);
}

bool writer_doc_bins_named(const struct writer *w, const char *prefix)
{
	const struct tuf_bins bins = writer_doc_bins(writer_doc_top(w, TUF_TARGETS),
						     WRITER_CURRENT);
	return bins.bit_length && strcmp(bins.prefix, prefix) == 0;
}

/* -- changing it ------------------------------------------------------------------------- */

struct writer_doc *writer_doc_add(struct writer *w, const char *role, enum tuf_type type)
{
	struct writer_doc *d = NEW(struct writer_doc);
	d->role = mem_strdup(role);
	d->type = type;
	w->docs = mem_grow(w->docs, w->count, &w->cap, sizeof *w->docs);
	json_put_u64(w->places, role, w->count);
	w->docs[w->count++] = d;
	w->has_status = false;
	return d;
}

void writer_doc_free(struct writer_doc *d)
{
	free(d->role);
	free(d->parent);
	json_decref(d->published);
	json_decref(d->draft);
	free(d);
}

static json_t *new_role(void)
{
	json_t *role = json_object();
	json_put(role, "keyids", json_array());
	json_put_u64(role, "threshold", 1);
	return role;
}

static json_t *new_envelope(enum tuf_type type)
{
	json_t *envelope = json_object(), *body = json_object();
	json_put_string(body, "_type", tuf_type_name(type));
	json_put_string(body, "spec_version", SPEC_VERSION);
	json_put_u64(body, "version", 1);
	json_put_string(body, "expires", "");
	if (type == TUF_ROOT) {
		json_t *roles = json_object();
		for (size_t i = 0; i < TUF_TYPES; i++)
			json_put(roles, tuf_type_name((enum tuf_type)i), new_role());
		json_put_bool(body, "consistent_snapshot", true);
		json_put(body, "keys", json_object());
		json_put(body, "roles", roles);
	} else {
		json_put(body, type == TUF_TARGETS ? "targets" : "meta", json_object());
	}
	json_put(envelope, "signatures", json_array());
	json_put(envelope, "signed", body);
	return envelope;
}

static uint64_t lifetime_s(const struct writer *w, enum tuf_type type)
{
	const uint64_t lifetimes[TUF_TYPES] = {
		[TUF_ROOT] = w->expiry.root_s,
		[TUF_TIMESTAMP] = w->expiry.timestamp_s,
		[TUF_SNAPSHOT] = w->expiry.snapshot_s,
		[TUF_TARGETS] = w->expiry.targets_s,
	};
	return lifetimes[type];
}

void writer_doc_renew(struct writer *w, struct writer_doc *d)
{
	char expires[TIME_TEXT];
	format_time(expires, w->now_s + (int64_t)lifetime_s(w, d->type));
	json_put_string(json_object_get(d->draft, "signed"), "expires", expires);
	json_put(d->draft, "signatures", json_array());
	w->has_status = false;
}

json_t *writer_doc_edit(struct writer *w, struct writer_doc *d)
{
	if (!d->draft) {
		d->draft = d->published ? json_deep_copy(d->published) : new_envelope(d->type);
		json_put_u64(json_object_get(d->draft, "signed"), "version", d->version + 1);
	}
	writer_doc_renew(w, d);
	return json_object_get(d->draft, "signed");
}

void writer_doc_sign(struct writer *w, struct writer_doc *d, const char *keyid, const char *hex)
{
	json_t *entry = json_object();
	json_put_string(entry, "keyid", keyid);
	json_put_string(entry, "sig", hex);
	json_push(json_object_get(d->draft, "signatures"), entry);
	w->has_status = false;
}

void writer_doc_set_draft(struct writer *w, struct writer_doc *d, json_t *draft)
{
	json_release(&d->draft);
	d->draft = draft;
	w->has_status = false;
}

void writer_doc_set_published(struct writer *w, struct writer_doc *d, const struct buf *text)
{
	json_decref(d->published);
	d->published = STEAL(d->draft);
	d->chosen = d->published;
	d->version++;
	d->size = text->len;
	sha256_of(text->data, text->len, &d->sha256);
	w->has_status = false;
}

void writer_doc_choose_published(const struct writer *w)
{
	for (size_t i = 0; i < w->count; i++)
		w->docs[i]->chosen = w->docs[i]->published;
}

/* -- whom it delegates to ---------------------------------------------------------------- */

/* A role that existed before continues its version numbers, because clients reject a lower one. */
static uint64_t listed_version(const struct writer *w, const char *role)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.json", role);
	const json_t *meta = json_object_get(
		json_object_get(writer_doc_top(w, TUF_SNAPSHOT)->published, "signed"), "meta");
	return (uint64_t)json_integer_value(json_object_get(json_object_get(meta, name),
							    "version"));
}

static void adopt(struct writer *w, const struct writer_doc *parent, const char *name)
{
	struct writer_doc *d = writer_doc_find(w, name);
	if (!d) {
		d = writer_doc_add(w, name, TUF_TARGETS);
		d->version = listed_version(w, name);
	}
	if (!d->parent)
		d->parent = mem_strdup(parent->role);
}

void writer_doc_adopt(struct writer *w, const struct writer_doc *parent)
{
	const struct tuf_bins bins = writer_doc_bins(parent, WRITER_CURRENT);
	struct tuf_delegated child;
	for (size_t i = 0; writer_doc_delegated(parent, i, &child); i++)
		adopt(w, parent, child.name);
	for (uint32_t n = 0; bins.bit_length && n < 1u << bins.bit_length; n++) {
		CLEANUP(mem_free_ptr) char *name = tuf_match_bin_name(bins.prefix, bins.bit_length,
								      n);
		adopt(w, parent, name);
	}
}

void writer_doc_disown(struct writer *w, const struct writer_doc *parent)
{
	struct tuf_delegated child;
	for (size_t i = TUF_TYPES; i < w->count; i++) {
		struct writer_doc *d = w->docs[i];
		if (!d->parent || strcmp(d->parent, parent->role) != 0 ||
		    writer_doc_find_delegated(parent, d->role, &child) ||
		    is_bin_of(parent, d, WRITER_CURRENT))
			continue;
		mem_free_ptr(&d->parent);
		writer_doc_set_draft(w, d, NULL);
	}
}
